"""Every kind of question against a real table, with the fakes as models."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Never

import numpy as np
import pyarrow as pa
import pytest

import lookdex
from lookdex.catalog import promotion_log
from lookdex.errors import BadQuery, ProductNotFound
from lookdex.records import Box, Detection, Recipe
from lookdex.search.answer.answer import Answer
from lookdex.search.answer.kinds import LaneKind, Other, Widened
from lookdex.search.catalog import Catalog
from lookdex.search.query.options import Crops, Options, Pick
from lookdex.storage import open_store
from tests.fakes import FakeDetector, FakeEmbedder
from tests.support.catalogs import (
    PRODUCT_COLUMNS,
    SIZE,
    WITH_CATEGORY,
    Shown,
    picture,
    publish,
    recipe_with_digests,
    stock,
)
from tests.support.shops import labels, opened, products, shop_in, stocked, thresholds
from tests.unit.search.test_search_schema import validator


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return stocked(tmp_path_factory.mktemp("shop"))


# ── parts of a photo ─────────────────────────────────────────────────────────────────────────────────


def test_search_by_one_object_of_the_photo(shop: Catalog) -> None:
    photo = picture("red", "blue")
    every = shop.search(photo, k=2)
    for number, found in enumerate(every.objects):
        (alone,) = shop.search(photo, k=2, object=number).objects
        assert (alone.box, alone.label, alone.main) == (found.box, found.label, found.main)
        assert products(alone) == products(found)
    with pytest.raises(BadQuery, match="no object 2: its objects are 0 to 1; draw a box"):
        shop.search(photo, object=2)
    with pytest.raises(BadQuery, match="no object 0: no object was found"):
        shop.search(np.full((40, 60, 3), 250, np.uint8), object=0)


def test_box_needs_no_detector_and_its_label_limits_the_category(shop: Catalog, tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Unused(FakeDetector):
        def detect(self, images: Sequence[np.ndarray]) -> Never:
            raise AssertionError("the detector ran")

    catalog = opened(shop._config.store.uri, detector=Unused())
    (found,) = catalog.search(picture("red", "blue"), k=4, box=(48, 12, 82, 84), label="shoes").objects
    assert (found.kind, found.label, found.label_ko, found.within) == (LaneKind.BOX, "shoes", "신발", "shoes")
    assert labels(found) == {"shoes"}
    (unnamed,) = catalog.search(picture("red", "blue"), k=4, box=(48, 12, 82, 84)).objects
    assert (unnamed.label, unnamed.within, unnamed.widened) == (None, None, None)


def test_label_of_a_box_must_be_known(shop: Catalog, tmp_path: Path) -> None:
    photo, box = picture("red"), Box(8, 12, 80, 80)
    for options in (Options(box=box, label="tutu"), Options(picks=(Pick(box=box, label="tutu"),))):
        with pytest.raises(BadQuery, match="has no 'tutu': label is one of top, outerwear, dress"):
            shop.ask(photo, options=options)
    assert shop.search(photo, box=box, label="legwear").objects[0].widened is Widened.TOO_FEW
    catalog = shop_in(tmp_path, [Shown("p1", "red", category="tutu")], columns=WITH_CATEGORY)
    found = catalog.search(photo, box=box, label="tutu").objects[0]
    assert (found.within, [match.other for match in found.matches]) == ("tutu", [None])


def test_search_without_the_whole_photo(shop: Catalog) -> None:
    answer = shop.search(picture("red"), whole=False)
    assert (answer.whole, len(answer.objects)) == (None, 1)
    nothing = shop.search(np.full((40, 60, 3), 250, np.uint8), whole=False)
    assert nothing.no_object
    assert nothing.whole is not None  # there is nothing else to search with


def test_answer_has_the_requested_crops(shop: Catalog) -> None:
    carried = {
        crops: [
            [lane.crop is not None for lane in answer.objects],
            [match.crop is not None for lane in answer.lanes for match in lane.matches],
        ]
        for crops in Crops
        for answer in [shop.ask(picture("red"), options=Options(k=1, crops=crops))]
    }
    assert carried == {
        Crops.NONE: [[False], [False, False]],
        Crops.OBJECTS: [[True], [False, False]],
        Crops.ALL: [[True], [True, True]],
    }


# ── several photos, texts, products ──────────────────────────────────────────────────────────────────────────


def test_several_photos_of_one_item_are_one_lane(shop: Catalog) -> None:
    photos = [picture("red"), picture("red", "blue", shade=10), picture("red", shade=30)]
    answer = shop.search(photos, k=3, picks=(Pick(), Pick(object=0), Pick(box=Box(0, 0, SIZE, SIZE))))
    (found,) = answer.objects
    assert (found.kind, answer.whole, answer.width, found.main) == (LaneKind.PHOTOS, None, None, True)
    assert [part.photo for part in found.parts] == [0, 1, 2]
    assert [part.label for part in found.parts] == ["top", "top", None]
    assert found.parts[2].box == Box(0, 0, SIZE, SIZE)
    assert labels(found) == {"top"}
    same = shop.search([photos[0], photos[0]], k=3).objects[0]
    alone = shop.search(photos[0], k=3).objects[0]
    assert [m.similarity for m in same.matches] == pytest.approx(
        [m.similarity for m in alone.matches], abs=1e-5
    )
    assert (same.label, same.within) == ("top", "top")
    nothing = shop.search([np.full((40, 60, 3), 250, np.uint8), photos[0]], k=1).objects[0]
    assert nothing.parts[0].box is None  # no object was found, so the whole photo counts


def test_several_photos_are_searched_by_their_mean(shop: Catalog) -> None:
    """The mean of red and yellow: both come before any other colour."""
    found = shop.search([picture("red"), picture("yellow")], k=8).objects[0]
    assert found.label is None
    assert labels(found) == {"top", "dress"}


def test_text_refines_a_photo(shop: Catalog) -> None:
    photo = picture("red")
    for weight, label in [(0.0, "top"), (1.0, "shoes")]:
        answer = shop.search(photo, k=1, text="blue", text_weight=weight, widen="always", whole=False)
        (found,) = answer.objects
        assert (found.kind, found.text, found.threshold) == (LaneKind.OBJECT, "blue", None)
        assert labels(found) == {label}
        (match,) = found.matches
        if weight:
            assert match.text_similarity == pytest.approx(match.similarity, abs=1e-5)
    between = shop.search(photo, k=1, text="blue", widen="always").objects[0].matches[0]
    assert between.similarity < 0.99
    assert shop.search(photo, k=1).objects[0].matches[0].text_similarity is None


def test_text_that_names_a_category_limits_the_search_to_it(shop: Catalog) -> None:
    class Reading(FakeEmbedder):
        def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
            return super().embed_texts([text.split()[0] for text in texts])

    reading = opened(shop._config.store.uri, embedder=Reading())
    found = reading.search_text("red shoes", k=4).objects[0]
    assert (found.kind, found.within, labels(found)) == (LaneKind.TEXT, "shoes", {"shoes"})
    assert labels(reading.search_text("red shoes", k=1, widen="always").objects[0]) == {"top"}
    (this,) = reading.search(picture("red"), k=4, text="blue 신발", whole=False).objects
    assert (this.within, labels(this)) == ("shoes", {"shoes"})


def test_korean_colours_are_translated_for_the_embedder(shop: Catalog) -> None:
    found = shop.search_text("파란색으로", k=3).objects[0]  # the fake embedder knows English colours only
    assert (found.tint, found.understood) == ("blue", True)
    assert {match.colour for match in found.matches} == {"blue"}
    with_photo = shop.search(picture("red"), k=3, text="이거 파란색으로", whole=False).objects[0]
    assert with_photo.tint == "blue"


@pytest.mark.parametrize(("weight", "within"), [(0.5, "top"), (1.0, None)])
def test_photo_keeps_its_category_unless_the_text_has_all_the_weight(
    tmp_path: Path, weight: float, within: str | None
) -> None:
    catalog = shop_in(tmp_path, stock(), thresholds=thresholds(believed=1.1))  # no label is trusted
    (found,) = catalog.search(picture("red"), k=2, text="green", text_weight=weight, whole=False).objects
    assert (found.within, found.tint) == (within, "green")
    assert labels(found) == {"top" if within else "skirt"}
    assert found.widened == (Widened.TOO_FEW if within else Widened.ASKED)


def test_colour_named_in_the_text_comes_first(tmp_path: Path) -> None:
    """The nearest tops are red. Those listed as navy come first, although they are less similar."""
    shown = [*stock(products=12), *(Shown(f"q{n:03d}", "red", photo=20, category="navy") for n in range(3))]
    catalog = shop_in(tmp_path, shown, thresholds=thresholds())
    items = catalog.opened.items.dataset
    items.update({"colour": "'navy'"}, where="product_id >= 'q'")
    promotion_log.save_release(
        catalog._config.store, replace(catalog.release, release_id="night-2", items_version=items.version)
    )

    class Reading(FakeEmbedder):
        def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
            assert texts == ["navy"]  # without stop words
            return super().embed_texts(["red"])

    again = opened(tmp_path, release="night-2", embedder=Reading())
    for k in (2, 5):
        (found,) = again.search(picture("red"), k=k, text="this, but in navy", whole=False).objects
        assert (found.tint, found.within) == ("navy", "top")
        assert {match.colour for match in found.matches[:3]} == {"navy"}
        assert found.widened == (Widened.TOO_FEW if k > 3 else None)
        assert [match.other for match in found.matches] == [None] * min(k, 3) + [Other.COLOUR] * (k - 3)
    (plain,) = again.search(picture("red"), k=2, text="in navy", text_weight=0.0, whole=False).objects
    assert (plain.tint, {match.colour for match in plain.matches}) == (None, {"red"})


def test_similar_products_exclude_the_product(shop: Catalog) -> None:
    answer = shop.similar("p000", k=4, widen="always")
    (found,) = answer.objects
    assert (found.kind, found.product_id, found.label, answer.whole) == (
        LaneKind.PRODUCT,
        "p000",
        "top",
        None,
    )
    assert found.crop is not None
    assert found.palette
    assert set(products(found)[:3]) == {"p006", "p012", "p018"}  # the other reds
    assert "p000" not in products(shop.similar("p000", k=100).objects[0])
    blue = shop.similar("p000", k=2, text="blue", text_weight=0.9, widen="always").objects[0]
    assert labels(blue) == {"shoes"}
    assert shop.similar("p000", k=2, where="price < 7").objects[0].matches[0].product_id == "p006"
    for wrong in ("p999", "", "' or true --", "p000' or '1' = '1"):
        with pytest.raises(ProductNotFound, match="has no product"):
            shop.similar(wrong)


def test_product_without_objects_is_searched_by_its_photo(tmp_path: Path) -> None:
    catalog = shop_in(tmp_path, stock(products=6))
    items = catalog.opened.items.dataset
    items.delete("product_id = 'p000' AND scope = 'object'")
    release = replace(catalog.release, release_id="night-2", items_version=items.version)
    promotion_log.save_release(catalog._config.store, release)
    assert opened(tmp_path, release="night-2").similar("p000", k=2).objects[0].matches


def test_products_that_go_with_a_product(tmp_path: Path) -> None:
    """Red tops are worn with blue shoes and once with a magenta bag; the shop sells both."""
    shown = [
        *(s for s in stock(products=12, photos=1) if s.product_id != "p000"),
        Shown("p000", "red", others=("blue",)),
        Shown("p000", "red", photo=1, others=("blue", "magenta")),
    ]
    answer = shop_in(tmp_path, shown).goes_with("p000", k=2)
    worn = {found.label: found for found in answer.goes_with}
    assert set(worn) == {"shoes", "bag"}
    assert {found.kind for found in answer.goes_with} == {LaneKind.WORN}
    assert set(products(worn["shoes"])) == {"p004", "p010"}
    assert set(products(worn["bag"])) == {"p005", "p011"}
    assert answer.objects[0].product_id == "p000"
    assert not shop_in(tmp_path / "bare", stock(products=6)).goes_with("p000").goes_with


@pytest.mark.parametrize(
    ("photos", "options", "says"),
    [
        (0, Options(), "the question is empty"),
        (0, Options(box=Box(1, 2, 3, 4)), "give the photo"),
        (0, Options(text="red", object=1), "give the photo"),
        (0, Options(text="red", look_photos=1), "give the photo"),
        (0, Options(product="p000", look_photos=1), "give the photo"),
        (
            0,
            Options(text="red", text_weight=0.5),
            "text_weight is the weight of a text beside a photo or a product",
        ),
        (0, Options(text="red", colour=0.5), "colour compares the colours of a photo or a product"),
        (1, Options(product="p000"), "a photo and a product are given"),
        (1, Options(picks=(Pick(), Pick())), "2 picks are given for one photo"),
        (2, Options(picks=(Pick(),)), "1 picks are given for 2 photos"),
        (2, Options(object=0), "for one photo, but 2 were given"),
        (9, Options(), "9 photos are given: at most 8"),
        (1, Options(box=Box(200, 0, 210, 10)), "is empty or outside the photo"),
        (1, Options(where="prise < 5"), "unknown column “prise”"),
    ],
)
def test_contradictory_options_are_refused(shop: Catalog, photos: int, options: Options, says: str) -> None:
    with pytest.raises(BadQuery, match=says):
        shop.ask(*[picture("red")] * photos, options=options)


def test_unknown_option_is_reported_with_the_known_ones(shop: Catalog) -> None:
    untyped: Any = shop  # type checkers refuse the option
    searches: tuple[Callable[[], Answer], ...] = (
        lambda: untyped.search(picture("red"), prise=5),
        lambda: untyped.search_text("red", prise=5),
        lambda: untyped.similar("p000", prise=5),
    )
    for search in searches:
        with pytest.raises(BadQuery, match="no option 'prise' here; known: k, where, "):
            search()


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_whole_photo_is_embedded_during_detection(shop: Catalog) -> None:
    calls: dict[str, list[int]] = {"detect": [], "embed": []}
    embedding = threading.Event()

    class Detector(FakeDetector):
        def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
            calls["detect"].append(len(images))
            assert embedding.wait(60)
            return super().detect(images)

    class Embedder(FakeEmbedder):
        def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
            calls["embed"].append(len(images))
            embedding.set()
            return super().embed_images(images)

    catalog = opened(shop._config.store.uri, detector=Detector(), embedder=Embedder())
    catalog.search(picture("red", "blue"))
    assert calls == {"detect": [1], "embed": [1, 2]}  # the whole, then its objects together
    catalog.search(picture("red", "blue"), whole=False)
    assert calls == {"detect": [1, 1], "embed": [1, 2, 2]}
    catalog.search(
        [picture("red"), picture("red"), picture("red")], picks=(Pick(), Pick(box=Box(0, 0, 9, 9)), Pick())
    )
    assert calls == {"detect": [1, 1, 2], "embed": [1, 2, 2, 3]}


def test_loader_loads_the_models_of_each_release(tmp_path: Path) -> None:
    loaded: list[str] = []

    class RecordingLoader:
        def detector_of(self, recipe: Recipe, device: str) -> FakeDetector:
            loaded.append("detector")
            return FakeDetector()

        def embedder_of(self, recipe: Recipe, device: str) -> FakeEmbedder:
            loaded.append("embedder")
            return FakeEmbedder()

    recipe = recipe_with_digests()
    store = open_store(str(tmp_path))
    publish(store, "night-1", stock(), recipe=recipe)
    catalog = lookdex.open_catalog(
        store, loader=RecordingLoader(), trusted_models=(recipe.detector, recipe.embedder), poll_seconds=0.0
    ).load()
    assert loaded == ["detector", "embedder"]
    publish(store, "night-2", stock(), recipe=replace(recipe, min_score=0.25))
    assert catalog.search(picture("red")).release_id == "night-2"
    assert len(loaded) == 4


def test_products_of_other_categories_follow_and_are_marked(shop: Catalog) -> None:
    (found,) = shop.search(picture("red"), k=1000, whole=False).objects
    same = [match for match in found.matches if match.other is None]
    assert found.matches[: len(same)] == tuple(same)
    assert {match.label for match in same} == {"top"} == {found.within}
    assert {(match.label == "top", match.other) for match in found.matches[len(same) :]} == {
        (False, Other.KIND)
    }
    for ranks in (same, found.matches[len(same) :]):
        assert [match.score for match in ranks] == sorted((match.score for match in ranks), reverse=True)
    (found,) = shop.search(picture("red"), k=1000, whole=False, widen="always").objects
    assert {match.other for match in found.matches} == {None}


@pytest.mark.parametrize("held", [False, True])
def test_text_with_a_word_of_the_products_is_understood(shop: Catalog, held: bool) -> None:
    class Anything(FakeEmbedder):
        def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
            return super().embed_texts(["red"] * len(texts))

    catalog = opened(shop._config.store.uri, embedder=Anything())
    if held:
        catalog.load()
    for text, understood in {
        "asdfgh qwerty": False,
        "THINGS of night": True,
        "thin": False,
        "blue qwerty": True,
    }.items():
        assert catalog.search_text(text).objects[0].understood == understood, text
        found = catalog.search(picture("red"), text=text)
        assert {lane.understood for lane in found.lanes} == {understood}
    assert {lane.understood for lane in catalog.search(picture("red")).lanes} == {None}


def test_rows_held_in_memory_give_the_same_answers(shop: Catalog) -> None:
    held = opened(shop._config.store.uri).load()
    assert held.opened.rows.held
    for options in (Options(k=9), Options(k=4, colour=0.3, crops=Crops.ALL), Options(look_photos=2)):
        answers = [c.ask(picture("red", "blue"), options=options) for c in (shop, held)]
        left, right = (replace(answer, seconds={}) for answer in answers)
        assert left == right
    assert held.similar("p000", goes_with=True).objects == shop.similar("p000", goes_with=True).objects


@pytest.mark.parametrize("held", [False, True])
def test_numbers_of_32_bits_are_printed_without_extra_digits(tmp_path: Path, held: bool) -> None:
    narrow = PRODUCT_COLUMNS.set(1, pa.field("price", pa.float32()))
    catalog = shop_in(tmp_path, [Shown("p1", "red", 45.3)], columns=narrow)
    if held:
        catalog.load()
    answer = json.loads(catalog.search(picture("red")).to_json())
    (match,) = answer["objects"][0]["matches"]
    assert match["columns"]["price"] == 45.3
    written: list[str] = []
    json.loads(json.dumps([match, answer["whole"]]), parse_float=written.append)
    assert len(written) > 10
    assert [number for number in written if len(number.partition(".")[2]) > 6] == []


def test_answers_follow_the_json_schema(shop: Catalog) -> None:
    check = validator("answer-2.json")
    for answer in (
        shop.search(picture("red", "blue"), k=3, look_photos=2),
        shop.search(np.full((40, 60, 3), 250, np.uint8)),
        shop.search([picture("red"), picture("red")], text="red"),
        shop.search_text("red"),
        shop.search_vector(np.ones(16)),
        shop.goes_with("p000"),
    ):
        for crops in (True, False):
            check.validate(json.loads(answer.to_json(crops=crops)))
