"""Instance recognition: does each thing under strong augmentation match itself among all things?

    python -m lookdex_tiny.known_again --data DIR [--embedder NAME]

The protocol is fixed. Things are every garment of the held-out senders and every object of the held-out street photos
whose shorter side has at least SMALLEST pixels. The gallery is each thing as the index embeds it. A query is 60 to
100 % of it, from another viewpoint, under another light and colour, as a JPEG of quality 40, and, where it can be
segmented (`views.segment`), on another background: plain or another thing's photo, with equal chance. Randomness is
seeded by the thing's number, so that every model gets the same queries.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lookdex.models.digests import TINY, embedder_defaults
from lookdex.models.embed import Embedder, load_embedder
from lookdex.training import sources
from lookdex.training.augment import recolour
from lookdex.training.embedder import views
from lookdex.training.measure import split_batches
from lookdex.training.scenes import Garment, Scene
from lookdex_tiny.crops import crop_box

SMALLEST = 48  # pixels
SEED = 2026
VIEWPOINT, LIGHT, QUALITY, PART = 0.1, 1.0, 40, 0.6


@dataclass(frozen=True, slots=True)
class KnownAgain:
    """How often things are recognised."""

    first: float
    """Share of the queries with their own thing as nearest."""
    among_ten: float
    grounds: float
    """Share of queries with another background."""
    things: int


def measure_known_again(
    embedder: Embedder, garments: Sequence[Garment], street: Sequence[Scene], margin: float
) -> KnownAgain:
    """Query with a strong view of every thing."""
    things = [sources.read(garment.path) for garment in garments]
    garment_count = len(things)
    for scene in street:
        image = sources.read(scene.path)
        sides = (scene.boxes[:, 2:] - scene.boxes[:, :2]).min(axis=1)
        things += [crop_box(image, box, margin) for box in scene.boxes[sides >= SMALLEST]]
    gallery = _embed(embedder, things)
    swapped, queries = 0, []
    for number, thing in enumerate(things):
        rng = np.random.default_rng((SEED, number))
        other = things[int(rng.integers(len(things)))]
        mask = views.segment(thing) if number < garment_count else None
        swapped += mask is not None
        queries.append(strong_view(thing, mask, other, rng))
    similar = _embed(embedder, queries) @ gallery.T
    own = similar[np.arange(len(things)), np.arange(len(things))]
    rank = (similar > own[:, None]).sum(axis=1)
    return KnownAgain(
        float((rank < 1).mean()), float((rank < 10).mean()), swapped / max(len(things), 1), len(things)
    )


def strong_view(
    thing: np.ndarray, mask: np.ndarray | None, other: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Augment a thing, uint8 (H, W, 3).

    Args:
        mask: bool (H, W), or None to keep its background.
    """
    if mask is not None:
        under = views.draw_background(thing, rng) if rng.random() < 0.5 else other
        thing = views.swap_background(thing, mask, under)
    view = views.change_viewpoint(views.random_part(thing, rng, PART), rng, VIEWPOINT)
    return views.degrade_jpeg(recolour(view, rng, LIGHT), QUALITY)


def _embed(embedder: Embedder, pictures: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([embedder.embed_images(batch) for batch in split_batches(pictures, 64)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ccp/ and clothing/")
    parser.add_argument("--embedder", default=TINY)
    options = parser.parse_args()
    result = measure_known_again(
        load_embedder(options.embedder),
        sources.garments(options.data / "clothing")[1],
        sources.street(options.data / "ccp")[1],
        embedder_defaults(options.embedder).crop_margin,
    )
    print(
        f"known again: first {result.first:.3f}, among ten {result.among_ten:.3f} of {result.things} things; "
        f"{result.grounds:.2f} of them on another ground"
    )


if __name__ == "__main__":
    main()
