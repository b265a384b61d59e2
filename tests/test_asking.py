"""Every way to ask, against a real table, with models that can be worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lookdex
from lookdex import colour, live
from lookdex.errors import BadQuery, ProductNotFound
from lookdex.records import Box, Threshold, Thresholds, Trust
from lookdex.search.answer import FoundObject, Kind, Widened
from lookdex.search.ask import Crops, Options, Pick, Widen
from lookdex.search.catalog import Catalog
from lookdex.search.nearest import looked_at
from lookdex.storage import open_store
from tests.catalogs import SIZE, WITH_CATEGORY, Shown, picture, publish, stock
from tests.fakes import COLOURS, FakeDetector, FakeEmbedder, recipe
from tests.test_search_schema import validator

NAMES = list(COLOURS)  # red yellow green cyan blue magenta: top dress skirt pants shoes bag


def thresholds(similarity: float = 0.9, believed: float = 0.2, **by_category: float) -> Thresholds:
    def at(value: float) -> Threshold:
        return Threshold(value, 1.0, 0.0, 20, 20, False)

    each = {category: at(value) for category, value in by_category.items()}
    made = recipe()
    return Thresholds(
        0.95, 20, made.embedder, made.embedder_digest, at(similarity), each, made.detector, made.detector_digest,
        Trust(0.99, believed, {}), 2,
    )  # fmt: skip


def opened(uri: str | Path, **options: object) -> Catalog:
    options = {"detector": FakeDetector(), "embedder": FakeEmbedder(), "poll_seconds": 0.0} | options
    return lookdex.open_catalog(str(uri), **options)


def shop_in(folder: Path, shown: Sequence[Shown], **changes: object) -> Catalog:
    publish(open_store(str(folder)), "night-1", shown, **changes)
    return opened(folder)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """24 products in six colours, of two photos each; the thresholds believe every label."""
    return shop_in(tmp_path_factory.mktemp("shop"), stock(products=24), thresholds=thresholds())


def products(lane: FoundObject) -> list[str | None]:
    return [match.product_id for match in lane.matches]


def labels(lane: FoundObject) -> set[str | None]:
    return {match.label for match in lane.matches}


# ── what of a photo is meant ─────────────────────────────────────────────────────────────────────────────────


def test_one_object_of_the_photo(shop: Catalog):
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


def test_a_box_needs_no_detector_and_its_label_is_asked_first(shop: Catalog, tmp_path: Path):
    @dataclass(frozen=True)
    class Asleep(FakeDetector):
        def detect(self, images: Sequence[np.ndarray]) -> list:
            raise AssertionError("the detector ran")

    quiet = opened(shop._store.uri, detector=Asleep())
    (found,) = quiet.search(picture("red", "blue"), k=4, box=(48, 12, 82, 84), label="shoes").objects
    assert (found.kind, found.label, found.label_ko, found.within) == (Kind.BOX, "shoes", "신발", "shoes")
    assert labels(found) == {"shoes"}
    (unnamed,) = quiet.search(picture("red", "blue"), k=4, box=(48, 12, 82, 84)).objects
    assert (unnamed.label, unnamed.within, unnamed.widened) == (None, None, None)


def test_without_the_whole_photo(shop: Catalog):
    answer = shop.search(picture("red"), whole=False)
    assert (answer.whole, len(answer.objects)) == (None, 1)
    nothing = shop.search(np.full((40, 60, 3), 250, np.uint8), whole=False)
    assert nothing.no_object
    assert nothing.whole is not None  # it is all there is


def test_crops_are_those_asked_for(shop: Catalog):
    carried = {
        wish: [
            [lane.crop is not None for lane in answer.objects],
            [match.crop is not None for lane in answer.lanes for match in lane.matches],
        ]
        for wish in Crops
        for answer in [shop.ask(picture("red"), options=Options(k=1, crops=wish))]
    }
    assert carried == {
        Crops.NONE: [[False], [False, False]],
        Crops.OBJECTS: [[True], [False, False]],
        Crops.ALL: [[True], [True, True]],
    }


# ── several photos, texts, products ──────────────────────────────────────────────────────────────────────────


def test_several_photos_of_one_item_are_one_lane(shop: Catalog):
    photos = [picture("red"), picture("red", "blue", shade=10), picture("red", shade=30)]
    answer = shop.search(photos, k=3, picks=(Pick(), Pick(object=0), Pick(box=Box(0, 0, SIZE, SIZE))))
    (found,) = answer.objects
    assert (found.kind, answer.whole, answer.width, found.main) == (Kind.PHOTOS, None, None, True)
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
    assert nothing.parts[0].box is None  # nothing was found in it: all of it is asked with


def test_the_mean_of_several_photos_is_asked(shop: Catalog):
    """Half red and half yellow: both colours come before any other."""
    found = shop.search([picture("red"), picture("yellow")], k=8).objects[0]
    assert found.label is None
    assert labels(found) == {"top", "dress"}


def test_text_beside_a_photo_moves_it(shop: Catalog):
    photo = picture("red")
    for weight, label in [(0.0, "top"), (1.0, "shoes")]:
        answer = shop.search(photo, k=1, text="blue", text_weight=weight, widen="always", whole=False)
        (found,) = answer.objects
        assert (found.kind, found.text, found.threshold) == (Kind.OBJECT, "blue", None)
        assert labels(found) == {label}
        (match,) = found.matches
        if weight:
            assert match.text_similarity == pytest.approx(match.similarity, abs=1e-5)
    between = shop.search(photo, k=1, text="blue", widen="always").objects[0].matches[0]
    assert between.similarity < 0.99
    assert shop.search(photo, k=1).objects[0].matches[0].text_similarity is None


def test_text_that_names_a_category_asks_it_first(shop: Catalog):
    class Reading(FakeEmbedder):
        def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
            return super().embed_texts([text.split()[0] for text in texts])

    reading = opened(shop._store.uri, embedder=Reading())
    found = reading.search_text("red shoes", k=4).objects[0]
    assert (found.kind, found.within, labels(found)) == (Kind.TEXT, "shoes", {"shoes"})
    assert labels(reading.search_text("red shoes", k=1, widen="always").objects[0]) == {"top"}
    (this,) = reading.search(picture("red"), k=4, text="blue 신발", whole=False).objects
    assert (this.within, labels(this)) == ("shoes", {"shoes"})


@pytest.mark.parametrize(("weight", "within"), [(0.5, "top"), (1.0, None)])
def test_beside_a_text_the_photo_keeps_its_category_unless_the_text_counts_alone(
    tmp_path: Path, weight: float, within: str | None
):
    catalog = shop_in(tmp_path, stock(), thresholds=thresholds(believed=1.1))  # no label is believed
    (found,) = catalog.search(picture("red"), k=2, text="green", text_weight=weight, whole=False).objects
    assert (found.within, found.tint) == (within, "green")
    assert labels(found) == {"top" if within else "skirt"}
    assert found.widened == (Widened.TOO_FEW if within else Widened.ASKED)


def test_a_colour_that_the_text_names_comes_first(tmp_path: Path):
    """The nearest tops are red; those that are sold as blue come first, though they look farther away."""
    shown = [*stock(products=12), *(Shown(f"q{n:03d}", "red", photo=20, category="navy") for n in range(3))]
    catalog = shop_in(tmp_path, shown, thresholds=thresholds())
    items = catalog._now.opened.items
    items.update({"colour": "'navy'"}, where="product_id >= 'q'")
    live.save_release(
        catalog._store, replace(catalog.release, release_id="night-2", items_version=items.version)
    )

    class Reading(FakeEmbedder):
        def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
            assert texts == ["navy"]  # without the words that say nothing
            return super().embed_texts(["red"])

    again = opened(tmp_path, release="night-2", embedder=Reading())
    for k in (2, 5):
        (found,) = again.search(picture("red"), k=k, text="this, but in navy", whole=False).objects
        assert (found.tint, found.within) == ("navy", "top")
        assert {match.colour for match in found.matches[:3]} == {"navy"}
        assert found.widened == (Widened.TOO_FEW if k > 3 else None)
    (plain,) = again.search(picture("red"), k=2, text="in navy", text_weight=0.0, whole=False).objects
    assert (plain.tint, {match.colour for match in plain.matches}) == (None, {"red"})


def test_more_like_a_product_is_not_the_product(shop: Catalog):
    answer = shop.similar("p000", k=4, widen="always")
    (found,) = answer.objects
    assert (found.kind, found.product_id, found.label, answer.whole) == (Kind.PRODUCT, "p000", "top", None)
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


def test_a_product_without_objects_is_asked_by_its_photo(tmp_path: Path):
    catalog = shop_in(tmp_path, stock(products=6))
    items = catalog._now.opened.items
    items.delete("product_id = 'p000' AND scope = 'object'")
    release = replace(catalog.release, release_id="night-2", items_version=items.version)
    live.save_release(catalog._store, release)
    assert opened(tmp_path, release="night-2").similar("p000", k=2).objects[0].matches


def test_what_goes_with_a_product(tmp_path: Path):
    """Red tops are worn with blue shoes and once with a magenta bag; the shop sells both."""
    shown = [
        *(s for s in stock(products=12, photos=1) if s.product_id != "p000"),
        Shown("p000", "red", others=("blue",)),
        Shown("p000", "red", photo=1, others=("blue", "magenta")),
    ]
    answer = shop_in(tmp_path, shown).goes_with("p000", k=2)
    worn = {found.label: found for found in answer.goes_with}
    assert set(worn) == {"shoes", "bag"}
    assert {found.kind for found in answer.goes_with} == {Kind.WORN}
    assert set(products(worn["shoes"])) == {"p004", "p010"}
    assert set(products(worn["bag"])) == {"p005", "p011"}
    assert answer.objects[0].product_id == "p000"
    assert not shop_in(tmp_path / "bare", stock(products=6)).goes_with("p000").goes_with


@pytest.mark.parametrize(
    ("photos", "options", "says"),
    [
        (0, Options(), "nothing is asked"),
        (0, Options(box=Box(1, 2, 3, 4)), "give the photo"),
        (0, Options(text="red", object=1), "give the photo"),
        (1, Options(product="p000"), "a photo and a product are given"),
        (1, Options(picks=(Pick(), Pick())), "2 picks are given for one photo"),
        (2, Options(picks=(Pick(),)), "1 picks are given for 2 photos"),
        (2, Options(object=0), "for one photo, and 2 were given"),
        (9, Options(), "9 photos are given: at most 8"),
        (1, Options(box=Box(200, 0, 210, 10)), "holds nothing of the photo"),
        (1, Options(where="prise < 5"), "names the column “prise”"),
    ],
)
def test_questions_that_contradict_themselves(shop: Catalog, photos: int, options: Options, says: str):
    with pytest.raises(BadQuery, match=says):
        shop.ask(*[picture("red")] * photos, options=options)


def test_an_unknown_option_is_an_error_of_the_call(shop: Catalog):
    with pytest.raises(TypeError, match="prise"):
        shop.search(picture("red"), prise=5)


# ── categories first ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_own_category_comes_first_and_others_follow_where_it_holds_too_few(shop: Catalog):
    few = shop.search(picture("red"), k=4).objects[0]
    assert (few.within, few.widened, labels(few)) == ("top", None, {"top"})
    many = shop.search(picture("red"), k=9).objects[0]
    assert (many.within, many.widened, many.exhausted) == ("top", Widened.TOO_FEW, False)
    assert [match.label for match in many.matches[:4]] == ["top"] * 4
    assert "top" not in {match.label for match in many.matches[4:]}
    assert [match.rank for match in many.matches] == list(range(1, 10))


def test_widening_can_be_forbidden_and_asked_for(shop: Catalog):
    never = shop.search(picture("red"), k=9, widen="never").objects[0]
    assert (len(never.matches), never.exhausted, never.widened) == (4, True, None)
    always = shop.search(picture("red"), k=9, widen=Widen.ALWAYS).objects[0]
    assert (always.within, always.widened, len(always.matches)) == (None, Widened.ASKED, 9)


@pytest.mark.parametrize(("believed", "within"), [(0.2, "top"), (1.1, None)])
def test_a_label_that_is_not_believed_asks_all_categories(
    tmp_path: Path, believed: float, within: str | None
):
    catalog = shop_in(tmp_path, stock(), thresholds=thresholds(believed=believed))
    found = catalog.search(picture("red"), k=2).objects[0]
    assert (found.within, found.widened) == (within, None if within else Widened.UNCERTAIN)


def test_without_a_measured_release_no_label_is_believed(tmp_path: Path):
    found = shop_in(tmp_path, stock()).search(picture("red"), k=2).objects[0]
    assert (found.within, found.widened, found.threshold, found.no_good_match) == (
        None,
        Widened.UNCERTAIN,
        None,
        None,
    )


def test_a_product_is_of_its_own_category_or_of_what_the_detector_saw(tmp_path: Path):
    """p000 to p002 are red, seen as tops: one is sold as a top, one as shoes; the shop knows nothing of the third. The
    blue one is seen as shoes and sold as a shirt."""
    shown = [
        Shown("p000", "red", category="Women > Shirts"),
        Shown("p001", "red", category="신발"),
        Shown("p002", "red"),
        Shown("p003", "blue", category="Shirt"),
        Shown("p004", "yellow", category="Dress"),
    ]
    catalog = shop_in(tmp_path, shown, columns=WITH_CATEGORY, thresholds=thresholds())
    for k in (4, 30):  # from the first rows, and from a question of its own
        found = catalog.search(picture("red"), k=k, widen="never").objects[0]
        assert set(products(found)) == {"p000", "p001", "p002", "p003"}
    shoes = catalog.search(picture("red"), box=(8, 12, 82, 84), label="shoes", widen="never", k=9).objects[0]
    assert set(products(shoes)) == {"p001", "p003"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    colours=st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True),
    k=st.integers(1, 12),
    widen=st.sampled_from(Widen),
    weight=st.sampled_from([0.0, 0.4]),
    where=st.sampled_from([None, "price < 4", "price >= 1000", "label <> 'top'"]),
)
def test_exactly_k_distinct_products_or_exhausted(
    crowded: Catalog, colours: list[str], k: int, widen: Widen, weight: float, where: str | None
):
    options = Options(k=k, widen=widen, colour=weight, where=where, crops=Crops.NONE)
    answer = crowded.ask(picture(*colours), options=options)
    fitting = {None: 10, "price < 4": 4, "price >= 1000": 0, "label <> 'top'": 8}[where]
    assert answer.objects
    for lane in answer.lanes:
        found = products(lane)
        assert len(set(found)) == len(found) == len(lane.matches)
        assert lane.exhausted == (len(found) < k)
        if lane.kind is Kind.IMAGE:  # a whole photo has no label
            assert len(found) == min(k, 0 if where == "label <> 'top'" else fitting)
            continue
        if widen is Widen.ALWAYS:
            assert len(found) == min(k, fitting)
        if widen is Widen.AUTO:
            assert len(found) == min(k, fitting)
        if widen is Widen.NEVER:
            assert labels(lane) <= {lane.label}


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Ten products of fifty photos each."""
    folder = tmp_path_factory.mktemp("crowded")
    return shop_in(folder, stock(products=10, photos=50), thresholds=thresholds())


# ── near duplicates, colours, thresholds ─────────────────────────────────────────────────────────────────────


def test_the_same_picture_is_shown_once(tmp_path: Path):
    """Of eight red products four share one photo; of three photos without a product two are the same."""
    shown = [Shown(f"p{n:03d}", "red", mark="one" if n % 2 else None) for n in range(8)]
    shown += [Shown(None, "red", photo=n, mark="loose" if n else None) for n in range(3)]
    catalog = shop_in(tmp_path, shown)
    found = catalog.search(picture("red"), k=20, whole=False).objects[0]
    assert (len(found.matches), found.exhausted) == (4 + 1 + 2, True)
    (one,) = [match for match in found.matches if match.product_id and int(match.product_id[1:]) % 2]
    assert {one.product_id, *one.folded_products} == {"p001", "p003", "p005", "p007"}
    assert one.folded == 3
    (loose,) = [match for match in found.matches if match.product_id is None and match.folded]
    assert (loose.folded, loose.folded_products) == (1, ())
    every = catalog.search(picture("red"), k=20, whole=False, fold=False).objects[0]
    assert (len(every.matches), {match.folded for match in every.matches}) == (11, {0})


def test_folding_leaves_no_place_empty(tmp_path: Path):
    """The sixty nearest products show one picture; the k that are shown come from behind them."""
    shown = [Shown(f"p{n:03d}", "red", mark="one") for n in range(60)]
    shown += [Shown(f"q{n:03d}", "red", photo=20) for n in range(6)]
    found = shop_in(tmp_path, shown).search(picture("red"), k=5, whole=False).objects[0]
    assert (len(found.matches), found.exhausted) == (5, False)
    assert found.matches[0].folded == 59
    assert all(match.product_id.startswith("q") for match in found.matches[1:])


def test_pictures_of_another_colour_are_not_the_same(tmp_path: Path):
    shown = [Shown("p000", "red", mark="one"), Shown("p001", "magenta", mark="one")]
    found = shop_in(tmp_path, shown).search(picture("red"), k=5, whole=False).objects[0]
    assert [match.folded for match in found.matches] == [0, 0]


def test_colour_emphasis_ranks_by_likeness_of_colour(tmp_path: Path):
    """The dark red is the nearest by its vector, as the photo is dark; the one that is not dark is redder."""
    shown = [Shown(f"p{n:03d}", NAMES[n % 6], photo=n // 6 * 12) for n in range(18)]
    catalog = shop_in(tmp_path, shown)
    plain, coloured, alone = (
        catalog.search(picture("red", shade=24), k=18, whole=False, colour=weight).objects[0]
        for weight in (0.0, 0.4, 1.0)
    )
    assert [m.score for m in plain.matches] == [m.similarity for m in plain.matches]
    for match in coloured.matches:
        assert match.score == pytest.approx(0.6 * match.similarity + 0.4 * match.colour_similarity)
    for lane in (plain, coloured, alone):
        assert [m.score for m in lane.matches] == sorted((m.score for m in lane.matches), reverse=True)
    likeness = [m.colour_similarity for m in alone.matches]
    assert likeness == sorted(likeness, reverse=True)
    for match in plain.matches:
        assert match.colour_similarity == round(colour.similarity(plain.palette, match.palette), 4)


def test_products_looked_at_for_their_colours_are_bounded():
    assert [looked_at(Options(k=k)) for k in (5, 1000)] == [8, 1003]
    assert [looked_at(Options(k=k, colour=0.3)) for k in (5, 100, 1000)] == [100, 2000, 2000]
    assert looked_at(Options(k=5, fold=False)) == 5


def test_a_match_below_its_category_s_threshold_is_no_good_match(tmp_path: Path):
    catalog = shop_in(tmp_path, stock(), thresholds=thresholds(0.9, top=0.999, dress=1.01))
    top = catalog.search(picture("red"), k=3).objects[0]
    assert (top.threshold, top.no_good_match) == (0.999, False)
    assert [match.good for match in top.matches] == [match.similarity >= 0.999 for match in top.matches]
    assert {match.good for match in top.matches} == {True, False}
    dress = catalog.search(picture("yellow"), k=3).objects[0]
    assert (dress.threshold, dress.no_good_match, {m.good for m in dress.matches}) == (1.01, True, {False})
    drawn = catalog.search(picture("red"), box=(8, 12, 82, 84)).objects[0]
    assert drawn.threshold == 0.9  # of all categories together
    answer = catalog.search(picture("red"))
    assert answer.whole is not None
    assert (answer.whole.threshold, answer.whole.matches[0].good) == (None, None)
    assert "no good match" in catalog.search(picture("yellow"), k=3).to_table(width=100)


# ── the whole look ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_look_is_one_product_of_each_object(shop: Catalog):
    answer = shop.search(picture("red", "blue", "magenta"), k=3)
    look = answer.look
    assert look is not None
    assert [piece.object for piece in look.pieces] == [0, 1, 2]
    for piece in look.pieces:
        best = answer.objects[piece.object].matches[0]
        assert (piece.product_id, piece.price, piece.similarity) == (
            best.product_id,
            best.columns["price"],
            best.similarity,
        )
    assert look.total == sum(piece.price for piece in look.pieces)
    assert (look.price_column, look.unpriced, look.missing, look.complete) == ("price", 0, (), True)
    assert shop.search(picture("red", "blue"), look=False).look is None
    assert shop.search(picture("red")).look is None
    assert "the look: " in answer.to_table(width=120)


def test_a_look_leaves_out_what_is_no_good_match(tmp_path: Path):
    catalog = shop_in(tmp_path, stock(), thresholds=thresholds(0.5, shoes=1.01))
    answer = catalog.search(picture("red", "blue"), k=3)
    look = answer.look
    assert look is not None
    shoes = next(n for n, found in enumerate(answer.objects) if found.label == "shoes")
    assert [piece.label for piece in look.pieces] == ["top"]
    assert (look.missing, look.complete) == ((shoes,), False)


def test_catalogue_photos_of_such_an_outfit(tmp_path: Path):
    """Tops are worn with blue shoes, with a magenta bag, with both, or alone."""
    worn = [("blue",), ("magenta",), ("blue", "magenta"), ()]
    shown = [Shown(f"p{n:03d}", "red", float(n), others=others) for n, others in enumerate(worn * 3)]
    shown += [Shown("p100", "blue"), Shown("p101", "magenta")]
    catalog = shop_in(tmp_path, shown)
    look = catalog.search(picture("red", "blue", "magenta"), k=1, look_photos=3).look
    assert look is not None
    assert [photo.rank for photo in look.photos] == [1, 2, 3]
    assert {photo.product_id for photo in look.photos} == {"p002", "p006", "p010"}
    best = look.photos[0]
    assert {one.label for one in best.worn} == {"top", "shoes", "bag"}
    assert best.score == pytest.approx(sum(one.similarity for one in best.worn) / 3)
    assert best.crop is not None
    assert best.columns["price"] == float(best.product_id[1:])
    cheap = catalog.search(picture("red", "blue", "magenta"), k=1, look_photos=3, where="price < 3").look
    assert cheap is not None
    assert cheap.photos[0].product_id == "p002"
    assert {photo.columns["price"] < 3 for photo in cheap.photos} == {True}
    assert catalog.search(picture("red", "blue"), k=1).look.photos == ()


def test_the_photos_of_a_look_are_chosen_among_those_that_fit(tmp_path: Path):
    """The hundred that are most alike cost too much; those behind them are proposed none the less."""
    shown = [Shown(f"p{n:03d}", "red", 100.0, others=("blue",)) for n in range(100)]
    shown += [Shown(f"q{n:03d}", "red", float(n), photo=20, others=("blue",)) for n in range(3)]
    catalog = shop_in(tmp_path, shown)
    options = Options(k=1, look_photos=3, where="price < 50", fold=False)
    look = catalog.ask(picture("red", "blue"), options=options).look
    assert look is not None
    assert {photo.product_id for photo in look.photos} == {"q000", "q001", "q002"}
    every = catalog.ask(picture("red", "blue"), options=Options(k=1, look_photos=100, fold=False)).look
    assert every is not None
    assert len(every.photos) == 100


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_model_is_called_once_for_all_that_a_question_holds(shop: Catalog):
    calls: dict[str, list[int]] = {"detect": [], "embed": []}

    class Detector(FakeDetector):
        def detect(self, images: Sequence[np.ndarray]) -> list:
            calls["detect"].append(len(images))
            return super().detect(images)

    class Embedder(FakeEmbedder):
        def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
            calls["embed"].append(len(images))
            return super().embed_images(images)

    catalog = opened(shop._store.uri, detector=Detector(), embedder=Embedder())
    catalog.search(picture("red", "blue"))
    assert calls == {"detect": [1], "embed": [3]}
    catalog.search(
        [picture("red"), picture("red"), picture("red")], picks=(Pick(), Pick(box=Box(0, 0, 9, 9)), Pick())
    )
    assert calls == {"detect": [1, 2], "embed": [3, 3]}


def test_a_loader_loads_what_each_release_needs(tmp_path: Path):
    loaded: list[str] = []

    @dataclass
    class Loading:
        made: list[str] = field(default_factory=list)

        def detector_of(self, made, device: str) -> FakeDetector:
            loaded.append(f"detector {made.detector_digest} on {device}")
            return FakeDetector()

        def embedder_of(self, made, device: str) -> FakeEmbedder:
            loaded.append(f"embedder {made.embedder_digest} on {device}")
            return FakeEmbedder()

    from lookdex.models import digests

    made = recipe(
        detector_digest=digests.detector_digest(FakeDetector.name),
        embedder_digest=digests.embedder_digest(FakeEmbedder.name),
    )
    store = open_store(str(tmp_path))
    publish(store, "night-1", stock(), made=made)
    catalog = lookdex.open_catalog(store, loader=Loading(), device="cpu", poll_seconds=0.0).load()
    assert [what.split()[0] for what in loaded] == ["detector", "embedder"]
    publish(store, "night-2", stock(), made=replace(made, min_score=0.25))
    assert catalog.search(picture("red")).release_id == "night-2"
    assert len(loaded) == 4


def test_rows_that_are_held_answer_the_same(shop: Catalog):
    held = opened(shop._store.uri).load()
    assert held._now.opened.rows.held
    for options in (Options(k=9), Options(k=4, colour=0.3, crops=Crops.ALL), Options(look_photos=2)):
        told = [c.ask(picture("red", "blue"), options=options) for c in (shop, held)]
        left, right = (replace(one, seconds={}) for one in told)
        assert left == right
    assert held.similar("p000", goes_with=True).objects == shop.similar("p000", goes_with=True).objects


def test_real_answers_hold_to_the_schema(shop: Catalog):
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
