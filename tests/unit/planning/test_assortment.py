"""Products that the products file does not list are not sold, whichever way the catalogue came to be."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_plan import RECIPE, Photo, apply, changes_of, ledger, linked, shops

from lookdex.planning.assortment import column_changes, only_listed
from lookdex.planning.plan import make_plan
from lookdex.records import Change, ColumnChange, Reason, Status, Unlisted

some_products = st.sets(st.sampled_from(["p", "q", "r"]))


def ids(*names: str) -> pa.Array:
    return pa.array(names, pa.string())


def products_of(table: pa.Table) -> dict[str, list[str]]:
    return dict(zip(table["image_key"].to_pylist(), table["product_ids"].to_pylist(), strict=True))


def test_photos_of_unlisted_products_are_left_out_and_named() -> None:
    photos = {
        "loose": Photo(),
        "sold": Photo(product_ids=("p",)),
        "both": Photo(product_ids=("p", "x")),
        "leaves": Photo(product_ids=("x", "y")),
        "new": Photo(product_ids=("z",)),
        "newer": Photo(product_ids=("y", "z")),
    }
    live = {key: photos[key] for key in ("loose", "sold", "both", "leaves")}
    live["gone"] = Photo(product_ids=("w",))  # from the source, too: it counts among those
    found = only_listed(linked(photos), ids("p", "unshown"), ledger(live))
    assert products_of(found.photos) == {"both": ["p"], "loose": [], "sold": ["p"]}
    assert found.photos.schema == linked({}).schema
    assert found.leaving == Unlisted(2, 1, ("x", "y"))
    assert found.left_out == Unlisted(2, 2, ("y", "z"))
    first = only_listed(linked(photos), ids("p"), None)
    assert (first.leaving, first.left_out) == (Unlisted(), Unlisted(3, 3, ("x", "y", "z")))


def test_only_a_few_unlisted_products_are_named() -> None:
    photos = {f"{n}": Photo(product_ids=(f"p{n}",)) for n in range(9)}
    assert only_listed(linked(photos), ids(), ledger(photos)).leaving == Unlisted(
        9, 9, ("p0", "p1", "p2", "p3", "p4")
    )


@given(shops, shops, some_products)
@settings(max_examples=10)
def test_kept_photos_have_only_listed_products(
    photos: dict[str, Photo], live: dict[str, Photo], listed: set[str]
) -> None:
    found = only_listed(linked(photos), ids(*listed), ledger(live))
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


nightly = st.lists(st.tuples(shops, some_products, st.none() | st.integers(0, 3)), min_size=2, max_size=3)


@given(nightly, st.sampled_from([Status.INDEXED, Status.FAILED]))
@settings(max_examples=4)
def test_after_any_nights_the_ledger_knows_listed_products_only(
    told: list[tuple[dict[str, Photo], set[str], int | None]], status: Status
) -> None:
    """Whatever the limit, and whatever became of the photos; without a limit it is the ledger of a full night."""
    was = None
    for photos, listed, limit in told:
        sold = only_listed(linked(photos), ids(*listed), was).photos
        plan = make_plan(sold, was, RECIPE, limit=limit, sold=ids(*listed))
        was = apply(plan, was, status)
        assert {p for products in was["product_ids"].to_pylist() for p in products} <= listed
        assert plan.changes[Change.NEW] <= (limit if limit is not None else len(photos))
        if limit is None:
            full = make_plan(only_listed(linked(photos), ids(*listed), None).photos, None, RECIPE)
            assert products_of(was) == products_of(apply(full, None))


def test_a_photo_that_loses_one_of_its_products_is_planned_beyond_the_limit() -> None:
    live = {"a": Photo(product_ids=("p",), recipe="older"), "z": Photo(product_ids=("p", "x"))}
    sold = only_listed(linked(live), ids("p"), ledger(live)).photos
    for limit, planned in ((0, {"z"}), (1, {"z"}), (2, {"a", "z"})):
        plan = make_plan(sold, ledger(live), RECIPE, limit=limit, sold=ids("p"))
        assert set(changes_of(plan)) == planned
        assert plan.postponed == 2 - len(planned)


def test_an_archived_photo_does_not_keep_rows_of_a_product_that_is_not_listed() -> None:
    """It is asked for, though in vain: then its rows go with its outcome."""
    live = {"a": Photo(product_ids=("p", "x"), status=Status.FAILED, reason=Reason.ARCHIVED)}
    was = ledger(live)
    for listed, change in ((("p", "x"), Change.UNCHANGED), (("p",), Change.RETRY)):
        sold = only_listed(linked(live), ids(*listed), was).photos
        plan = make_plan(sold, was, RECIPE, archived=pa.array(["a"]), sold=ids(*listed))
        assert plan.changes[change] == 1


@pytest.mark.parametrize(
    ("live", "planned", "told"),
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
    live: pa.DataType | None, planned: pa.DataType | None, told: tuple[str, str] | None
) -> None:
    schemas = [
        pa.schema([("title", pa.string()), *([("it", kind)] if kind else [])]) for kind in (live, planned)
    ]
    schemas[1] = pa.schema([("product_id", pa.string()), *schemas[1]])
    assert column_changes(*schemas) == ((ColumnChange("it", *told),) if told else ())
