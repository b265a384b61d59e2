"""Write lookdex-tiny's fixed held-out data as files for `lookdex evaluate`.

    python -m lookdex_tiny.splits --data DIR --rendered DIR --out DIR

From DIR's clothing/ and ccp/, and from photos of `lookdex.training.rendered` with a seed not used in training:

    clothing.csv          garments of every fifth sender: image, sender_id, label (17), category (7)
    street.json           every sixth street photo with its boxes, COCO
    flats.json            200 of those garments, annotated by hand (in `protocol/`)
    words/street.csv      crops of the street photos' objects in words/street/: image, colour, category
    words/shop.csv        crops of the rendered products in words/shop/

The colour of a street object is voted by its mask's pixels; that of a rendered product is known.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import cv2

from lookdex.imaging import boxes, codec
from lookdex.models.digests import TINY, embedder_defaults
from lookdex.training import sources
from lookdex_tiny.score_colour import Case, shop, street

PROTOCOL = Path(__file__).parent / "protocol"
HELD_SEED = 900_000_000


def write_splits(data: Path, rendered: Path, out: Path, seed: int = HELD_SEED) -> dict[str, int]:
    """Write all files; returns the number of rows by file name."""
    (out / "words").mkdir(parents=True, exist_ok=True)
    shutil.copy(PROTOCOL / "flats.json", out / "flats.json")
    return {
        "clothing.csv": _clothing(data / "clothing", out / "clothing.csv"),
        "street.json": _street(data / "ccp", out / "street.json"),
        "words/street.csv": _words(street(data / "ccp"), out / "words" / "street"),
        "words/shop.csv": _words(shop(rendered, seed), out / "words" / "shop"),
    }


def _clothing(root: Path, out: Path) -> int:
    held = {garment.path.stem for garment in sources.garments(root)[1]}
    with (root / "items.csv").open() as lines, out.open("w", newline="") as written:
        rows = [row for row in csv.DictReader(lines) if row["image"] in held]
        table = csv.DictWriter(written, ("image", "sender_id", "label", "category"), extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    return len(rows)


def _street(root: Path, out: Path) -> int:
    held = {scene.path.name for scene in sources.street(root)[1]}
    layout = json.loads((root / "boxes.json").read_text())
    layout["images"] = [image for image in layout["images"] if image["file_name"] in held]
    kept = {image["id"] for image in layout["images"]}
    layout["annotations"] = [one for one in layout["annotations"] if one["image_id"] in kept]
    out.write_text(json.dumps(layout))
    return len(kept)


def _words(cases: Iterable[Case], folder: Path) -> int:
    """Write crops as indexed, and a table of their labels next to the folder."""
    folder.mkdir(exist_ok=True)
    margin, count = embedder_defaults(TINY).crop_margin, 0
    with folder.with_suffix(".csv").open("w", newline="") as lines:
        table = csv.writer(lines)
        table.writerow(["image", "colour", "category"])
        for case in cases:
            height, width = case.photo.shape[:2]
            crop = codec.crop(case.photo, boxes.clip(case.box, width, height), margin)
            if min(crop.shape[:2]) < codec.MIN_SIDE:
                continue
            name = f"{count:05d}.jpg"
            cv2.imwrite(str(folder / name), crop[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
            table.writerow([name, case.truth[0], case.label])
            count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with ccp/ and clothing/")
    parser.add_argument("--rendered", type=Path, required=True, help="made by lookdex.training.rendered")
    parser.add_argument("--seed", type=int, default=HELD_SEED, help="of the rendered photos")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    for name, count in write_splits(options.data, options.rendered, options.out, options.seed).items():
        print(f"{options.out / name}: {count}")


if __name__ == "__main__":
    main()
