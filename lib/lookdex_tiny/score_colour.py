"""Score colour names of objects, computed without masks, on photos with known colours.

    python -m lookdex_tiny.score_colour --ccp DIR --held DIR --seed SEED [--sheet OUT.png]

Truth for street photos (Clothing Co-Parsing): the name voted by the pixels of the object's mask. For rendered photos:
the product's colour. `colour.describe` is compared with a baseline that uses every pixel in the middle of the box.
`--sheet` draws the wrongly named objects.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lookdex.imaging import boxes, codec, colour
from lookdex.records import Box
from lookdex.training import rendered, sources
from lookdex.training.scenes import Scene
from lookdex_sample import make_product
from lookdex_tiny.masks import Masks, name_colour

ALSO = {"blue": ("navy",)}  # accepted alternatives
METALS = ("gold", "silver")  # colours without a lookdex name, skipped
TILE = 120


@dataclass(frozen=True, slots=True)
class Case:
    """An object with its true colour, or two names for it."""

    photo: np.ndarray
    """uint8 (H, W, 3)."""
    box: Box
    label: str
    truth: tuple[str, ...]


Method = Callable[[Case], str]


def describe_case(case: Case) -> str:
    return colour.describe(case.photo, case.box, case.label).name


def middle(case: Case) -> str:
    """The name voted by the middle of the box: half its width, half its height."""
    crop = codec.crop(case.photo, case.box)
    height, width = crop.shape[:2]
    inner = crop[height // 4 : height - height // 4, width // 4 : width - width // 4]
    rows, columns = (-(-side // 32) for side in inner.shape[:2])
    return name_colour(inner[::rows, ::columns])


def street(root: Path) -> Iterator[Case]:
    """The held-out street photos of `sources.street`: the priors of `colour.garment` come from the others."""
    masks = Masks.load(root)
    for scene in sources.street(root)[1]:
        photo = sources.read(scene.path)
        for box, label, tag in zip(_boxes(scene, photo), scene.labels, scene.tags, strict=True):
            if name := masks.colour(scene.path, photo, box, tag):
                yield Case(photo, box, label, (name,))


def shop(held: Path, seed: int) -> Iterator[Case]:
    """The products in photos rendered by `lookdex.training.rendered` with this seed."""
    for scene in (scene for part in rendered.load(held) for scene in part):
        photo = sources.read(scene.path)
        for i, box in enumerate(_boxes(scene, photo)):
            if number := scene.product_ids[i][1:]:
                truth = make_product(seed, int(number)).colour
                if truth not in METALS:
                    yield Case(photo, box, scene.labels[i], (truth, *ALSO.get(truth, ())))


def _boxes(scene: Scene, photo: np.ndarray) -> list[Box]:
    height, width = photo.shape[:2]
    return [boxes.clip(Box(*map(int, box)), width, height) for box in scene.boxes]


@dataclass
class Tally:
    """Accuracy of a method by label, and its CPU time per object in milliseconds."""

    right: dict[str, list[bool]]
    seconds: float = 0.0

    def add(self, case: Case, method: Method) -> bool:
        start = time.process_time()
        name = method(case)
        self.seconds += time.process_time() - start
        hit = name in case.truth
        self.right.setdefault(case.label, []).append(hit)
        return hit

    def __str__(self) -> str:
        every = [hit for hits in self.right.values() for hit in hits]
        labels = "  ".join(f"{k} {np.mean(v):.2f}" for k, v in sorted(self.right.items()))
        spent = 1000 * self.seconds / max(len(every), 1)
        return f"{np.mean(every):.3f} of {len(every)}, {spent:.2f} ms of CPU each\n    {labels}"


def tile(case: Case) -> np.ndarray:
    """uint8 (TILE + 60, TILE, 3): the object, its palette, the predicted and the true name."""
    shown = colour.describe(case.photo, case.box, case.label)
    crop = codec.shrink(codec.crop(case.photo, case.box), TILE)
    out = np.full((TILE + 60, TILE, 3), 255, np.uint8)
    out[: crop.shape[0], : crop.shape[1]] = crop
    ends = np.cumsum([0.0, *(swatch.share for swatch in shown.palette)]) * TILE
    for swatch, left, right in zip(shown.palette, ends[:-1], ends[1:], strict=True):
        out[TILE : TILE + 20, round(left) : round(right)] = list(bytes.fromhex(colour.to_hex(swatch)[1:]))
    for line, text in enumerate((f"{shown.name} {shown.share:.2f}", f"{case.label}: {case.truth[0]}")):
        cv2.putText(out, text, (2, TILE + 36 + 17 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1)
    return out


def score(title: str, cases: Iterator[Case]) -> list[np.ndarray]:
    """Print both methods' figures; returns tiles of what `colour.describe` names wrongly."""
    tallies = {"middle of the box": (middle, Tally({})), "own pixels": (describe_case, Tally({}))}
    wrong = []
    for case in cases:
        hits = {name: tally.add(case, method) for name, (method, tally) in tallies.items()}
        if not hits["own pixels"]:
            wrong.append(tile(case))
    for name, (_, tally) in tallies.items():
        print(f"{title}, {name}: {tally}")
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ccp", type=Path, help="Clothing Co-Parsing, with masks")
    parser.add_argument("--held", type=Path, help="photos that lookdex.training.rendered made")
    parser.add_argument("--seed", type=int, default=900_000_000, help="of those photos")
    parser.add_argument("--sheet", type=Path, help="a PNG of what is named wrongly")
    options = parser.parse_args()
    wrong = score("street photos", street(options.ccp)) if options.ccp else []
    wrong += score("rendered photos", shop(options.held, options.seed)) if options.held else []
    if options.sheet and wrong:
        wrong += [np.full_like(wrong[0], 255)] * (-len(wrong) % 12)
        rows = [np.hstack(wrong[i : i + 12]) for i in range(0, len(wrong), 12)]
        cv2.imwrite(str(options.sheet), np.vstack(rows)[..., ::-1])


if __name__ == "__main__":
    main()
