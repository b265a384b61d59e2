"""Which rows a night adds, keeps and removes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lookdex.catalog.schemas import IMAGES_SCHEMA, PLAN_SCHEMA
from lookdex.errors import CorruptData
from lookdex.records import Change, Reason, Status
from lookdex.release.row_changes import (
    FULL_FRAGMENT,
    MAX_SMALL,
    build_ledger_rows,
    check_outcomes,
    find_replaced_keys,
    find_rows,
    find_small_fragments,
    find_stale_rows,
    find_unsold_failures,
)

INDEXED, FAILED = (Status.INDEXED, None), (Status.FAILED, Reason.UNAVAILABLE)
REJECTED, BREAKS = (Status.REJECTED, Reason.CORRUPT), (Status.FAILED, Reason.BREAKS_MODEL)
LONG_AGO, TONIGHT = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 2, tzinfo=UTC)


def plan_of(*rows: tuple[str, Change]) -> pa.Table:
    return table([{"image_key": key, "change": change} for key, change in rows], PLAN_SCHEMA)


def outcomes_of(
    outcomes: Mapping[str, tuple[Status, Reason | None]],
    etag: str = "new",
    seen: datetime = TONIGHT,
    **other: Any,
) -> pa.Table:
    rows = [
        {
            "image_key": key,
            "status": status,
            "reason": reason,
            "etag": etag,
            "first_seen": seen,
            "run_id": etag,
        }
        | other
        for key, (status, reason) in outcomes.items()
    ]
    return table(rows, IMAGES_SCHEMA)


def live_of(*keys: str, **other: Any) -> pa.Table:
    return outcomes_of(dict.fromkeys(keys, INDEXED), "old", LONG_AGO, **other)


def table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows with nulls for the columns not given."""
    return pa.Table.from_pylist([{**dict.fromkeys(schema.names), **row} for row in rows], nullable(schema))


def nullable(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in schema])


def keys_of(found: pa.Table) -> list[str]:
    return sorted(found["image_key"].to_pylist())


def reader(names: Iterable[str], *rows: Sequence[Any]) -> pa.RecordBatchReader:
    names = [*names, "_rowid"]
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows]).to_reader()


def test_every_planned_photo_needs_exactly_one_outcome() -> None:
    plan = plan_of(("a", Change.NEW), ("b", Change.CHANGED), ("gone", Change.DELETED))
    check_outcomes(plan, outcomes_of({"a": INDEXED, "b": FAILED}))


@pytest.mark.parametrize(
    ("planned", "found", "message"),
    [
        (["a", "b"], ["a"], r"1 photos .* first 'b' \(planned 1, found 0\)"),
        (["a"], ["a", "b"], r"1 photos .* first 'b' \(planned 0, found 1\)"),
        (["a"], ["a", "a"], r"1 photos .* first 'a' \(planned 1, found 2\)"),
        (["a", "a"], ["a"], r"1 photos .* first 'a' \(planned 2, found 1\)"),
        (["c", "b", "a"], [], r"3 photos .* first 'a' \(planned 1, found 0\)"),
        (["gone"], ["gone"], r"1 photos .* first 'gone' \(planned 0, found 1\)"),
    ],
)
def test_photos_without_exactly_one_outcome_stop_the_build(
    planned: list[str], found: list[str], message: str
) -> None:
    plan = plan_of(*((key, Change.DELETED if key == "gone" else Change.NEW) for key in planned))
    outcomes = pa.concat_tables([outcomes_of({}), *(outcomes_of({key: INDEXED}) for key in found)])
    with pytest.raises(CorruptData, match=message):
        check_outcomes(plan, outcomes)


def test_failed_photos_of_unsold_products_may_not_keep_their_rows() -> None:
    live = pa.concat_tables(
        [
            live_of("sold", "indexed", product_ids=["p"]),
            live_of("partly", product_ids=["p", "q", "r"]),
            live_of("unsold", "indexed unsold", "not tonight", product_ids=["q"]),
            live_of("no product", product_ids=[]),
        ]
    )
    failed = dict.fromkeys(("sold", "partly", "unsold", "no product", "new"), FAILED)
    outcomes = outcomes_of(failed | {"indexed": INDEXED, "indexed unsold": INDEXED})
    sold = pa.array(["p"])
    assert keys_of(find_unsold_failures(outcomes, live, sold)) == ["partly", "unsold"]
    assert keys_of(find_unsold_failures(outcomes, live, None)) == []
    assert keys_of(find_unsold_failures(outcomes, None, sold)) == []


@pytest.mark.parametrize(
    ("outcome", "is_live", "keep_failed", "unsold", "kept"),
    [
        (FAILED, True, True, False, True),
        (FAILED, False, True, False, False),
        (FAILED, True, False, False, False),
        (FAILED, True, True, True, False),
        ((Status.FAILED, None), True, True, False, True),
        (BREAKS, True, True, False, False),
        (REJECTED, True, True, False, False),
        (INDEXED, True, True, False, False),
    ],
)
def test_only_a_failed_photo_keeps_its_earlier_values(
    outcome: tuple[Status, Reason | None], is_live: bool, keep_failed: bool, unsold: bool, kept: bool
) -> None:
    live = live_of("a", "another") if is_live else None
    gone = pa.table({"image_key": ["a"]}) if unsold else None
    (row,) = build_ledger_rows(outcomes_of({"a": outcome}), live, keep_failed, gone).to_pylist()
    assert (row["status"], row["reason"], row["run_id"]) == (*outcome, "new")  # always tonight's
    assert row["etag"] == ("old" if kept else "new")
    assert row["first_seen"] == (LONG_AGO if is_live else TONIGHT)


def test_the_ledger_is_sorted_by_key() -> None:
    rows = build_ledger_rows(outcomes_of(dict.fromkeys("dbeca", INDEXED)), None, True)
    assert rows["image_key"].to_pylist() == list("abcde")
    assert rows.schema == IMAGES_SCHEMA


def test_deleted_indexed_breaking_and_unsold_photos_lose_their_items() -> None:
    plan = plan_of(("deleted", Change.DELETED), ("indexed", Change.CHANGED), ("failed", Change.RETRY))
    outcomes = outcomes_of(
        {"indexed": INDEXED, "rejected": REJECTED, "breaks": BREAKS, "failed": FAILED, "unsold": FAILED}
    )
    lost = find_replaced_keys(plan, outcomes, pa.table({"image_key": ["unsold"]}))
    assert keys_of(lost) == ["breaks", "deleted", "indexed", "rejected", "unsold"]


def test_the_rows_of_photos_are_sorted_row_ids() -> None:
    rows = reader(["image_key"], ("b", 9), ("a", 7), ("c", 8), ("b", 2**40))
    found = find_rows(pa.table({"image_key": ["b", "a", "x"]}), rows)
    assert found.dtype == np.uint64
    assert found.tolist() == [7, 9, 2**40]


def test_rows_whose_product_columns_differ_are_stale() -> None:
    products = pa.table(
        {"product_id": ["p", "q", "r"], "price": [1.0, None, 3.0], "title": ["One", "Two", None]}
    )
    rows = reader(
        ["product_id", "price", "title"],
        ("r", 3.0, "Three", 6),  # has lost its title
        ("p", 1.0, "One", 1),
        ("p", 2.0, "One", 2),  # another price
        ("q", None, "Two", 3),
        ("q", 2.0, "Two", 4),  # has lost its price
        ("r", 3.0, None, 5),
        ("gone", 1.0, None, 7),  # a product that the file no longer has
        ("gone, without values", None, None, 8),
        (None, None, None, 9),
    )
    found = find_stale_rows(products, rows)
    assert found.dtype == np.uint64
    assert found.tolist() == [2, 4, 6, 7]


def test_without_product_columns_no_row_is_stale() -> None:
    found = find_stale_rows(pa.table({"product_id": ["p"]}), reader(["product_id"], ("p", 1)))
    assert found.dtype == np.uint64
    assert found.tolist() == []


def test_small_fragments_are_merged_once_there_are_too_many() -> None:
    sizes = dict.fromkeys(range(MAX_SMALL), FULL_FRAGMENT - 1) | {90: FULL_FRAGMENT, 91: 10**6}
    assert find_small_fragments(sizes) == []
    assert find_small_fragments(sizes | {92: 1}) == [*range(MAX_SMALL), 92]
