"""Generate boxes for photos that have only labels: a trained detector locates, the label classifies.

    python -m lookdex_tiny.pseudo street   --data DIR --out FILE [--detector NAME] [--sheet PNG]
    python -m lookdex_tiny.pseudo garments --data DIR --out FILE [--detector NAME] [--sheet PNG]

`street`: the street photos that have tags but no boxes; every eighth is kept for queries. `garments`: photos of one
garment by the training senders. Writes COCO JSON of the photos with reliable boxes, and optionally a contact sheet of a
sample: check it before training.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lookdex.imaging import boxes
from lookdex.models.detect import Detector, load_detector
from lookdex.records import Box, Detection
from lookdex.taxonomy.categories import CATEGORIES
from lookdex.training import sources
from lookdex.training.measure import sample_evenly, split_batches
from lookdex.training.scenes import Scene
from lookdex_tiny.sheets import contact_sheet

# Minimum score of a box whose label is among the photo's tags. On the held-out street photos nine of ten such boxes
# of outerwear, dresses, pants, shoes, hats and glasses are right, seven of tops and bags, five of belts.
TAGGED_SCORE = 0.4
# A street photo in which one of these is tagged but not found would teach it as background.
LARGE = ("top", "outerwear", "dress", "pants", "skirt", "shoes")
LONE_SCORE = 0.15  # minimum score of the only garment in a photo, which mostly fills it
LONE_SHARE = 0.15  # minimum share of the photo that it fills
GARMENTS, TAGGED = "garments", "tagged"  # the two kinds of photos that get boxes
EVERY_QUERY = 8  # every eighth street photo without boxes is kept for queries


@dataclass(frozen=True, slots=True)
class Tagged:
    """A photo and the labels of its things."""

    path: Path
    labels: tuple[str, ...]


def finder(name: str, device: str = "cpu") -> Detector:
    """A detector set up for these functions: low scores, and no suppression between labels."""
    return load_detector(
        name, device=device, min_score=min(TAGGED_SCORE, LONE_SCORE), nms_iou=1.0, max_objects=60
    )


def tagged_boxes(labels: Sequence[str], found: Sequence[Detection]) -> list[Detection] | None:
    """The best box for each of a photo's labels; None if a LARGE one has none.

    Args:
        found: the detector's boxes of any score, best first, without suppression between labels.
    """
    chosen: list[Detection] = []
    for label, count in Counter(labels).items():
        mine = [o for o in found if o.label == label and o.score >= TAGGED_SCORE][:count]
        if not mine and label in LARGE:
            return None
        chosen += mine
    return chosen


def find_lone_box(label: str, found: Sequence[Detection], height: int, width: int) -> Box | None:
    """The box of a photo's only garment: its label's best one, else the best of any label; None if it is uncertain."""
    large = [o for o in found if o.score >= LONE_SCORE and boxes.area(o.box) >= LONE_SHARE * height * width]
    for candidates in ([o for o in large if o.label == label], large):
        if candidates:
            return max(candidates, key=lambda o: o.score).box
    return None


def unboxed_street(root: Path) -> list[Tagged]:
    """Training photos in `root`/unboxed with their tags as labels; tags without boxes are skipped.

    Returns [] if the optional folder is missing.
    """
    if not (root / "unboxed" / "tags.json").exists():
        return []
    label_of = {
        tag: label
        for scene in sources.coco(root / "boxes.json", root / "photos")
        for tag, label in zip(scene.tags, scene.labels, strict=True)
    }
    tags = json.loads((root / "unboxed" / "tags.json").read_text())
    return [
        Tagged(
            root / "unboxed" / "photos" / f"{name}.jpg",
            tuple(label_of[t] for t in tags[name] if t in label_of),
        )
        for n, name in enumerate(sorted(tags))
        if n % EVERY_QUERY
    ]


def find_lone_garments(root: Path, limit: int | None = None) -> list[Tagged]:
    """Photos of one garment in `root` by the training senders; at most `limit`, evenly spaced."""
    train, _ = sources.garments(root)
    return [
        Tagged(garment.path, (garment.category,)) for garment in sample_evenly(train, limit or len(train))
    ]


def box_street(detector: Detector, photos: Sequence[Tagged]) -> list[Scene]:
    scenes = []
    for batch in split_batches(photos, 8):
        found = detector.detect([sources.read(photo.path) for photo in batch])
        for photo, objects in zip(batch, found, strict=True):
            chosen = tagged_boxes(photo.labels, objects)
            if chosen:
                scenes.append(to_scene(photo.path, chosen))
    return scenes


def box_garments(detector: Detector, photos: Sequence[Tagged]) -> list[Scene]:
    scenes = []
    for batch in split_batches(photos, 8):
        images = [sources.read(photo.path) for photo in batch]
        for photo, image, objects in zip(batch, images, detector.detect(images), strict=True):
            box = find_lone_box(photo.labels[0], objects, *image.shape[:2])
            if box is None:
                plain = sources.plain_box(image)
                box = None if plain is None else Box(*(round(float(v)) for v in plain))
            if box is not None:
                scenes.append(to_scene(photo.path, [Detection(box, photo.labels[0], 1.0)]))
    return scenes


def to_scene(path: Path, found: Sequence[Detection]) -> Scene:
    return Scene(path, boxes.to_array([o.box for o in found]), tuple(o.label for o in found))


def boxes_file(work: Path, kind: str) -> Path:
    """The path of a kind's generated boxes in the work folder."""
    return work / f"{kind}.json"


def find_boxes(
    data: Path, work: Path, kinds: Sequence[str] = (GARMENTS, TAGGED), device: str = "cpu"
) -> dict[str, int]:
    """Generate boxes for photos that have only labels, if the work folder does not have them yet.

    Args:
        data: folder with ccp/ and clothing/.

    Returns:
        The number of photos with boxes by kind.
    """
    detector, counts = None, {}
    for kind in kinds:
        path = boxes_file(work, kind)
        if not path.exists():
            lone = kind == GARMENTS
            photos = find_lone_garments(data / "clothing") if lone else unboxed_street(data / "ccp")
            scenes = list[Scene]()
            if photos:
                detector = detector or finder("lookdex-tiny", device)
                scenes = (box_garments if lone else box_street)(detector, photos)
            write(path, scenes)
        counts[kind] = len(json.loads(path.read_text())["images"])
    return counts


def to_coco(scenes: Sequence[Scene]) -> dict[str, Any]:
    """COCO JSON of scenes, with their file names."""
    annotations: list[dict[str, Any]] = []
    for image, scene in enumerate(scenes, 1):
        for (x0, y0, x1, y1), label in zip(scene.boxes.tolist(), scene.labels, strict=True):
            annotations.append({
                "id": len(annotations) + 1, "image_id": image, "category_id": CATEGORIES.index(label) + 1,
                "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": 0,
            })  # fmt: skip
    return {
        "images": [{"id": n, "file_name": scene.path.name} for n, scene in enumerate(scenes, 1)],
        "categories": [{"id": n, "name": name} for n, name in enumerate(CATEGORIES, 1)],
        "annotations": annotations,
    }


def write(path: Path, scenes: Sequence[Scene]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(to_coco(scenes)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("kind", choices=["street", "garments"])
    parser.add_argument("--data", type=Path, required=True, help="folder with ccp/ and clothing/")
    parser.add_argument("--out", type=Path, required=True, help="the COCO file to write")
    parser.add_argument("--detector", default="lookdex-tiny")
    parser.add_argument("--most", type=int, help="photos to look at, evenly chosen [all]")
    parser.add_argument("--sheet", type=Path, help="a PNG of some of them, to look at")
    options = parser.parse_args()
    detector = finder(options.detector)
    if options.kind == "street":
        photos = unboxed_street(options.data / "ccp")
        scenes = box_street(detector, sample_evenly(photos, options.most or len(photos)))
    else:
        scenes = box_garments(detector, find_lone_garments(options.data / "clothing", options.most))
    write(options.out, scenes)
    objects = Counter(label for scene in scenes for label in scene.labels)
    print(f"{len(scenes)} photos have boxes: {dict(objects)}")
    if options.sheet:
        options.sheet.write_bytes(contact_sheet(sample_evenly(scenes, 60)))


if __name__ == "__main__":
    main()
