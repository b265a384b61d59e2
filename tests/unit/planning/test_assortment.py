"""Photos of products that the products file does not list are left out of the plan and leave the catalogue."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.planning.assortment import compare_columns, drop_unlisted
from lookdex.planning.diff import make_plan
from lookdex.records import Change, ColumnChange, Reason, Status, Unlisted
from tests.unit.planning.test_plan import RECIPE, Photo, apply, changes_of, ledger, linked, shops

listed_products = st.sets(st.sampled_from(["p", "q", "r"]))


def ids(*names: str) -> pa.Array:
    return pa.array(names, pa.string())


def products_of(table: pa.Table) -> dict[str, list[str]]:
    return dict(zip(table["image_key"].to_pylist(), table["product_ids"].to_pylist(), strict=True))


def test_photos_of_unlisted_products_are_left_out_and_counted() -> None:
    photos = {
        "loose": Photo(),
        "sold": Photo(product_ids=("p",)),
        "both": Photo(product_ids=("p", "x")),
        "leaves": Photo(product_ids=("x", "y")),
        "new": Photo(product_ids=("z",)),
        "newer": Photo(product_ids=("y", "z")),
    }
    live = {key: photos[key] for key in ("loose", "sold", "both", "leaves")}
    live["gone"] = Photo(product_ids=("w",))  # gone from the source, so not counted here
    found = drop_unlisted(linked(photos), ids("p", "unshown"), ledger(live))
    assert products_of(found.photos) == {"both": ["p"], "loose": [], "sold": ["p"]}
    assert found.photos.schema == linked({}).schema
    assert found.leaving == Unlisted(2, 1, ("x", "y"))
    assert found.left_out == Unlisted(2, 2, ("y", "z"))


def test_on_the_first_night_no_photo_leaves() -> None:
    photos = {"sold": Photo(product_ids=("p",)), "unlisted": Photo(product_ids=("x", "y"))}
    first = drop_unlisted(linked(photos), ids("p"), None)
    assert (first.leaving, first.left_out) == (Unlisted(), Unlisted(2, 1, ("x", "y")))


def test_at_most_five_unlisted_products_are_named() -> None:
    photos = {f"{n}": Photo(product_ids=(f"p{n}",)) for n in range(9)}
    leaving = drop_unlisted(linked(photos), ids(), ledger(photos)).leaving
    assert leaving == Unlisted(9, 9, ("p0", "p1", "p2", "p3", "p4"))


@given(shops, shops, listed_products)
@settings(max_examples=10)
def test_the_photos_of_a_plan_have_listed_products_only(
    photos: dict[str, Photo], live: dict[str, Photo], listed: set[str]
) -> None:
    found = drop_unlisted(linked(photos), ids(*listed), ledger(live))
    expected = {
        key: sorted(listed & set(photo.product_ids))
        for key, photo in photos.items()
        if not photo.product_ids or listed & set(photo.product_ids)
    }
    assert products_of(found.photos) == expected
    out = photos.keys() - expected.keys()
    assert (found.leaving.photos, found.left_out.photos) == (len(out & live.keys()), len(out - live.keys()))
    assert found.leaving.products == len(
        {p for key in live.keys() & photos.keys() for p in live[key].product_ids} - listed
    )
    assert found.left_out.products == len({p for key in out - live.keys() for p in photos[key].product_ids})


nights = st.lists(st.tuples(shops, listed_products, st.none() | st.integers(0, 3)), min_size=2, max_size=3)


@given(nights, st.sampled_from([Status.INDEXED, Status.FAILED]))
@settings(max_examples=4)
def test_after_every_night_the_ledger_has_listed_products_only(
    nights: list[tuple[dict[str, Photo], set[str], int | None]], status: Status
) -> None:
    """Whatever the limit and the outcome of the photos. Without a limit it equals the ledger of a full run."""
    before = None
    for photos, listed, limit in nights:
        sold = drop_unlisted(linked(photos), ids(*listed), before).photos
        plan = make_plan(sold, before, RECIPE, limit=limit, sold=ids(*listed))
        after = apply(plan, before, status)
        assert {p for products in after["product_ids"].to_pylist() for p in products} <= listed
        assert plan.changes[Change.NEW] <= (limit if limit is not None else len(photos))
        if limit is None:
            full = make_plan(drop_unlisted(linked(photos), ids(*listed), None).photos, None, RECIPE)
            assert products_of(after) == products_of(apply(full, None))
        before = after


@pytest.mark.parametrize(("limit", "planned"), [(0, {"z"}), (1, {"z"}), (2, {"a", "z"})])
def test_a_photo_that_loses_one_of_its_products_is_planned_despite_the_limit(
    limit: int, planned: set[str]
) -> None:
    live = {"a": Photo(product_ids=("p",), recipe="older"), "z": Photo(product_ids=("p", "x"))}
    sold = drop_unlisted(linked(live), ids("p"), ledger(live)).photos
    plan = make_plan(sold, ledger(live), RECIPE, limit=limit, sold=ids("p"))
    assert set(changes_of(plan)) == planned
    assert plan.postponed == 2 - len(planned)


@pytest.mark.parametrize(("listed", "change"), [(("p", "x"), Change.UNCHANGED), (("p",), Change.RETRY)])
def test_an_archived_photo_is_retried_when_one_of_its_products_is_unlisted(
    listed: tuple[str, ...], change: Change
) -> None:
    """The fetch fails again, and then the rows of the unlisted product go."""
    live = {"a": Photo(product_ids=("p", "x"), status=Status.FAILED, reason=Reason.ARCHIVED)}
    sold = drop_unlisted(linked(live), ids(*listed), ledger(live)).photos
    plan = make_plan(sold, ledger(live), RECIPE, archived=pa.array(["a"]), sold=ids(*listed))
    assert plan.changes[change] == 1


@pytest.mark.parametrize(
    ("live", "planned", "types"),
    [
        (pa.float64(), pa.string(), ("number", "text")),
        (pa.string(), None, ("text", "")),
        (None, pa.bool_(), ("", "true or false")),
        (pa.int64(), pa.float64(), ("number (int64)", "number (double)")),
        (pa.string(), pa.string(), None),
        (pa.timestamp("us"), pa.date32(), ("date-time", "date")),
    ],
)
def test_changed_column_types_are_described_in_plain_words(
    live: pa.DataType | None, planned: pa.DataType | None, types: tuple[str, str] | None
) -> None:
    title = ("title", pa.string())
    before = pa.schema([title, *([("it", live)] if live else [])])
    after = pa.schema([("product_id", pa.string()), title, *([("it", planned)] if planned else [])])
    assert compare_columns(before, after) == ((ColumnChange("it", *types),) if types else ())
