"""`Catalog.search` against real tables on disk and on S3, with the fakes as models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Never

import lance
import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from lookdex.catalog import promotion_log, tables
from lookdex.errors import BadQuery
from lookdex.imaging import colour
from lookdex.imaging.codec import encode_jpeg
from lookdex.records import Box, Role, Scope
from lookdex.search.answer.answer import Answer
from lookdex.search.answer.kinds import LaneKind
from lookdex.storage import open_store
from tests.fakes import FakeDetector, FakeEmbedder
from tests.support.catalogs import (
    PRODUCT_COLUMNS,
    SIZE,
    Shown,
    go_live,
    opened,
    picture,
    publish,
    stock,
    with_index,
    write_release,
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A catalogue on disk: twelve products in six colours, and three photos without a product."""
    uri = str(tmp_path_factory.mktemp("shop"))
    loose = [Shown(None, "red", price=500.0, photo=n) for n in range(3)]
    publish(open_store(uri), "night-1", [*stock(), *loose])
    return uri


# ── answers ─────────────────────────────────────────────────────────────────────────────────────


def test_release_without_palettes_is_searched(root_uri: str) -> None:
    store = open_store(root_uri)
    release = write_release(store, "night-1", stock())
    items = tables.open_table(store, tables.ITEMS, release.items_version)
    items.drop_columns(["palette"])
    promotion_log.save_release(store, replace(release, release_id="older", items_version=items.version))
    go_live(store, "older")
    found = opened(root_uri).search(picture("red"), k=1).objects[0]
    assert found.palette
    assert [(match.palette, match.colour_similarity) for match in found.matches] == [((), None)]


def test_answer_has_a_lane_for_each_object_and_the_whole_photo(root_uri: str) -> None:
    store = open_store(root_uri)
    publish(store, "night-1", stock())
    answer = opened(root_uri).search(picture("red", "blue"), k=2)
    assert (answer.release_id, answer.released_at) == (
        "night-1",
        promotion_log.load_release(store, "night-1").created_at,
    )
    assert answer.models.embedder == FakeEmbedder.name
    assert (answer.width, answer.height, answer.no_object) == (SIZE, SIZE, False)
    by_label = {found.label: found for found in answer.objects}
    assert set(by_label) == {"top", "shoes"}
    assert {m.product_id for m in by_label["top"].matches} == {"p000", "p006"}
    assert {m.product_id for m in by_label["shoes"].matches} == {"p004", "p010"}
    assert sum(found.main for found in answer.objects) == 1
    red, blue = by_label["top"], by_label["shoes"]
    assert (red.colour, red.colour_ko, blue.colour) == ("red", "빨간색", "blue")
    assert all((match.colour_similarity or 0) > 0.95 for found in (red, blue) for match in found.matches)
    assert colour.similarity(red.palette, blue.palette) < 0.2
    assert answer.whole is not None
    assert (answer.whole.kind, answer.whole.box) == (LaneKind.IMAGE, Box(0, 0, SIZE, SIZE))
    assert answer.lanes == (*answer.objects, answer.whole)
    assert set(answer.seconds) == {"decode", "detect", "crop", "embed", "nearest", "fetch"}


def test_match_has_all_fields(shop: str) -> None:
    match = opened(shop).search(picture("yellow"), k=1).objects[0].matches[0]
    assert match.product_id in ("p001", "p007")  # both yellow
    assert (match.rank, match.label, match.label_ko, match.colour) == (1, "dress", "원피스", "yellow")
    assert match.score == match.similarity
    assert match.similarity == pytest.approx(1.0, abs=1e-3)
    assert match.distance == pytest.approx(1 - match.similarity)
    price = 1.0 if match.product_id == "p001" else 7.0
    assert dict(match.columns) == {"title": "yellow thing of night-1", "price": price, "url": None}
    assert match.crop is not None
    assert match.crop[:2] == b"\xff\xd8"
    assert match.box.x1 > match.box.x0


def test_matches_are_ranked_by_similarity(shop: str) -> None:
    for lane in opened(shop).search(picture("red"), k=12).lanes:
        similarities = [m.similarity for m in lane.matches]
        assert similarities == sorted(similarities, reverse=True)
        assert [m.rank for m in lane.matches] == list(range(1, len(lane.matches) + 1))


def test_products_are_distinct_and_exhausted_marks_the_end(shop: str) -> None:
    catalog = opened(shop)
    few, many = (catalog.search(picture("red"), k=k).objects[0] for k in (5, 40))
    assert (len(few.matches), few.exhausted) == (5, False)
    # 12 products, and 3 photos without a product, each counted as one.
    assert (len(many.matches), many.exhausted) == (15, True)
    assert len({(m.product_id, m.product_id or m.image_key) for m in many.matches}) == 15
    assert sum(m.product_id is None for m in many.matches) == 3


def test_product_with_many_photos_counts_once(tmp_path: Path) -> None:
    uri = str(tmp_path)
    publish(open_store(uri), "night-1", stock(products=8, photos=50))
    found = opened(uri).search(picture("red"), k=6, crops=False).objects[0]
    assert (len({m.product_id for m in found.matches}), found.exhausted) == (6, False)
    assert {m.product_id for m in found.matches[:2]} == {"p000", "p006"}
    assert all(m.crop is None for m in found.matches)


def test_photo_without_objects_is_searched_as_a_whole(shop: str) -> None:
    answer = opened(shop).search(np.full((40, 60, 3), 250, np.uint8), k=3)
    assert answer.no_object
    assert answer.whole is not None
    assert len(answer.whole.matches) == 3


def test_box_is_the_only_object(shop: str) -> None:
    catalog = opened(shop)
    photo = picture("red", "blue")
    answer = catalog.search(photo, k=1, box=(48, 12, 82, 84))
    (found,) = answer.objects
    assert (found.kind, found.box, found.label) == (LaneKind.BOX, Box(48, 12, 82, 84), None)
    assert found.matches[0].product_id in ("p004", "p010")
    assert answer.whole is not None
    assert catalog.search(photo, box=(-9, -9, SIZE + 9, SIZE)).objects[0].box == Box(0, 0, SIZE, SIZE)
    for wrong in [
        (0, 0, 0, 10),
        (SIZE, 0, SIZE + 9, 9),
        (9, 9, 3, 3),
        (1, 2, 3),
        "abcd",
        (1, 2, 3, float("nan")),
    ]:
        with pytest.raises(BadQuery, match="box"):
            catalog.search(photo, box=wrong)  # type: ignore[arg-type]  # invalid on purpose


def first_products(answer: Answer) -> tuple[str | None, ...]:
    """The best product of each object, from left to right."""
    boxes = {found.box.x0: found for found in answer.objects if found.box is not None}
    return tuple(boxes[x0].matches[0].product_id for x0 in sorted(boxes))


def test_photos_may_be_paths_bytes_pil_images_or_arrays(shop: str, tmp_path: Path) -> None:
    catalog = opened(shop)
    pixels = picture("green", "magenta")
    data = encode_jpeg(pixels, SIZE, quality=98)
    (tmp_path / "photo.jpg").write_bytes(data)
    turned = Image.fromarray(pixels).rotate(90, expand=True)  # stored rotated, with the EXIF orientation
    turned.getexif()[0x0112] = 6
    clear = Image.fromarray(pixels).convert("RGBA")
    photos: list[Any] = [
        pixels,
        data,
        tmp_path / "photo.jpg",
        str(tmp_path / "photo.jpg"),
        Image.fromarray(pixels),
        turned,
        clear,
    ]
    answers = [catalog.search(photo, k=1) for photo in photos]
    assert len({first_products(answer) for answer in answers}) == 1
    assert {f.label for f in answers[0].objects} == {"skirt", "bag"}


@pytest.mark.parametrize(
    ("photo", "says"),
    [
        (b"", "empty"),
        (b"not a picture at all", "unknown_format"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "corrupt"),
        (b"\xff\xd8\xff" + b"x" * 6_000_000, "too_many_bytes"),
        ("/nowhere/photo.jpg", "cannot read the photo /nowhere/photo.jpg"),
        (np.zeros((4, 400, 3), np.uint8), "400 × 4 pixels"),
        (np.zeros((40, 40), np.uint8), r"uint8 \(40, 40\)"),
        (np.zeros((40, 40, 3), np.float32), "float32"),
        (np.zeros((2100, 2100, 3), np.uint8), "2100 × 2100 pixels"),
        (3.5, "photo is 3.5: give a path"),
    ],
)
def test_unusable_photo_is_explained(shop: str, photo: Any, says: str) -> None:
    with pytest.raises(BadQuery, match=says):
        opened(shop).search(photo)


# ── filters ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_filter_is_applied_before_the_nearest_are_taken(shop: str) -> None:
    catalog = opened(shop)
    found = catalog.search(picture("red"), k=3, where="price between 6 and 8").objects[0]
    assert found.matches[0].product_id == "p006"
    assert {m.product_id for m in found.matches} == {"p006", "p007", "p008"}
    nothing = catalog.search(picture("red"), k=3, where="price > 1000").objects[0]
    assert (nothing.matches, nothing.exhausted) == ((), True)
    red_tops = catalog.search(picture("red"), k=9, where="title like 'red%' and label = 'top'").objects[0]
    assert len(red_tops.matches) == 5
    assert catalog.search_vector(np.ones(16), k=9, where="product_id is null").objects[0].exhausted


@pytest.mark.parametrize("where", ["crop is null", "run_id = 'night-1'", "role = 'other'", "prise < 5"])
def test_unknown_column_is_reported_with_the_known_ones(shop: str, where: str) -> None:
    catalog = opened(shop)
    with pytest.raises(BadQuery, match="title, price, url, product_id, label, colour, score, image_key"):
        catalog.search(picture("red"), where=where)
    names = ["title", "price", "url", "product_id", "label", "colour", "score", "image_key"]
    assert [column.name for column in catalog.columns] == names


@pytest.mark.parametrize(
    "where", ["price = 'cheap'", "title", "price < 5; drop table items", "true) or (true"]
)
def test_invalid_filter_is_refused(shop: str, where: str) -> None:
    with pytest.raises(BadQuery, match="filter"):
        opened(shop).search(picture("red"), where=where)


@pytest.mark.parametrize(
    ("kind", "number"), [(pa.int64(), int), (pa.int32(), int), (pa.decimal128(10, 2), Decimal)]
)
def test_integer_and_decimal_prices_are_compared_with_any_number(
    tmp_path: Path, kind: pa.DataType, number: Callable[[float], Any]
) -> None:
    columns = PRODUCT_COLUMNS.set(1, pa.field("price", kind))
    shown = [replace(photo, price=number(photo.price)) for photo in stock(12)]
    publish(open_store(str(tmp_path)), "night-1", shown, columns=columns)
    catalog = opened(str(tmp_path))
    for where in ("price < 4.99", "price <= 4.0", "price between -0.5 and 4.5"):
        answer = catalog.search(picture("red"), k=12, where=where)
        assert {m.product_id for m in answer.objects[0].matches} == {f"p{n:03d}" for n in range(5)}
        assert len(catalog.to_pandas(where)) == 10
    # One price is 0: dividing by it gives no value, and no error.
    answer = catalog.search(picture("red"), k=12, where="100 / price > 10")
    assert {m.product_id for m in answer.objects[0].matches} == {f"p{n:03d}" for n in range(1, 10)}


def test_invalid_filter_is_refused_before_a_model_runs(shop: str) -> None:
    @dataclass(frozen=True)
    class Unused(FakeDetector):
        def detect(self, images: Sequence[np.ndarray]) -> Never:
            raise AssertionError("the detector ran")

    with pytest.raises(BadQuery):
        opened(shop, detector=Unused()).search(picture("red"), where="prise < 5")


# ── other questions ──────────────────────────────────────────────────────────────────────────────────────────


def test_search_by_text_and_vector(shop: str) -> None:
    catalog = opened(shop)
    answer = catalog.search_text("cyan", k=2)
    assert [m.product_id for m in answer.objects[0].matches] == ["p003", "p009"]
    assert (answer.objects[0].kind, answer.whole, answer.width) == (LaneKind.TEXT, None, None)
    vector = FakeEmbedder().embed_images([picture("blue")])[0]
    whole = catalog.search_vector(vector * 7, k=1, scope=Scope.IMAGE).objects[0]
    assert whole.matches[0].similarity == pytest.approx(1, abs=1e-4)
    with pytest.raises(BadQuery):
        catalog.search_text("a colour the fake does not know")
    with pytest.raises(BadQuery, match="empty"):
        catalog.search_text("  ")
    for wrong in (np.ones(5), np.zeros(16), np.full(16, np.nan), np.ones((2, 16)), ["a"] * 16, None):
        with pytest.raises(BadQuery, match="vector"):
            catalog.search_vector(wrong)  # type: ignore[arg-type]  # invalid on purpose


@pytest.mark.parametrize("k", [0, -1, 1001])
def test_k_has_limits(shop: str, k: int) -> None:
    with pytest.raises(BadQuery, match=f"k is {k}"):
        opened(shop).search(picture("red"), k=k)


def test_crops_of_items(shop: str) -> None:
    catalog = opened(shop)
    match = catalog.search(picture("red"), k=1).objects[0].matches[0]
    assert catalog.crops([match.item_id, "no such item", "' or true --"]) == {match.item_id: match.crop}
    assert catalog.crops([]) == {}


def test_other_objects_match_if_no_photo_has_a_main_one(tmp_path: Path) -> None:
    publish(open_store(str(tmp_path)), "night-1", stock(), roles=Role.OTHER)
    assert len(opened(str(tmp_path)).search(picture("red"), k=3).objects[0].matches) == 3


def test_other_objects_do_not_match(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    publish(store, "night-1", stock())
    items = lance.dataset(store.lance_uri("tables/items.lance"))
    items.update({"role": "'other'"}, where="product_id = 'p000'")
    release = replace(
        promotion_log.load_release(store, "night-1"), release_id="night-2", items_version=items.version
    )
    promotion_log.save_release(store, release)
    answer = opened(str(tmp_path), release="night-2").search(picture("red"), k=12)
    assert "p000" not in {m.product_id for m in answer.objects[0].matches}
    assert len(answer.objects[0].matches) == 11


def test_scope_limits_matches_to_objects_or_photos(tmp_path: Path) -> None:
    shown = [Shown("p000", "red", others=("blue",)), Shown("p001", "red", photo=3)]
    publish(open_store(str(tmp_path)), "night-1", shown)
    catalog = opened(str(tmp_path))
    blue = FakeEmbedder().embed_images([picture("blue")])[0]
    for scope in Scope:
        for found in (
            catalog.search_vector(blue, scope=str(scope)),
            catalog.search_text("blue", scope=str(scope)),
        ):
            (lane,) = found.objects
            assert {m.product_id for m in lane.matches} == {
                "p000",
                "p001",
            }  # main objects only, not the blue one
            assert {m.label for m in lane.matches} == ({"top"} if scope is Scope.OBJECT else {None})
    with pytest.raises(BadQuery, match="scope is 'photo'"):
        catalog.search_vector(blue, scope="photo")
    with pytest.raises(BadQuery, match="scope is 'photo'"):
        catalog.search_text("blue", scope="photo")


# ── the index ────────────────────────────────────────────────────────────────────────────────────────────────


def test_vector_index_gives_the_answers_of_a_full_scan(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    exact = write_release(store, "exact", stock(products=300, photos=1))
    indexed = with_index(store, exact, "indexed", partitions=6, nprobes=6, refine=4)
    promotion_log.save_release(
        store, replace(indexed, release_id="narrow", index=replace(indexed.index, nprobes=1))
    )
    scan, index, narrow = (opened(str(tmp_path), release=name) for name in ("exact", "indexed", "narrow"))
    plan = index.opened.items.dataset.scanner(
        nearest={"column": "vector", "q": np.ones(16, np.float32), "k": 5}
    ).explain_plan()
    assert "ANNSubIndex" in plan
    for where in (None, "price = 299", "price between 7 and 9", "price < 100 and title like 'blue%'"):
        for colours in (("red",), ("yellow", "blue")):
            # With a filter, more partitions are read than `nprobes`.
            catalogs = (scan, index if where is None else narrow)
            answers = [c.search(picture(*colours), k=3, where=where) for c in catalogs]
            similarities = [[[m.similarity for m in lane.matches] for lane in a.lanes] for a in answers]
            for left, right in zip(*similarities, strict=True):
                assert left == pytest.approx(right, abs=1e-4)
