"""Each audit check finds its fault, and a candidate with a fault does not become a release."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from lookdex.catalog import promotion_log, tables
from lookdex.errors import AuditFailed, ReleaseNotFound
from lookdex.records import Reason, Release, Status
from lookdex.release.audit import CHECK_FILES, audit_release, run_check
from lookdex.release.promote import promote
from lookdex.storage import Store, open_store
from tests.support import nights
from tests.support.nights import Photo

SOURCE = [*nights.photos(3), Photo("plain.jpg", labels=()), Photo("bad.jpg", reason=Reason.CORRUPT)]


@pytest.fixture
def candidate(store: Store) -> Release:
    return nights.build(store, nights.index_night(store, "n1", SOURCE))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[pa.Table, pa.Table]:
    store = open_store(str(tmp_path_factory.mktemp("catalog")))
    opened = tables.open_tables(store, nights.build(store, nights.index_night(store, "n1", SOURCE)))
    return opened.items.to_table(), opened.images.to_table()


def checks() -> dict[str, str]:
    return {
        name: query
        for file in CHECK_FILES
        for name, query in tables.sql_blocks(tables.sql_text(file)).items()
    }


def broken_by(items: pa.Table, images: pa.Table) -> set[str]:
    with duckdb.connect() as connection:
        connection.register("items", items)
        connection.register("images", images)
        return {
            name for name, query in checks().items() if not run_check(connection, name, query).result.passed
        }


def with_value(table: pa.Table, column: str, where: int, value: object) -> pa.Table:
    values = table[column].to_pylist()
    values[where] = value
    field = table.schema.field(column)
    return table.set_column(table.column_names.index(column), field, pa.array(values, field.type))


def first_of(items: pa.Table, scope: str) -> int:
    index: int = items["scope"].to_pylist().index(scope)
    return index


FAULTS: dict[str, Callable[[pa.Table, pa.Table], tuple[pa.Table, pa.Table]]] = {
    "item_id is unique": lambda items, images: (
        with_value(items, "item_id", 0, items["item_id"][1].as_py()),
        images,
    ),
    "vectors are finite and of unit length": lambda items, images: (
        with_value(items, "vector", 0, [float("nan")] * nights.DIM),
        images,
    ),
    "boxes lie inside their photo": lambda items, images: (
        with_value(items, "x1", 0, nights.SIDE + 1),
        images,
    ),
    "every item has its photo": lambda items, images: (items, images.slice(0, images.num_rows - 1)),
    "items are of the photo's present bytes": lambda items, images: (
        with_value(items, "content_hash", 0, "of another file"),
        images,
    ),
    "scopes, roles and scores are in their range": lambda items, images: (
        with_value(items, "score", first_of(items, "object"), 1.5),
        images,
    ),
    "an item's product is one of its photo's": lambda items, images: (
        with_value(items, "product_id", 0, "someone else's"),
        images,
    ),
    "image_key is unique": lambda items, images: (items, pa.concat_tables([images, images.slice(0, 1)])),
    "every photo has an outcome, and a reason where it failed": lambda items, images: (
        items,
        with_value(images, "reason", images["status"].to_pylist().index("rejected"), None),
    ),
    "the ledger counts the items of each photo": lambda items, images: (items.slice(1), images),
    "every decoded photo has one row for the whole photo": lambda items, images: (
        with_value(items, "scope", first_of(items, "image"), "object"),
        images,
    ),
    "a photo with items knows its size, bytes and recipe": lambda items, images: (
        items,
        with_value(images, "recipe", images["items"].to_pylist().index(2), None),
    ),
}


def test_clean_candidate_passes_all_checks(clean: tuple[pa.Table, pa.Table]) -> None:
    assert broken_by(*clean) == set()


@pytest.mark.parametrize("name", FAULTS)
def test_each_sql_check_finds_its_fault_in_the_rows(name: str, clean: tuple[pa.Table, pa.Table]) -> None:
    assert name in broken_by(*FAULTS[name](*clean))


def test_every_sql_check_is_tested() -> None:
    assert set(FAULTS) == set(checks())


def test_sql_check_knows_every_status_and_reason() -> None:
    query = checks()["every photo has an outcome, and a reason where it failed"]
    for status in Status:
        assert f"'{status}'" in query
    listed = [set(re.findall(r"'(\w+)'", line)) for line in query.splitlines() if " IN (" in line]
    assert set().union(*listed) - {Status.REJECTED, Status.FAILED} == set(Reason)


@pytest.mark.parametrize("length", [0.9, 1.1, float("inf")])
def test_vectors_of_another_length_are_found(length: float, clean: tuple[pa.Table, pa.Table]) -> None:
    items, images = clean
    vector = np.zeros(nights.DIM)
    vector[0] = length
    assert broken_by(with_value(items, "vector", 1, vector.tolist()), images) == {
        "vectors are finite and of unit length"
    }


def test_offending_rows_may_contain_times(clean: tuple[pa.Table, pa.Table]) -> None:
    with duckdb.connect() as connection:
        connection.register("images", clean[1])
        found = run_check(connection, "times", "SELECT image_key, indexed_at FROM images")
    assert found.result.offenders == len(found.rows) == len(SOURCE)
    assert isinstance(indexed_at := found.rows[0]["indexed_at"], datetime)
    assert indexed_at.year > 2000


def test_candidate_that_passes_becomes_a_release(store: Store, candidate: Release) -> None:
    queried: list[Release] = []

    def smoke(release: Release) -> str:
        queried.append(release)
        return "3 products"

    release = audit_release(store, candidate, smoke)
    assert queried == [candidate]
    assert promotion_log.load_release(store, "n1") == release
    assert all(check.passed for check in release.audit)
    assert {"a query is answered", *FAULTS} <= {check.name for check in release.audit}
    # The second time, the stored release is returned without further checks.
    assert audit_release(store, candidate, lambda _: pytest.fail("queried twice")) == release


def test_failed_smoke_query_refuses_the_candidate(store: Store, candidate: Release) -> None:
    def smoke(_: Release) -> str:
        raise ValueError("no answer")

    with pytest.raises(
        AuditFailed, match=r"(?s)is unchanged.*a query is answered.*ValueError: no answer"
    ) as caught:
        audit_release(store, candidate, smoke)
    assert caught.value.exit_code == 3
    assert b'"a query is answered"' in store.get("runs/n1/audit-0.json")
    with pytest.raises(ReleaseNotFound):
        promote(store, "n1")


def test_error_has_the_first_offending_rows(store: Store) -> None:
    night = nights.index_night(store, "n1", [Photo("a.jpg"), replace(Photo("b.jpg"), labels=("top",) * 30)])
    candidate = nights.build(store, night)
    with pytest.raises(AuditFailed, match="boxes lie inside their photo: 23 offending") as caught:
        audit_release(store, candidate)
    rows = caught.value.offenders["boxes lie inside their photo"]
    assert len(rows) == 20
    assert rows[0]["image_key"] == "b.jpg"


@pytest.mark.parametrize("table", [tables.ITEMS, tables.IMAGES])
def test_flipped_bit_in_a_data_file_is_found(store: Store, candidate: Release, table: str) -> None:
    key = next(listed.key for listed in store.list(f"{table}/data/"))
    data = bytearray(store.get(key))
    data[len(data) // 3] ^= 4
    store.put(key, bytes(data))
    with pytest.raises(AuditFailed, match="files have the bytes that were written: 1 offending") as caught:
        audit_release(store, candidate)
    assert list(caught.value.offenders) == ["files have the bytes that were written"]


class TestLostPhotos:
    def candidate(self, store: Store, count: int = 60, **change: Any) -> Release:
        nights.publish(store, "n1", nights.photos(count), shard_images=60)
        source = [
            replace(p, etag="2", **change) if i < count // 5 else p
            for i, p in enumerate(nights.photos(count))
        ]
        return nights.build(store, nights.index_night(store, "n2", source))

    @pytest.mark.parametrize("change", [{"labels": ()}, {"reason": Reason.CORRUPT}])
    def test_many_lost_photos_refuse_the_release(self, store: Store, change: dict[str, Any]) -> None:
        candidate = self.candidate(store, **change)
        with pytest.raises(AuditFailed, match=r"12 of 60 photos.*20\.0%.*more than 10%.*--allow-mass-change"):
            audit_release(store, candidate)
        assert audit_release(store, candidate, allow_mass_change=True).release_id == "n2"

    def test_caller_sets_the_allowed_share(self, store: Store) -> None:
        assert audit_release(store, self.candidate(store, labels=()), max_lost=0.2).release_id == "n2"

    def test_losses_among_few_photos_are_allowed(self, store: Store) -> None:
        audit_release(store, self.candidate(store, count=20, labels=()))

    def test_failed_photos_are_not_lost(self, store: Store) -> None:
        audit_release(store, self.candidate(store, reason=Reason.UNAVAILABLE))
