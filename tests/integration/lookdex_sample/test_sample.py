"""The rendered sample shop is deterministic, has correct boxes, and cannot be solved by colour alone."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lookdex.cli.main import main
from lookdex.storage import open_store
from lookdex.taxonomy.categories import CATEGORIES
from lookdex_sample import (
    PRODUCTS_SCHEMA,
    TRUTH_SCHEMA,
    Photo,
    Product,
    make_product,
    pick_outfit,
    render_look,
    render_product,
    scene,
    write_sample,
)
from tests.support.paths import ROOT

SMALL = (160, 240)


class Folder:
    """A folder with the one method of a store that `write_sample` needs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, data: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*.*"))
    }


def wardrobe(seed: int, each: int) -> dict[str, list[Product]]:
    return {name: [make_product(seed, 50 + i, name) for i in range(each)] for name in CATEGORIES}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sample")
    write_sample(Folder(root), products=18, looks=4, seed=3)
    return root


def test_same_arguments_give_the_same_files_in_another_process(sample: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.integration.lookdex_sample.test_sample import Folder\n"
        "from lookdex_sample import write_sample\n"
        "if __name__ == '__main__':\n"
        "    write_sample(Folder(Path(sys.argv[1])), products=18, looks=4, seed=3)\n"
    )
    root = ROOT
    env = os.environ | {"PYTHONPATH": f"{root / 'lib'}{os.pathsep}{root}", "PYTHONHASHSEED": "77"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, env=env, timeout=120)
    assert digests(tmp_path) == digests(sample)


def test_tables_match_the_photos(sample: Path) -> None:
    products = pq.read_table(sample / "products.parquet")
    truth = pq.read_table(sample / "truth.parquet")
    assert products.schema.equals(PRODUCTS_SCHEMA)
    assert truth.schema.equals(TRUTH_SCHEMA)
    assert set(products["category"].to_pylist()) == set(CATEGORIES)
    known = set(products["product_id"].to_pylist())
    for row in truth.to_pylist():
        with Image.open(sample / row["image_key"]) as image:
            assert image.size == (row["width"], row["height"])
        assert 0 <= row["x0"] < row["x1"] <= row["width"]
        assert 0 <= row["y0"] < row["y1"] <= row["height"]
        assert row["product_id"] in known | {""}
        assert row["kind"] == "product" or row["product_id"], "looks show only products of the shop"
    photos = {str(p.relative_to(sample)) for p in sample.rglob("*.jpg")}
    assert set(truth["image_key"].to_pylist()) == photos


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_sample(Folder(tmp_path), 2, 1, seed=1, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_earlier_sample_is_replaced_only_with_force(root_uri: str) -> None:
    store = open_store(root_uri)

    def sample(products: int, *more: str) -> Result:
        command = ["sample", "--out", root_uri, "--products", str(products), "--looks", "1", *more]
        return CliRunner().invoke(main, command, catch_exceptions=False)

    assert sample(3).exit_code == 0
    before = {listed.key: listed.etag for listed in store.list()}
    refused = sample(1)
    assert refused.exit_code == 2
    assert "is not empty" in refused.output
    assert "--force" in refused.output
    assert {listed.key: listed.etag for listed in store.list()} == before
    other_files = ("mine/P000001.jpg", "photos/P000001/mine.jpg", "products.csv")
    for key in other_files:
        store.put(key, b"mine")
    done = sample(1, "--force")
    assert done.exit_code == 0
    assert f"removed {len(before)} files of an earlier sample" in done.output
    assert "1 product and 1 look in" in done.output
    left = {listed.key for listed in store.list()}
    photos = {key for key in before if key.startswith("photos/P000000/")}
    assert photos
    assert left == {
        *other_files, *photos, "looks/look-00000.jpg", "products.parquet", "truth.parquet", "thresholds.json"
    }  # fmt: skip
    if "://" not in root_uri:
        assert sorted(folder.name for folder in Path(root_uri, "photos").iterdir()) == ["P000000", "P000001"]


@pytest.mark.parametrize(("products", "looks"), [(0, 1), (1, -1)])
def test_sample_without_products_is_refused(tmp_path: Path, products: int, looks: int) -> None:
    with pytest.raises(ValueError, match="at least one product"):
        write_sample(Folder(tmp_path), products, looks, seed=1)


@given(st.integers(0, 2**31), st.integers(0, 100_000))
@settings(max_examples=60, deadline=None)
def test_product_matches_its_title_and_is_reproducible(seed: int, index: int) -> None:
    product = make_product(seed, index)
    assert product == make_product(seed, index)
    assert product.product_id == f"P{index:06d}"
    assert product.title.endswith(product.cut.style)
    assert product.category in CATEGORIES
    assert product.price > 0
    assert max(product.fabric.palette[0]) <= 255


@given(st.integers(0, 10_000), st.sampled_from(CATEGORIES), st.integers(0, 1))
@settings(max_examples=40, deadline=None)
def test_box_of_a_product_lies_inside_its_photo(index: int, category: str, view: int) -> None:
    product = make_product(5, index, category)
    photo = render_product(product, 5, view, SMALL)
    assert photo.image.size == SMALL
    assert photo.image.mode == "RGB"
    listed = {thing.product_id: thing for thing in photo.objects}
    if product.product_id in listed:  # at this size some jewelry is below the smallest side
        x0, y0, x1, y1 = listed[product.product_id].box
        assert 0 <= x0 < x1 <= SMALL[0]
        assert 0 <= y0 < y1 <= SMALL[1]


def test_nearly_every_product_photo_lists_its_product() -> None:
    missing = [
        product.title
        for category in CATEGORIES
        for product in (make_product(8, 300 + i, category) for i in range(4))
        if product.product_id
        not in {thing.product_id for thing in render_product(product, 8, size=(320, 420)).objects}
    ]
    assert len(missing) <= 2, missing


def test_boxes_are_tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repainting one product in another colour changes pixels up to every side of its box."""

    def plain(pixels: np.ndarray, *_: object) -> Image.Image:  # no blur, no noise
        return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))

    monkeypatch.setattr(scene, "develop", plain)
    outfit = [make_product(4, 20 + i, c) for i, c in enumerate(("top", "skirt", "shoes", "hat"))]
    before = render_look(outfit, 11, (320, 480))
    for number in (0, 1):
        product = outfit[number]
        red, green, blue = product.fabric.palette[0]
        inverse = (255 - red, 255 - green, 255 - blue)
        fabric = replace(product.fabric, kind="plain", palette=(inverse, *product.fabric.palette[1:]))
        changed = [replace(p, fabric=fabric) if p is product else p for p in outfit]
        after = render_look(changed, 11, (320, 480))
        moved = np.abs(np.asarray(before.image, int) - np.asarray(after.image, int)).max(axis=2)
        rows, columns = np.flatnonzero((moved > 12).any(1)), np.flatnonzero((moved > 12).any(0))
        box = next(t.box for t in before.objects if t.category == product.category)
        found = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        assert np.abs(np.subtract(found, box)).max() <= 4


def test_most_of_an_outfit_is_visible_and_every_category_occurs() -> None:
    stock, rng = wardrobe(2, 6), np.random.default_rng(9)
    worn, seen = 0, 0
    categories: set[str] = set()
    for number in range(40):
        outfit = pick_outfit(stock, rng)
        photo = render_look(outfit, number, (320, 480))
        worn, seen = worn + len(outfit), seen + len(photo.objects)
        categories |= {thing.category for thing in photo.objects}
    assert seen >= 0.85 * worn
    assert categories == set(CATEGORIES)


def test_mean_colour_does_not_identify_products() -> None:
    def mean(photo: Photo, product_id: str) -> np.ndarray | None:
        for thing in photo.objects:
            if thing.product_id == product_id:
                colour: np.ndarray = np.asarray(photo.image.crop(thing.box), dtype=float).mean(axis=(0, 1))
                return colour
        return None

    tops = [make_product(6, 400 + i, "top") for i in range(40)]
    legs = make_product(6, 900, "pants")
    catalogue: list[np.ndarray] = []
    queries: list[np.ndarray] = []
    for product in tops:
        in_shop = mean(render_product(product, 6, size=SMALL), product.product_id)
        in_look = mean(render_look([product, legs], 6, SMALL), product.product_id)
        if in_shop is not None and in_look is not None:
            catalogue.append(in_shop)
            queries.append(in_look)
    gaps = np.linalg.norm(np.array(queries)[:, None] - np.array(catalogue)[None], axis=2)
    right = float((gaps.argmin(axis=1) == np.arange(len(catalogue))).mean())
    assert len(catalogue) > 30
    assert right < 0.35


@given(st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_products_can_be_told_apart(seed: int) -> None:
    """Of 500 products, almost none have the same style, fabric, colours and trim."""
    products = [make_product(seed, i) for i in range(500)]
    looks = {(p.cut.style, p.fabric.kind, frozenset(p.fabric.palette), p.cut.trim) for p in products}
    assert len(looks) >= 490
    assert len({p.category for p in products[: len(CATEGORIES)]}) == len(CATEGORIES)
    counts = [sum(p.category == name for p in products) for name in CATEGORIES]
    assert min(counts) == 15
    assert max(counts) == 85
