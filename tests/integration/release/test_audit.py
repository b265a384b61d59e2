"""Each check finds the fault that it is there for, and a candidate with a fault never becomes a release."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

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
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "catalog"))


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


def whole(items: pa.Table, scope: str) -> int:
    return items["scope"].to_pylist().index(scope)


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
        with_value(items, "score", whole(items, "object"), 1.5),
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
        with_value(items, "scope", whole(items, "image"), "object"),
        images,
    ),
    "a photo with items knows its size, bytes and recipe": lambda items, images: (
        items,
        with_value(images, "recipe", images["items"].to_pylist().index(2), None),
    ),
}


def test_a_clean_candidate_breaks_nothing(clean: tuple[pa.Table, pa.Table]) -> None:
    assert broken_by(*clean) == set()


@pytest.mark.parametrize("name", FAULTS)
def test_each_sql_check_finds_its_fault(name: str, clean: tuple[pa.Table, pa.Table]) -> None:
    assert name in broken_by(*FAULTS[name](*clean))


def test_every_sql_check_has_a_fault_that_it_finds() -> None:
    assert set(FAULTS) == set(checks())


def test_the_closed_sets_in_sql_are_those_of_the_records() -> None:
    query = checks()["every photo has an outcome, and a reason where it failed"]
    for name in (*Status, *Reason):
        assert f"'{name}'" in query


@pytest.mark.parametrize("length", [0.9, 1.1, float("inf")])
def test_vectors_of_another_length_are_found(length: float, clean: tuple[pa.Table, pa.Table]) -> None:
    items, images = clean
    vector = np.zeros(nights.DIM)
    vector[0] = length
    assert broken_by(with_value(items, "vector", 1, vector.tolist()), images) == {
        "vectors are finite and of unit length"
    }


def test_offenders_may_hold_times(clean: tuple[pa.Table, pa.Table]) -> None:
    with duckdb.connect() as connection:
        connection.register("images", clean[1])
        found = run_check(connection, "times", "SELECT image_key, indexed_at FROM images")
    assert found.result.offenders == len(found.rows) == len(SOURCE)
    assert found.rows[0]["indexed_at"].year > 2000


def test_a_passed_candidate_becomes_a_release(store: Store, candidate: Release) -> None:
    asked = []
    release = audit_release(store, candidate, lambda release: asked.append(release) or "3 products")
    assert asked == [candidate]
    assert promotion_log.load_release(store, "n1") == release
    assert all(check.passed for check in release.audit)
    assert {"a query is answered", *FAULTS} <= {check.name for check in release.audit}
    # Again: what is stored, without further checks.
    assert audit_release(store, candidate, lambda _: pytest.fail("asked twice")) == release


def test_a_failed_smoke_query_refuses(store: Store, candidate: Release) -> None:
    def smoke(_: Release) -> None:
        raise ValueError("no answer")

    with pytest.raises(
        AuditFailed, match=r"(?s)is unchanged.*a query is answered.*ValueError: no answer"
    ) as caught:
        audit_release(store, candidate, smoke)
    assert caught.value.exit_code == 3
    assert b'"a query is answered"' in store.get("runs/n1/audit-0.json")
    with pytest.raises(ReleaseNotFound):
        promote(store, "n1")


def test_offending_rows_are_carried(store: Store) -> None:
    night = nights.index_night(store, "n1", [Photo("a.jpg"), replace(Photo("b.jpg"), labels=("top",) * 30)])
    candidate = nights.build(store, night)
    with pytest.raises(AuditFailed, match="boxes lie inside their photo: 23 offending") as caught:
        audit_release(store, candidate)
    rows = caught.value.offenders["boxes lie inside their photo"]
    assert len(rows) == 20
    assert rows[0]["image_key"] == "b.jpg"


@pytest.mark.parametrize("table", [tables.ITEMS, tables.IMAGES])
def test_one_flipped_bit_in_a_data_file_is_found(store: Store, candidate: Release, table: str) -> None:
    key = next(listed.key for listed in store.list(f"{table}/data/"))
    data = bytearray(store.get(key))
    data[len(data) // 3] ^= 4
    store.put(key, bytes(data))
    with pytest.raises(AuditFailed, match="files have the bytes that were written: 1 offending") as caught:
        audit_release(store, candidate)
    assert list(caught.value.offenders) == ["files have the bytes that were written"]


def test_older_files_are_read_again_too(store: Store) -> None:
    first = nights.publish(store, "n1", nights.photos(4))
    key = next(listed.key for listed in store.list(f"{tables.ITEMS}/data/"))
    second = nights.build(store, nights.index_night(store, "n2", nights.photos(5)))
    store.put(key, store.get(key)[:-1] + b"x")
    with pytest.raises(AuditFailed, match="bytes that were written"):
        audit_release(store, second)
    assert promotion_log.current(store).release_id == first.release_id


class TestLostPhotos:
    def night(self, store: Store, count: int = 60, **change: object) -> Release:
        nights.publish(store, "n1", nights.photos(count), shard_images=60)
        source = [
            replace(p, etag="2", **change) if i < count // 5 else p
            for i, p in enumerate(nights.photos(count))
        ]
        return nights.build(store, nights.index_night(store, "n2", source))

    @pytest.mark.parametrize("change", [{"labels": ()}, {"reason": Reason.CORRUPT}])
    def test_too_many_stop_the_release(self, store: Store, change: dict) -> None:
        candidate = self.night(store, **change)
        with pytest.raises(AuditFailed, match=r"12 of 60 photos.*20\.0%.*more than 10%.*--allow-mass-change"):
            audit_release(store, candidate)
        assert audit_release(store, candidate, allow_mass_change=True).release_id == "n2"

    def test_the_share_is_the_callers(self, store: Store) -> None:
        assert audit_release(store, self.night(store, labels=()), max_lost=0.2).release_id == "n2"

    def test_a_handful_of_photos_is_not_judged(self, store: Store) -> None:
        audit_release(store, self.night(store, count=20, labels=()))

    def test_failed_photos_keep_their_objects(self, store: Store) -> None:
        audit_release(store, self.night(store, reason=Reason.UNAVAILABLE))
