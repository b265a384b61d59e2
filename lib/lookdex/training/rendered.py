"""Render training photos in advance: a folder of JPEGs with a JSON line for each.

    python -m lookdex.training.rendered --out DIR --seed 1000000 --products 2000 --looks 3000 --part 1/2

Parts run in parallel, and an interrupted part continues where it stopped. Training seeds start at 1,000,000; smaller
ones belong to the demo and the tests.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from lookdex.training.scenes import Scene
from lookdex_sample import Photo, Product, TrueObject, make_product, pick_outfit, render_look, render_product

FIRST_SEED = 1_000_000
VIEWS = 2


def render(out: Path, seed: int, products: int, looks: int, part: int = 0, parts: int = 1) -> int:
    """Render this part's missing photos; returns the number written.

    Products and looks alternate, so that an unfinished folder is already balanced.
    """
    if seed < FIRST_SEED:
        raise ValueError(f"seeds below {FIRST_SEED:,} belong to the demo and the tests, got {seed}")
    out.mkdir(parents=True, exist_ok=True)
    catalogue = [make_product(seed, i) for i in range(products)]
    by_category: dict[str, list[Product]] = defaultdict(list)
    for product in catalogue:
        by_category[product.category].append(product)
    lines = out / f"part-{part}.jsonl"
    done = set()
    if lines.exists():
        done = {json.loads(line)["name"] for line in lines.read_text().splitlines()}
    jobs = sorted(
        [(i / products, f"p{i:06d}-{view}") for i in range(products) for view in range(VIEWS)]
        + [(i / looks, f"l{i:06d}") for i in range(looks)]
    )
    written = 0
    with lines.open("a") as log:
        for _, name in jobs[part::parts]:
            if name in done:
                continue
            if name[0] == "p":
                number, view = name[1:].split("-")
                photo = render_product(catalogue[int(number)], seed, int(view))
            else:
                rng = np.random.default_rng((seed, int(name[1:]), 9))
                photo = render_look(pick_outfit(by_category, rng), seed + 1 + int(name[1:]))
            _save(photo, out / f"{name}.jpg")
            log.write(json.dumps({"name": name, "objects": [list(_plain(o)) for o in photo.objects]}) + "\n")
            log.flush()
            written += 1
    return written


def load(folder: Path) -> tuple[list[Scene], list[Scene]]:
    """Load the photos rendered so far: (catalogue photos, looks)."""
    catalogue: list[Scene] = []
    looks: list[Scene] = []
    for lines in sorted(folder.glob("part-*.jsonl")):
        for line in lines.read_text().splitlines():
            record = json.loads(line)
            objects = record["objects"]
            scene = Scene(
                folder / f"{record['name']}.jpg",
                np.array([o[0] for o in objects], np.float32).reshape(-1, 4),
                tuple(o[1] for o in objects),
                tuple(o[1] for o in objects),
                tuple(o[2] for o in objects),
            )
            (looks if record["name"][0] == "l" else catalogue).append(scene)
    return catalogue, looks


def _plain(true_object: TrueObject) -> tuple[list[int], str, str]:
    return [int(v) for v in true_object.box], true_object.category, true_object.product_id


def _save(photo: Photo, path: Path) -> None:
    photo.image.save(path, quality=92)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    parser.add_argument("--products", type=int, default=2000)
    parser.add_argument("--looks", type=int, default=3000)
    parser.add_argument("--part", default="1/1", help="part to render, as N/COUNT, from 1")
    options = parser.parse_args()
    part, parts = (int(v) for v in options.part.split("/"))
    written = render(options.out, options.seed, options.products, options.looks, part - 1, parts)
    print(f"{written} photos written to {options.out}")


if __name__ == "__main__":
    main()
