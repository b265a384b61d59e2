"""Wrong values of product columns are refused by the audit, and wrong types by the commit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lookdex.catalog import promotion_log, runs, tables
from lookdex.catalog.json_codec import to_json
from lookdex.errors import AuditFailed, CorruptData, PlanNotFound
from lookdex.records import CheckResult, Release
from lookdex.release.audit import LISTED, PRODUCT_CHECKS, audit_release, compare_products, run_check
from lookdex.release.commits import difference
from lookdex.release.fragments import FragmentResult, FragmentTask, write_fragment, write_parquet
from lookdex.storage import Store
from tests.support import nights

VALUES = "items say of their product what the products file says"
TYPES = "product columns have the types of the products file"
NAN = float("nan")
SWATCH = pa.struct([("name", pa.string()), ("share", pa.float32())])
# Two different values of each type; a third product has no value.
COLUMNS: dict[pa.DataType, tuple[object, object]] = {
    pa.string(): ("NA", ""),
    pa.bool_(): (True, False),
    pa.int8(): (-1, 1),
    pa.int64(): (2**62, 2**62 + 1),
    pa.uint64(): (2**64 - 1, 2**64 - 2),
    pa.float32(): (NAN, 0.1),
    pa.float64(): (0.1, 0.1 + 2**-54),
    pa.decimal128(38, 2): (Decimal("9" * 36 + ".99"), Decimal("9" * 36 + ".98")),
    pa.date32(): (date(2026, 3, 1), date(1969, 12, 31)),
    pa.timestamp("ms"): (datetime(2026, 3, 1, 9), datetime(2026, 3, 1, 9, 0, 0, 1000)),
    pa.timestamp("us"): (datetime(2026, 3, 1, 9), datetime(2026, 3, 1, 9, 0, 0, 1)),
    pa.timestamp("us", "Asia/Seoul"): (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, 9, tzinfo=UTC)),
    pa.binary(): (b"\0", b""),
    pa.list_(pa.string()): (["S", None], ["S"]),
    pa.list_(pa.float64()): ([NAN, 1.0], [1.0, NAN]),
    SWATCH: ({"name": "red", "share": NAN}, {"name": "red", "share": 0.5}),
    pa.list_(SWATCH): ([{"name": "red", "share": NAN}], []),
}


def stock(**columns: pa.Array) -> pa.Table:
    count = len(next(iter(columns.values())))
    return pa.table({"product_id": [f"p{n:04d}" for n in range(count)], **columns})


def with_products(
    store: Store, products: pa.Table
) -> Callable[[list[FragmentTask]], Iterable[FragmentResult]]:
    """Tasks that take the product columns from this table instead of the plan's."""

    def run(tasks: list[FragmentTask]) -> Iterable[FragmentResult]:
        file = write_parquet(store, "wrong.parquet", products)
        return [write_fragment(replace(task, products=file)) for task in tasks]

    return run


def build(store: Store, products: pa.Table, written: pa.Table, **more: Any) -> Release:
    night = nights.index_night(store, "n1", nights.photos(len(written)), products=products, **more)
    return nights.build(store, night, run=with_products(store, written))


def check(release: Release, name: str) -> CheckResult:
    (found,) = [result for result in release.audit if result.name == name]
    return found


def test_equal_values_of_every_type_pass(store: Store) -> None:
    columns = {f"c{n}": pa.array([*pair, None], kind) for n, (kind, pair) in enumerate(COLUMNS.items())}
    release = nights.publish(store, "n1", nights.photos(3), products=stock(**columns))
    assert check(release, VALUES).detail == "3 products"
    assert check(release, TYPES).detail == f"{len(COLUMNS)} columns"
    assert check(release, LISTED).passed


@pytest.mark.parametrize("kind", COLUMNS, ids=str)
def test_wrong_values_of_every_type_are_found(kind: pa.DataType) -> None:
    """Another value, a missing value, and a value that should be missing."""
    right, other = COLUMNS[kind]
    products = stock(it=pa.array([right, other, None, right, None], kind))
    items = stock(it=pa.array([right, right, other, None, None], kind))
    items = items.append_column("item_id", items["product_id"]).append_column(
        "image_key", items["product_id"]
    )
    query = tables.sql_blocks(tables.sql_text(PRODUCT_CHECKS))[VALUES]
    with duckdb.connect() as connection:
        connection.register("items", items)
        compare_products(connection, products)
        found = run_check(connection, VALUES, query)
    assert {row["product_id"] for row in found.rows} == {"p0001", "p0002", "p0003"}


def test_candidate_with_wrong_values_is_refused(store: Store) -> None:
    right = [pa.array([*pair, None], kind) for kind, pair in COLUMNS.items()]
    products, written = (
        stock(**{f"c{n}": values.take(pa.array(order)) for n, values in enumerate(right)})
        for order in ([0, 1, 2], [0, 0, 2])
    )
    candidate = build(store, products, written)
    with pytest.raises(AuditFailed, match=VALUES) as caught:
        audit_release(store, candidate)
    assert [row["product_id"] for row in caught.value.offenders[VALUES]] == ["p0001", "p0001"]
    assert promotion_log.current(store) is None


def test_check_that_cannot_run_fails() -> None:
    with duckdb.connect() as connection:
        found = run_check(connection, "x", "SELECT * FROM nowhere")
    assert not found.result.passed
    assert "nowhere" in found.result.detail


def test_value_for_an_unlisted_product_is_refused(store: Store) -> None:
    prices = stock(price=pa.array([1.0, 2.0, 3.0]))
    candidate = build(store, prices.slice(0, 2), prices, keep_unlisted=True)
    with pytest.raises(AuditFailed) as caught:
        audit_release(store, candidate)
    assert set(caught.value.offenders) == {VALUES}
    assert {row["product_id"] for row in caught.value.offenders[VALUES]} == {"p0002"}


def test_unlisted_product_is_refused_unless_kept(store: Store) -> None:
    prices = stock(price=pa.array([1.0, 2.0, 3.0])).slice(0, 2)
    night = nights.index_night(store, "n1", nights.photos(3), products=prices, keep_unlisted=True)
    candidate = nights.build(store, night)
    with pytest.raises(AuditFailed) as caught:
        audit_release(store, replace(candidate, keep_unlisted=False))
    assert {(row["product_id"], row["found_in"]) for row in caught.value.offenders[LISTED]} == {
        ("p0002", "items"), ("p0002", "images")
    }  # fmt: skip
    assert check(audit_release(store, candidate), LISTED).detail.startswith("3 rows of other products")


def test_without_a_products_file_the_checks_are_skipped(store: Store) -> None:
    nights.publish(store, "n1", nights.photos(2), products=stock(price=pa.array([1.0, 2.0])))
    release = nights.publish(store, "n2", nights.photos(3))
    names = [TYPES, *tables.sql_blocks(tables.sql_text(PRODUCT_CHECKS))]
    assert len(names) == 3
    assert {check(release, name).detail for name in names} == {"not checked: a night without a products file"}


def test_candidate_without_its_products_file_is_refused(store: Store) -> None:
    products = stock(price=pa.array([1.0, 2.0]))
    candidate = nights.build(store, nights.index_night(store, "n1", nights.photos(2), products=products))
    with pytest.raises(AuditFailed, match=r"earlier lookdex.*build the night again"):
        audit_release(store, replace(candidate, products=None))


def test_products_file_of_ids_only_is_checked(store: Store) -> None:
    release = nights.publish(
        store, "n1", nights.photos(2), products=stock(x=pa.nulls(3)).select(["product_id"])
    )
    assert check(release, TYPES).detail == "0 columns"
    assert release.product_columns == ()


def test_unusual_column_name_is_checked(store: Store) -> None:
    name = 'it\'s "so" {much}'
    products = stock(**{name: pa.array(["a", "b"])})
    assert check(nights.publish(store, "n1", nights.photos(2), products=products), VALUES).passed


def test_damaged_products_file_is_refused(store: Store) -> None:
    night = nights.index_night(store, "n1", nights.photos(2), products=stock(price=pa.array([1.0, 2.0])))
    candidate = nights.build(store, night)
    assert candidate.products is not None
    store.put(candidate.products.key, b"other")
    with pytest.raises(CorruptData, match=r"products-.*SHA-256"):
        audit_release(store, candidate)


class TestCommits:
    """Fragments with another schema than the table's are not committed."""

    OTHER = (
        ("price is double in the table and float in the file", {"price": pa.array([1.0, 2.0], pa.float32())}),
        (r"price \(double\) is missing", {"cost": pa.array([1.0, 2.0])}),
        (
            r"when \(timestamp\[us\]\) is unexpected",
            {"price": pa.array([1.0, 2.0]), "when": pa.array([1, 2]).cast(pa.timestamp("us"))},
        ),
    )

    @pytest.mark.parametrize(("message", "columns"), OTHER)
    def test_wrong_schema_of_a_new_table(
        self, store: Store, message: str, columns: dict[str, pa.Array]
    ) -> None:
        with pytest.raises(CorruptData, match=rf"items\.lance/data/.*\.lance .*{message}"):
            build(store, stock(price=pa.array([1.0, 2.0])), stock(**columns))
        assert tables.open_newest(store, tables.ITEMS) is None

    def test_wrong_schema_of_an_existing_table(self, store: Store) -> None:
        """The task writes another schema than that of the live table."""
        prices = stock(price=pa.array([1.0, 2.0, 3.0]))
        nights.publish(store, "n1", nights.photos(2), products=prices)
        version = tables.open_table(store, tables.ITEMS).version
        night = nights.index_night(store, "n2", nights.photos(3), products=prices)
        narrow = prices.set_column(1, "price", pc.cast(prices["price"], pa.float32()))

        def run(tasks: list[FragmentTask]) -> Iterable[FragmentResult]:
            file = write_parquet(store, "wrong.parquet", narrow)
            return [write_fragment(replace(task, products=file, version=None)) for task in tasks]

        with pytest.raises(CorruptData, match="price is double in the table and float in the file"):
            nights.build(store, night, run=run)
        newest = tables.open_table(store, tables.ITEMS).to_table()
        assert newest.equals(tables.open_table(store, tables.ITEMS, version).to_table())

    def test_difference_names_the_column_or_the_order(self) -> None:
        both = pa.schema([("a", pa.int64()), ("b", pa.string())])
        assert difference(both, both) == ""
        assert difference(both, pa.schema([both.field("b"), both.field("a")])) == "they are in another order"


def test_plan_of_an_older_version_must_be_planned_again(store: Store) -> None:
    """It lacks products or thresholds. Finished shards keep their ids and are not repeated."""
    products = stock(price=pa.array([1.0, 2.0]))
    night = nights.index_night(store, "n1", nights.photos(2), products=products)
    old = replace(night.plan, products=None, format=1)
    store.put("runs/n1/plan-0.json", to_json(old))
    with pytest.raises(PlanNotFound, match=r"earlier lookdex.*`lookdex plan --run-id n1`"):
        runs.load_plan(store, "n1")
    assert runs.save_plan(store, night.table, old, products) == night.plan == runs.load_plan(store, "n1")
    again = runs.save_plan(store, night.table, old, products.slice(1))
    assert again == night.plan, "a plan is stored once"
