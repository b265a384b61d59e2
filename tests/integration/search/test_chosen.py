"""How matches are chosen: categories, duplicate pictures, colours, thresholds, the look."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lookdex.imaging import colour
from lookdex.search.answer.kinds import LaneKind, Other, Widened
from lookdex.search.catalog import Catalog
from lookdex.search.query.options import Crops, Options, Widen
from tests.fakes import COLOURS
from tests.support.catalogs import WITH_CATEGORY, Shown, picture, stock
from tests.support.shops import labels, products, shop_in, stocked, thresholds

NAMES = list(COLOURS)  # red, yellow, green, cyan, blue, magenta: top, dress, skirt, pants, shoes, bag


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return stocked(tmp_path_factory.mktemp("shop"))


# ── categories first ─────────────────────────────────────────────────────────────────────────────────────────


def test_own_category_comes_first_and_others_follow_if_it_has_too_few(shop: Catalog) -> None:
    few = shop.search(picture("red"), k=4).objects[0]
    assert (few.within, few.widened, labels(few)) == ("top", None, {"top"})
    many = shop.search(picture("red"), k=9).objects[0]
    assert (many.within, many.widened, many.exhausted) == ("top", Widened.TOO_FEW, False)
    assert [match.label for match in many.matches[:4]] == ["top"] * 4
    assert "top" not in {match.label for match in many.matches[4:]}
    assert [match.rank for match in many.matches] == list(range(1, 10))


def test_widening_can_be_disabled_or_forced(shop: Catalog) -> None:
    never = shop.search(picture("red"), k=9, widen="never").objects[0]
    assert (len(never.matches), never.exhausted, never.widened) == (4, True, None)
    always = shop.search(picture("red"), k=9, widen=Widen.ALWAYS).objects[0]
    assert (always.within, always.widened, len(always.matches)) == (None, Widened.ASKED, 9)


@pytest.mark.parametrize(("believed", "within"), [(0.2, "top"), (1.1, None)])
def test_untrusted_label_searches_all_categories(tmp_path: Path, believed: float, within: str | None) -> None:
    catalog = shop_in(tmp_path, stock(), thresholds=thresholds(believed=believed))
    found = catalog.search(picture("red"), k=2).objects[0]
    assert (found.within, found.widened) == (within, None if within else Widened.UNCERTAIN)


def test_labels_are_untrusted_without_thresholds(tmp_path: Path) -> None:
    found = shop_in(tmp_path, stock()).search(picture("red"), k=2).objects[0]
    assert (found.within, found.widened, found.threshold, found.no_good_match) == (
        None,
        Widened.UNCERTAIN,
        None,
        None,
    )


def test_products_match_by_listed_category_or_detected_label(tmp_path: Path) -> None:
    """p000 to p002 are red and detected as tops: listed as a top, as shoes, and without a category.
    p003 is blue, detected as shoes and listed as a shirt."""
    shown = [
        Shown("p000", "red", category="Women > Shirts"),
        Shown("p001", "red", category="신발"),
        Shown("p002", "red"),
        Shown("p003", "blue", category="Shirt"),
        Shown("p004", "yellow", category="Dress"),
    ]
    catalog = shop_in(tmp_path, shown, columns=WITH_CATEGORY, thresholds=thresholds())
    for k in (4, 30):  # with one query of the table, and with two
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
def test_k_distinct_products_or_exhausted(
    crowded: Catalog, colours: list[str], k: int, widen: Widen, weight: float, where: str | None
) -> None:
    options = Options(k=k, widen=widen, colour=weight, where=where, crops=Crops.NONE)
    answer = crowded.ask(picture(*colours), options=options)
    fitting = {None: 10, "price < 4": 4, "price >= 1000": 0, "label <> 'top'": 8}[where]
    assert answer.objects
    for lane in answer.lanes:
        found = products(lane)
        assert len(set(found)) == len(found) == len(lane.matches)
        assert lane.exhausted == (len(found) < k)
        if lane.kind is LaneKind.IMAGE:  # a whole photo has no label
            assert len(found) == min(k, 0 if where == "label <> 'top'" else fitting)
            continue
        if widen is Widen.NEVER:
            assert labels(lane) <= {lane.label}
        else:
            assert len(found) == min(k, fitting)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Ten products of fifty photos each."""
    folder = tmp_path_factory.mktemp("crowded")
    return shop_in(folder, stock(products=10, photos=50), thresholds=thresholds())


# ── near duplicates, colours, thresholds ─────────────────────────────────────────────────────────────────────


def test_products_with_the_same_picture_are_folded(tmp_path: Path) -> None:
    """Four of eight red products share a picture, and two of three photos without a product."""
    shown = [Shown(f"p{n:03d}", "red", mark="one" if n % 2 else None) for n in range(8)]
    shown += [Shown(None, "red", photo=n, mark="loose" if n else None) for n in range(3)]
    catalog = shop_in(tmp_path, shown)
    found = catalog.search(picture("red"), k=20, whole=False).objects[0]
    assert (len(found.matches), found.exhausted) == (4 + 1 + 2, True)
    (shared,) = [match for match in found.matches if match.product_id and int(match.product_id[1:]) % 2]
    assert {shared.product_id, *shared.folded_products} == {"p001", "p003", "p005", "p007"}
    assert shared.folded == 3
    (loose,) = [match for match in found.matches if match.product_id is None and match.folded]
    assert (loose.folded, loose.folded_products) == (1, ())
    every = catalog.search(picture("red"), k=20, whole=False, fold=False).objects[0]
    assert (len(every.matches), {match.folded for match in every.matches}) == (11, {0})


def test_folded_matches_are_replaced_by_further_ones(tmp_path: Path) -> None:
    """The sixty nearest products share a picture; further products fill the k places."""
    shown = [Shown(f"p{n:03d}", "red", mark="one") for n in range(60)]
    shown += [Shown(f"q{n:03d}", "red", photo=20) for n in range(6)]
    found = shop_in(tmp_path, shown).search(picture("red"), k=5, whole=False).objects[0]
    assert (len(found.matches), found.exhausted) == (5, False)
    assert found.matches[0].folded == 59
    assert all((match.product_id or "").startswith("q") for match in found.matches[1:])


def test_pictures_of_different_colours_are_not_folded(tmp_path: Path) -> None:
    shown = [Shown("p000", "red", mark="one"), Shown("p001", "magenta", mark="one")]
    found = shop_in(tmp_path, shown).search(picture("red"), k=5, whole=False).objects[0]
    assert [match.folded for match in found.matches] == [0, 0]


def test_colour_weight_ranks_by_colour_similarity(tmp_path: Path) -> None:
    """The photo is dark: dark red is nearest by vector, and plain red by colour."""
    shown = [Shown(f"p{n:03d}", NAMES[n % 6], photo=n // 6 * 12) for n in range(18)]
    catalog = shop_in(tmp_path, shown)
    plain, coloured, alone = (
        catalog.search(picture("red", shade=24), k=18, whole=False, colour=weight).objects[0]
        for weight in (0.0, 0.4, 1.0)
    )
    assert [m.score for m in plain.matches] == [m.similarity for m in plain.matches]
    for match in coloured.matches:
        assert match.colour_similarity is not None
        assert match.score == pytest.approx(0.6 * match.similarity + 0.4 * match.colour_similarity)
    for lane in (plain, coloured, alone):
        assert [m.score for m in lane.matches] == sorted((m.score for m in lane.matches), reverse=True)
    similarities = [m.colour_similarity or 0.0 for m in alone.matches]
    assert similarities == sorted(similarities, reverse=True)
    for match in plain.matches:
        assert match.colour_similarity == round(colour.similarity(plain.palette, match.palette), 4)


def test_threshold_of_the_category_decides_about_good_matches(tmp_path: Path) -> None:
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
    assert "no good match" in catalog.search(picture("yellow"), k=3).to_table(width=140)


# ── the whole look ───────────────────────────────────────────────────────────────────────────────────────────


def test_look_has_one_product_for_each_object(shop: Catalog) -> None:
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
    assert look.total == sum(piece.price or 0 for piece in look.pieces)
    assert (look.price_column, look.unpriced, look.missing, look.complete) == ("price", 0, (), True)
    assert shop.search(picture("red", "blue"), look=False).look is None
    assert shop.search(picture("red")).look is None
    assert "the look: " in answer.to_table(width=120)


def test_look_leaves_out_objects_without_a_good_match(tmp_path: Path) -> None:
    catalog = shop_in(tmp_path, stock(), thresholds=thresholds(0.5, shoes=1.01))
    answer = catalog.search(picture("red", "blue"), k=3)
    look = answer.look
    assert look is not None
    shoes = next(n for n, found in enumerate(answer.objects) if found.label == "shoes")
    assert [piece.label for piece in look.pieces] == ["top"]
    assert (look.missing, look.complete) == ((shoes,), False)


def test_look_has_no_products_of_other_categories(tmp_path: Path) -> None:
    """The shop has tops and one pair of shoes, but no bag."""
    shown = [*(Shown(f"t{n}", "red", float(n), n) for n in range(6)), Shown("s0", "blue", 30.0)]
    catalog = shop_in(tmp_path, shown, thresholds=thresholds(similarity=-1.0))
    answer = catalog.search(picture("red", "blue", "magenta"), k=5)
    bag = next(n for n, found in enumerate(answer.objects) if found.label == "bag")
    assert {match.other for match in answer.objects[bag].matches} == {Other.KIND}
    look = answer.look
    assert look is not None
    assert {piece.label for piece in look.pieces} == {"shoes", "top"}
    assert len(look.pieces) == 2
    assert "s0" in [piece.product_id for piece in look.pieces]
    assert (look.missing, look.complete) == ((bag,), False)


def test_look_photos_show_similar_outfits(tmp_path: Path) -> None:
    """Tops are shown with blue shoes, with a magenta bag, with both, or alone."""
    worn: list[tuple[str, ...]] = [("blue",), ("magenta",), ("blue", "magenta"), ()]
    shown = [Shown(f"p{n:03d}", "red", float(n), others=others) for n, others in enumerate(worn * 3)]
    shown += [Shown("p100", "blue"), Shown("p101", "magenta")]
    catalog = shop_in(tmp_path, shown)
    look = catalog.search(picture("red", "blue", "magenta"), k=1, look_photos=3).look
    assert look is not None
    assert [photo.rank for photo in look.photos] == [1, 2, 3]
    assert {photo.product_id for photo in look.photos} == {"p002", "p006", "p010"}
    best = look.photos[0]
    assert {item.label for item in best.worn} == {"top", "shoes", "bag"}
    assert best.score == pytest.approx(sum(item.similarity for item in best.worn) / 3)
    assert best.crop is not None
    assert best.columns["price"] == float((best.product_id or "")[1:])
    cheap = catalog.search(picture("red", "blue", "magenta"), k=1, look_photos=3, where="price < 3").look
    assert cheap is not None
    assert cheap.photos[0].product_id == "p002"
    assert {photo.columns["price"] < 3 for photo in cheap.photos} == {True}
    without = catalog.search(picture("red", "blue"), k=1).look
    assert without is not None
    assert without.photos == ()


def test_look_photos_respect_the_filter(tmp_path: Path) -> None:
    """The hundred most similar ones are too expensive; the filter finds those after them."""
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
