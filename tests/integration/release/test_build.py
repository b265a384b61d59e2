"""Building a candidate from the shards of a run: correct rows, even if the build is repeated."""

from __future__ import annotations

import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lookdex.catalog import promotion_log, tables
from lookdex.catalog.schemas import items_schema
from lookdex.errors import (
    CorruptData,
    EmptyBuild,
    ForeignTransaction,
    MassChange,
    PromotionConflict,
    ShardsMissing,
)
from lookdex.records import Change, Reason, Release, Scope, Status
from lookdex.release import commits, row_changes
from lookdex.release.audit import audit_release
from lookdex.release.build import build_release
from lookdex.release.candidates import candidate_key, load_candidate
from lookdex.release.fragments import FragmentResult, FragmentTask, write_fragment
from lookdex.release.promote import promote
from lookdex.storage import Store, open_store
from lookdex.storage.folder import FolderStore
from tests.support import nights
from tests.support.catalogs import live
from tests.support.nights import Photo
from tests.support.servers import S3Server


def expected_ids(source: list[Photo]) -> list[str]:
    return sorted(str(row["item_id"]) for photo in source for row in nights.item_rows(photo, "", nights.DIM))


def ids(store: Store, release: Release) -> list[str]:
    found: list[str] = nights.item_table(store, release)["item_id"].to_pylist()
    return found


def ledger_row(store: Store, release: Release, key: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = tables.read_ledger(store, release).to_pylist()
    (found,) = [row for row in rows if row["image_key"] == key]
    return found


def test_first_build_has_the_rows_of_all_photos(store: Store) -> None:
    source = [*nights.photos(5), Photo("plain.jpg", labels=()), Photo("bad.jpg", reason=Reason.CORRUPT)]
    release = nights.build(store, nights.index_night(store, "n1", source))
    assert (release.parent, release.items, release.dim) == (None, 11, nights.DIM)
    assert release.images == {"indexed": 5, "no_object": 1, "rejected": 1}
    assert ids(store, release) == expected_ids(source)
    assert promotion_log.current(store) is None


def test_second_build_replaces_only_changed_photos(store: Store) -> None:
    first = nights.publish(store, "n1", nights.photos(8))
    source = nights.photos(8)[1:]
    source[0] = replace(source[0], etag="2", labels=("bag", "hat"))
    source.append(Photo("new.jpg"))
    night = nights.index_night(store, "n2", source)
    second = nights.build(store, night)
    assert night.plan.changes["changed"] == night.plan.changes["new"] == night.plan.changes["deleted"] == 1
    assert ids(store, second) == expected_ids(source)
    untouched = tables.open_tables(store, second).items.to_table(filter="image_key = 'p0005/a.jpg'")
    assert set(untouched["run_id"].to_pylist()) == {"n1"}
    # Readers still follow the first night.
    assert live(store).release_id == "n1"
    assert ids(store, first) == expected_ids(nights.photos(8))


def test_first_seen_is_kept_for_changed_photos(store: Store) -> None:
    first = nights.publish(store, "n1", nights.photos(2))
    source = [replace(photo, etag="2") for photo in nights.photos(2)]
    second = nights.build(store, nights.index_night(store, "n2", source))
    before, after = ledger_row(store, first, "p0000/a.jpg"), ledger_row(store, second, "p0000/a.jpg")
    assert after["first_seen"] == before["first_seen"]
    assert after["indexed_at"] > before["indexed_at"]


def test_failed_photo_keeps_its_items_and_is_retried(store: Store) -> None:
    nights.publish(store, "n1", nights.photos(3))
    source = nights.photos(3)
    source[0] = replace(source[0], etag="2", reason=Reason.UNAVAILABLE)
    source.append(Photo("never.jpg", reason=Reason.GONE))
    second = nights.publish(store, "n2", source)
    kept = ledger_row(store, second, "p0000/a.jpg")
    assert (kept["status"], kept["reason"], kept["etag"], kept["items"]) == ("failed", "unavailable", "1", 2)
    assert ledger_row(store, second, "never.jpg")["items"] == 0
    assert ids(store, second) == expected_ids(nights.photos(3))

    source = [replace(photo, reason=None) for photo in source]
    night = nights.index_night(store, "n3", source)
    assert night.plan.planned == 2
    third = nights.publish(store, "n3", source)
    assert third.images == {"indexed": 4}
    assert ids(store, third) == expected_ids(source)


def test_rejected_photo_loses_its_items(store: Store) -> None:
    nights.publish(store, "n1", nights.photos(3))
    source = nights.photos(3)
    source[0] = replace(source[0], etag="2", reason=Reason.CORRUPT)
    second = nights.build(store, nights.index_night(store, "n2", source))
    assert second.images == {"indexed": 2, "rejected": 1}
    assert ids(store, second) == expected_ids(source[1:])


def test_repeated_build_returns_the_same_candidate(store: Store) -> None:
    nights.publish(store, "n1", nights.photos(4))
    source = [*nights.photos(3), Photo("new.jpg")]
    night = nights.index_night(store, "n2", source)
    once = nights.build(store, night)
    again = nights.build(store, night, run=lambda tasks: pytest.fail("nothing to write"))
    assert again == once == load_candidate(store, night.plan)

    store.delete(candidate_key(night.plan))
    rebuilt = nights.build(store, night)
    assert rebuilt.items_version > once.items_version
    assert nights.item_table(store, rebuilt).equals(nights.item_table(store, once))
    assert tables.read_ledger(store, rebuilt).num_rows == tables.read_ledger(store, once).num_rows == 4


class Dying(FolderStore):
    """A store whose process dies when it writes a candidate, after both tables were committed."""

    def put(self, key: str, data: bytes) -> None:
        if "candidate" in key:
            raise SystemExit("killed")
        super().put(key, data)


def test_build_that_died_after_its_commits_is_repeated(store: Store) -> None:
    nights.publish(store, "n1", nights.photos(4))
    source = [*nights.photos(4), Photo("new.jpg")]
    night = nights.index_night(store, "n2", source)
    with pytest.raises(SystemExit):
        nights.build(Dying(Path(store.uri)), night)
    release = nights.build(store, night)
    assert ids(store, release) == expected_ids(source)
    assert release.images == {"indexed": 5}


def test_first_build_that_died_is_repeated(store: Store) -> None:
    night = nights.index_night(store, "n1", nights.photos(4))
    with pytest.raises(SystemExit):
        nights.build(Dying(Path(store.uri)), night)
    assert ids(store, nights.build(store, night)) == expected_ids(nights.photos(4))


def test_empty_plan_returns_the_live_release(store: Store) -> None:
    first = nights.publish(store, "n1", nights.photos(2))
    night = nights.index_night(store, "n2", nights.photos(2))
    assert night.plan.empty
    assert nights.build(store, night).release_id == first.release_id
    assert audit_release(store, nights.build(store, night)).release_id == first.release_id


def test_missing_shards_are_reported(store: Store) -> None:
    night = nights.index_night(store, "n1", nights.photos(9))
    missing = min(night.reports)
    del night.reports[missing]
    with pytest.raises(ShardsMissing, match=rf"1 of the 3 shards.*{missing}.*lookdex index"):
        nights.build(store, night)


@pytest.mark.parametrize("part", ["objects", "images"])
def test_damaged_shard_file_stops_the_build(store: Store, part: str) -> None:
    night = nights.index_night(store, "n1", nights.photos(3))
    file = getattr(next(iter(night.reports.values())), part)
    data = bytearray(store.get(file.key))
    data[len(data) // 2] ^= 1
    store.put(file.key, bytes(data))
    with pytest.raises(CorruptData, match="SHA-256"):
        nights.build(store, night)
    assert promotion_log.current(store) is None


def test_planned_photo_without_an_outcome_stops_the_build(store: Store) -> None:
    night = nights.index_night(store, "n1", nights.photos(3))
    extra = nights.plan_row(Photo("lost.jpg"), min(night.reports), Change.NEW)
    table = pa.concat_tables([night.table, pa.Table.from_pylist([extra], night.table.schema)])
    with pytest.raises(CorruptData, match=r"lost\.jpg.*planned 1, found 0"):
        build_release(store, night.plan, table, night.reports, nights.in_a_loop)


def test_release_without_rows_is_an_error(store: Store) -> None:
    with pytest.raises(EmptyBuild):
        nights.build(store, nights.index_night(store, "n1", [Photo("bad.jpg", reason=Reason.CORRUPT)]))
    nights.publish(store, "n1", nights.photos(2))
    with pytest.raises(EmptyBuild):
        nights.build(store, nights.index_night(store, "n2", []))


def test_plan_for_another_live_release_is_refused(store: Store) -> None:
    nights.publish(store, "n1", nights.photos(2))
    night = nights.index_night(store, "n2", nights.photos(3))
    nights.publish(store, "n3", nights.photos(4))
    with pytest.raises(PromotionConflict, match="Plan the night again"):
        nights.build(store, night)


def test_run_planned_again_gets_a_new_release_id(store: Store) -> None:
    nights.publish(store, "n1", nights.photos(2))
    nights.publish(store, "n2", nights.photos(3))
    release = nights.build(store, nights.index_night(store, "n2", nights.photos(4)))
    assert release.release_id == "n2-2"
    assert audit_release(store, release).release_id == "n2-2"


class TestForeignTransactions:
    @pytest.fixture
    def night(self, store: Store) -> nights.Night:
        nights.publish(store, "n1", nights.photos(3))
        return nights.index_night(store, "n2", nights.photos(5))

    @staticmethod
    def append(store: Store) -> None:
        table = tables.open_table(store, tables.ITEMS)
        lance.write_dataset(table.to_table().slice(0, 1), table.uri, mode="append")

    def test_rows_appended_before_the_build_are_discarded(self, store: Store, night: nights.Night) -> None:
        self.append(store)
        release = nights.build(store, night)
        assert ids(store, release) == expected_ids(nights.photos(5))

    def test_rows_appended_while_tasks_run_are_discarded(self, store: Store, night: nights.Night) -> None:
        def meddle(tasks: list[FragmentTask]) -> list[FragmentResult]:
            results = [write_fragment(task) for task in tasks]
            self.append(store)
            return results

        # The first commit of the build restores the released version, without the foreign rows.
        assert ids(store, nights.build(store, night, run=meddle)) == expected_ids(nights.photos(5))

    def test_commit_after_the_restored_version_is_refused(self, store: Store, night: nights.Night) -> None:
        released = promotion_log.load_release(store, "n1")
        base = commits.start_from(store, tables.ITEMS, released.items_version, "n2")
        self.append(store)
        empty = pa.array([0], pa.uint64()).to_numpy()
        with pytest.raises(ForeignTransaction, match=r"items\.lance during the run n2"):
            commits.update(store, tables.ITEMS, base, empty, [], "n2")

    def test_commit_between_those_of_the_build_is_refused(self, store: Store, night: nights.Night) -> None:
        release = nights.build(store, night)
        self.append(store)
        before = promotion_log.load_release(store, "n1")
        with pytest.raises(ForeignTransaction, match="another program"):
            commits.check_chain(store, tables.ITEMS, before.items_version, release.items_version + 1, "n2")
        with pytest.raises(ForeignTransaction, match="written by n2"):
            commits.check_chain(store, tables.ITEMS, before.items_version, release.items_version, "n9")


class TestProducts:
    def stock(self, count: int, price: float = 10.0, **more: object) -> pa.Table:
        rows = [
            {"product_id": f"p{i:04d}", "title": f"Title {i}", "price": price + i, **more}
            for i in range(count)
        ]
        return pa.Table.from_pylist(rows)

    def values(self, store: Store, release: Release) -> dict[str | None, tuple[str | None, float | None]]:
        table = tables.open_tables(store, release).items.to_table(filter=f"scope = '{Scope.OBJECT}'")
        return {row["product_id"]: (row["title"], row["price"]) for row in table.to_pylist()}

    def test_columns_are_joined_by_product(self, store: Store) -> None:
        source = [*nights.photos(3), Photo("x.jpg")]
        release = nights.publish(store, "n1", source, products=self.stock(2), keep_unlisted=True)
        assert release.product_columns == ("title", "price")
        found = self.values(store, release)
        assert found["p0001"] == ("Title 1", 11.0)
        assert found["p0002"] == found[None] == (None, None)

    def test_changed_price_updates_the_rows_without_indexing(self, store: Store) -> None:
        first = nights.publish(store, "n1", nights.photos(4), products=self.stock(4))
        stock = self.stock(4).to_pylist()
        stock[1]["price"] = 99.0
        night = nights.index_night(store, "n2", nights.photos(4), products=pa.Table.from_pylist(stock))
        assert not night.reports
        second = nights.build(store, night)
        found = self.values(store, second)
        assert found["p0000"] == ("Title 0", 10.0)
        assert found["p0001"] == ("Title 1", 99.0)
        same = nights.item_table(store, second).drop_columns(["title", "price"])
        assert same.equals(nights.item_table(store, first).drop_columns(["title", "price"]))
        assert second.images_version == first.images_version
        audit_release(store, second)

    @pytest.mark.parametrize("kept", [False, True])
    def test_unlisted_product_is_removed_unless_kept(self, store: Store, kept: bool) -> None:
        source = [*nights.photos(4), Photo("x.jpg")]
        first = nights.publish(store, "n1", source, products=self.stock(4))
        night = nights.index_night(store, "n2", source, products=self.stock(3), keep_unlisted=kept)
        assert not night.reports
        second = nights.build(store, night)
        found = self.values(store, second)
        assert found.pop("p0003", None) == ((None, None) if kept else None)
        assert set(found) == {"p0000", "p0001", "p0002", None}
        assert second.images == {"indexed": 5 if kept else 4}
        assert f'"vanished": {2 if kept else 0}'.encode() in store.get("runs/n2/build-1.json")
        assert ids(store, first) == expected_ids(source)
        audit_release(store, second, allow_mass_change=True)

    def test_failed_photo_does_not_keep_an_unlisted_product(self, store: Store) -> None:
        """The photo now shows another product, so it is planned; its old rows belong to the unlisted one."""
        nights.publish(store, "n1", nights.photos(3), products=self.stock(3))
        source = nights.photos(3)
        source[0] = replace(source[0], etag="2", product="p0001", reason=Reason.UNAVAILABLE)
        stock = self.stock(3).slice(1)
        second = nights.publish(store, "n2", source, products=stock, keep_unlisted=False)
        assert set(self.values(store, second)) == {"p0001", "p0002"}
        failed = ledger_row(store, second, "p0000/a.jpg")
        assert (failed["status"], failed["items"], failed["product_ids"]) == ("failed", 0, ["p0001"])

        source[0] = replace(source[0], reason=None)
        third = nights.publish(store, "n3", source, products=stock)
        assert ids(store, third) == expected_ids(source)

    def test_products_without_photos_change_no_rows(self, store: Store) -> None:
        first = nights.publish(store, "n1", nights.photos(2), products=self.stock(2))
        night = nights.index_night(store, "n2", nights.photos(2), products=self.stock(5))
        second = nights.build(store, night)
        assert (second.release_id, second.items_version) == ("n2", first.items_version)

    @settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(st.dictionaries(st.integers(0, 4), st.integers(0, 2), min_size=1), min_size=2, max_size=3)
    )
    def test_any_sequence_of_products_files_gives_the_rows_of_the_last(
        self, tmp_path_factory: pytest.TempPathFactory, files: list[dict[int, int]]
    ) -> None:
        """files: for each night, product → price."""
        source = [*nights.photos(5), Photo("x.jpg")]
        several, once = (open_store(str(tmp_path_factory.mktemp("catalog"))) for _ in range(2))
        for number, prices in enumerate(files):
            rows = [{"product_id": f"p{n:04d}", "price": float(price)} for n, price in prices.items()]
            stock = pa.Table.from_pylist(rows)
            night = nights.index_night(several, f"n{number}", source, products=stock)
            release = audit_release(several, nights.build(several, night), allow_mass_change=True)
            promote(several, release.release_id)
        full = nights.publish(once, "n1", source, products=stock)
        assert nights.item_table(several, release).equals(nights.item_table(once, full))
        ledgers = [
            tables.read_ledger(store, published).select(["image_key", "product_ids", "status", "items"])
            for store, published in ((several, release), (once, full))
        ]
        assert ledgers[0].sort_by("image_key").equals(ledgers[1].sort_by("image_key"))

    def test_another_set_of_columns_rewrites_the_rows(self, store: Store) -> None:
        first = nights.publish(store, "n1", nights.photos(4), products=self.stock(4))
        source = [*nights.photos(3), Photo("new.jpg", product="p0003")]
        stock = self.stock(4, url="http://shop").select(["product_id", "url"])
        second = nights.build(store, nights.index_night(store, "n2", source, products=stock))
        assert second.product_columns == ("url",)
        assert ids(store, second) == expected_ids(source)
        assert set(nights.item_table(store, second)["url"].to_pylist()) == {"http://shop"}
        assert nights.item_table(store, first)["price"].null_count == 0
        audit_release(store, second, allow_mass_change=True)

    def test_products_file_is_copied_and_a_damaged_copy_is_refused(self, store: Store) -> None:
        night = nights.index_night(store, "n1", nights.photos(3), products=self.stock(3))
        assert night.plan.products is not None
        assert re.fullmatch(r"runs/n1/products-[0-9a-f]{12}\.parquet", night.plan.products.key)
        store.put(night.plan.products.key, store.get(night.plan.products.key)[:-1] + b"x")
        with pytest.raises(CorruptData, match="SHA-256"):
            nights.build(store, night)

    @pytest.mark.parametrize("shop_column", [False, True])
    def test_rows_of_versions_without_palettes_are_kept(self, store: Store, shop_column: bool) -> None:
        """A photo that fails in the first night with palettes keeps its rows, without a palette."""
        first = nights.publish(store, "n1", nights.photos(3))
        items = tables.open_tables(store, first).items
        items.drop_columns(["palette"])
        if shop_column:
            items.add_columns({"palette": "'warm'"})
        older = replace(first, release_id="older", items_version=items.version)
        promotion_log.save_release(store, older)
        promotion_log.append(
            store, release_id="older", action="promote", expected=promotion_log.current(store)
        )

        source = nights.photos(3)
        source[0] = replace(source[0], etag="2", reason=Reason.UNAVAILABLE)
        second = nights.build(
            store, nights.index_night(store, "n2", source, recipe=replace(nights.RECIPE, format=99))
        )
        assert ids(store, second) == expected_ids(nights.photos(3))
        assert tables.open_tables(store, second).items.schema.names == items_schema(nights.DIM).names

    def test_without_a_products_file_the_product_columns_are_kept(self, store: Store) -> None:
        nights.publish(store, "n1", nights.photos(2), products=self.stock(2))
        second = nights.build(store, nights.index_night(store, "n2", nights.photos(3)))
        assert self.values(store, second)["p0001"] == ("Title 1", 11.0)
        assert self.values(store, second)["p0002"] == (None, None)


class TestNewVectorSpace:
    recipe = replace(nights.RECIPE, embedder="other", embedder_digest="f")

    def test_table_is_overwritten_and_the_old_release_stays_readable(self, store: Store) -> None:
        first = nights.publish(store, "n1", nights.photos(4))
        second = nights.publish(store, "n2", nights.photos(4), recipe=self.recipe, dim=8)
        assert (second.dim, second.items) == (8, first.items)
        assert ids(store, second) == ids(store, first)
        assert tables.open_tables(store, first).items.schema.field("vector").type.list_size == nights.DIM
        # A further night with the first recipe.
        third = nights.publish(store, "n3", nights.photos(5))
        assert (third.dim, third.items) == (nights.DIM, 10)

    def test_failed_photo_loses_its_items(self, store: Store) -> None:
        nights.publish(store, "n1", nights.photos(4))
        source = nights.photos(4)
        source[0] = replace(source[0], reason=Reason.UNAVAILABLE)
        second = nights.build(store, nights.index_night(store, "n2", source, recipe=self.recipe))
        failed = ledger_row(store, second, "p0000/a.jpg")
        assert (failed["status"], failed["items"]) == (Status.FAILED, 0)
        audit_release(store, second, allow_mass_change=True)

    def test_plan_of_some_photos_only_is_refused(self, store: Store) -> None:
        nights.publish(store, "n1", nights.photos(4))
        night = nights.index_night(store, "n2", nights.photos(4), recipe=self.recipe, shard_images=2)
        half = sorted(night.reports)[:1]
        table = night.table.filter(pc.is_in(night.table["shard_id"], pa.array(half)))
        reports = {shard: night.reports[shard] for shard in half}
        with pytest.raises(MassChange, match="leaves out 2"):
            build_release(store, night.plan, table, reports, nights.in_a_loop)


def test_small_fragments_are_merged(store: Store) -> None:
    for number in range(1, row_changes.MAX_SMALL + 3):
        release = nights.build(store, nights.index_night(store, f"n{number}", nights.photos(number)))
        promote(store, promotion_log.save_release(store, release).release_id)
        opened = tables.open_tables(store, release)
        assert max(len(table.get_fragments()) for table in opened) <= row_changes.MAX_SMALL + 1
    assert ids(store, release) == expected_ids(nights.photos(row_changes.MAX_SMALL + 2))
    assert len(opened.items.get_fragments()) < 5


def test_fragments_written_by_other_processes(store: Store) -> None:
    nights.publish(store, "n1", nights.photos(2))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        release = nights.build(
            store,
            nights.index_night(store, "n2", nights.photos(6)),
            run=lambda tasks: pool.map(write_fragment, tasks),
        )
    assert ids(store, release) == expected_ids(nights.photos(6))


def test_task_that_ran_twice_adds_no_rows(store: Store) -> None:
    def run_twice(tasks: list[FragmentTask]) -> list[FragmentResult]:
        for task in tasks:
            write_fragment(task)
        return [write_fragment(task) for task in tasks]

    release = nights.build(store, nights.index_night(store, "n1", nights.photos(3)), run=run_twice)
    assert ids(store, release) == expected_ids(nights.photos(3))


PHOTO = st.builds(
    Photo,
    key=st.sampled_from([f"k{i}" for i in range(6)]),
    etag=st.sampled_from("12"),
    labels=st.sampled_from([(), ("top",), ("bag", "hat")]),
    reason=st.sampled_from([None, None, None, Reason.CORRUPT, Reason.UNAVAILABLE]),
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(PHOTO, min_size=1, unique_by=lambda photo: photo.key), min_size=2, max_size=4))
def test_any_sequence_of_nights_gives_the_rows_of_the_last_photos(
    tmp_path_factory: pytest.TempPathFactory, nightly: list[list[Photo]]
) -> None:
    store = open_store(str(tmp_path_factory.mktemp("catalog")))
    anchor = Photo("anchor.jpg")
    kept: dict[str, Photo] = {}
    for number, source in enumerate(nightly):
        source = [anchor, *source]
        night = nights.index_night(store, f"n{number}", source)
        planned = set(night.table["image_key"].to_pylist())
        release = nights.build(store, night)
        kept = {
            photo.key: kept.get(photo.key, photo)
            if photo.key not in planned or photo.status == Status.FAILED
            else photo
            for photo in source
        }
        assert ids(store, release) == expected_ids(list(kept.values()))
        assert sum(release.images.values()) == len(source)
        release = audit_release(store, release, allow_mass_change=True)
        promote(store, release.release_id)


def test_two_nights_on_s3(s3: S3Server) -> None:
    store = open_store(s3())
    nights.publish(store, "n1", nights.photos(4))
    source = [*nights.photos(3), Photo("new.jpg")]
    release = nights.publish(store, "n2", source)
    assert ids(store, release) == expected_ids(source)
    assert len(release.audit) > 15
