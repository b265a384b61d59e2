"""Which photos a plan indexes, deletes or leaves as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.catalog.schemas import IMAGES_SCHEMA, PLAN_SCHEMA
from lookdex.errors import ConfigError
from lookdex.planning.diff import ARCHIVE_NIGHTS, Plan, count_lost_products, make_plan
from lookdex.records import Change, Reason, Skip, SkippedKeys, Status

RECIPE = "0123456789abcdef"
LINKED_SCHEMA = pa.schema(
    [
        ("image_key", pa.string()),
        ("etag", pa.string()),
        ("bytes", pa.int64()),
        ("product_ids", pa.list_(pa.string())),
        ("category", pa.string()),
    ]
)


@dataclass(frozen=True)
class Photo:
    """A listed photo or its row of the ledger, which alone has status, recipe and reason."""

    etag: str = "1"
    product_ids: tuple[str, ...] = ()
    category: str | None = None
    status: str = Status.INDEXED
    recipe: str = RECIPE
    reason: str | None = None
    bytes: int = 9


def linked(photos: dict[str, Photo]) -> pa.Table:
    """The listed photos with their products."""
    rows = [
        {
            "image_key": k,
            "etag": p.etag,
            "bytes": p.bytes,
            "product_ids": sorted(p.product_ids),
            "category": p.category,
        }
        for k, p in photos.items()
    ]
    return pa.Table.from_pylist(rows, LINKED_SCHEMA)


def ledger(photos: dict[str, Photo]) -> pa.Table:
    rows = [
        {"image_key": k, "etag": p.etag, "bytes": p.bytes, "product_ids": list(p.product_ids), "category": p.category,
         "status": p.status, "recipe": p.recipe, "reason": p.reason}
        for k, p in photos.items()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, IMAGES_SCHEMA)


def apply(plan: Plan, old: pa.Table | None, status: str = Status.INDEXED) -> pa.Table:
    """The ledger after the night: planned photos have new rows, deleted photos none."""
    touched = set(plan.table["image_key"].to_pylist())
    kept = [row for row in (old.to_pylist() if old else []) if row["image_key"] not in touched]
    new = [
        {**{name: row[name] for name in ("image_key", "etag", "bytes", "product_ids", "category")},
         "status": status, "recipe": RECIPE}
        for row in plan.table.to_pylist()
        if row["change"] != Change.DELETED
    ]  # fmt: skip
    return pa.Table.from_pylist(
        [{**dict.fromkeys(IMAGES_SCHEMA.names), **row} for row in kept + new], IMAGES_SCHEMA
    )


def changes_of(plan: Plan) -> dict[str, str]:
    return dict(zip(plan.table["image_key"].to_pylist(), plan.table["change"].to_pylist(), strict=True))


keys = st.text(st.sampled_from("abé /+\x1f."), min_size=1, max_size=4)
photos = st.builds(
    Photo,
    etag=st.sampled_from(["1", "2", "3"]),
    product_ids=st.lists(st.sampled_from(["p", "q", "r"]), unique=True, max_size=3).map(tuple),
    category=st.sampled_from([None, "top", "shoes"]),
    status=st.sampled_from(list(Status)),
    recipe=st.sampled_from([RECIPE, "older"]),
)
shops = st.dictionaries(keys, photos, max_size=12)


def test_each_photo_is_planned_by_what_changed() -> None:
    same = Photo("1", ("p",), "top")
    live = {
        "same": same,
        "gone": same,
        "etag": Photo("0", ("p",), "top"),
        "products": Photo("1", ("p", "q"), "top"),
        "category": Photo("1", ("p",), None),
        "recipe": Photo("1", ("p",), "top", recipe="older"),
        "failed": Photo("1", ("p",), "top", status=Status.FAILED),
        "rejected": Photo("1", ("p",), "top", status=Status.REJECTED),
        "no object": Photo("1", ("p",), "top", status=Status.NO_OBJECT),
    }
    listing = dict.fromkeys([key for key in live if key != "gone"] + ["new"], same)
    plan = make_plan(linked(listing), ledger(live), RECIPE)
    assert changes_of(plan) == {
        "new": Change.NEW,
        "gone": Change.DELETED,
        "etag": Change.CHANGED,
        "products": Change.CHANGED,
        "category": Change.CHANGED,
        "recipe": Change.RECIPE,
        "failed": Change.RETRY,
    }
    assert plan.changes == {"new": 1, "changed": 3, "recipe": 1, "retry": 1, "deleted": 1, "unchanged": 3}
    assert plan.table.schema == PLAN_SCHEMA


def test_planned_photos_have_the_values_of_the_listing_and_deleted_ones_those_of_the_ledger() -> None:
    old, new = Photo("1", ("p",), "top", bytes=10), Photo("2", ("q", "r"), "shoes", bytes=20)
    plan = make_plan(linked({"changed": new, "new": new}), ledger({"changed": old, "gone": old}), RECIPE)
    values = {
        row["image_key"]: (row["etag"], row["bytes"], row["product_ids"], row["category"])
        for row in plan.table.to_pylist()
    }
    assert values == {
        "changed": ("2", 20, ["q", "r"], "shoes"),
        "new": ("2", 20, ["q", "r"], "shoes"),
        "gone": ("1", 10, ["p"], "top"),
    }


def test_photos_of_products_that_are_no_longer_sold_are_planned_first_and_regardless_of_the_limit() -> None:
    live = {
        "a new price": Photo("1", ("p",)),
        "archived": Photo("1", ("q",), status=Status.FAILED, reason=Reason.ARCHIVED),
        "failed": Photo("1", ("q",), status=Status.FAILED),
        "partly": Photo("1", ("p", "q")),
        "sold": Photo("1", ("p",)),
        "without": Photo("1"),
    }
    unsold = {"archived", "failed", "partly"}
    listing = {key: replace(photo, product_ids=("p",)) for key, photo in live.items()} | {"new": Photo()}
    listing["a new price"] = Photo("2", ("p",))
    listing["without"] = Photo()

    def planned(**options: Any) -> list[str]:
        plan = make_plan(linked(listing), ledger(live), RECIPE, sold=pa.array(["p"]), **options)
        assert plan.postponed == len(unsold) + 2 - plan.table.num_rows
        by_shard = plan.table.group_by("shard_id", use_threads=False).aggregate([("image_key", "list")])
        return sorted("|".join(sorted(keys)) for keys in by_shard["image_key_list"].to_pylist())

    assert planned(limit=0) == ["archived|failed|partly"]
    assert planned(limit=4) == ["a new price|archived|failed|partly"]
    assert planned(shard_images=3) == ["a new price|new", "archived|failed|partly"]
    everything = make_plan(linked(listing), ledger(live), RECIPE)
    assert changes_of(everything).keys() == {"a new price", "failed", "partly", "archived", "new"}


def test_the_first_night_plans_everything() -> None:
    plan = make_plan(linked({f"{i}": Photo() for i in range(10)}), None, RECIPE, shard_images=4)
    assert plan.changes[Change.NEW] == 10
    assert plan.shards == 3
    assert sorted(plan.table["shard_id"].value_counts().field("counts").to_pylist()) == [2, 4, 4]


def test_full_plans_every_listed_photo() -> None:
    shop = {f"{i}": Photo() for i in range(5)}
    assert make_plan(linked(shop), ledger(shop), RECIPE).changes[Change.UNCHANGED] == 5
    plan = make_plan(linked(shop), ledger(shop), RECIPE, full=True)
    assert (plan.changes[Change.RECIPE], plan.changes[Change.UNCHANGED]) == (5, 0)


@given(shops, shops)
@settings(max_examples=20)
def test_photos_that_lose_their_products_are_counted(before: dict[str, Photo], now: dict[str, Photo]) -> None:
    lost = [key for key in before.keys() & now.keys() if before[key].product_ids and not now[key].product_ids]
    assert make_plan(linked(now), ledger(before), RECIPE).unlinked == len(lost)


def test_a_shard_id_depends_on_the_recipe_and_the_photos() -> None:
    shop = {f"{i}": Photo() for i in range(6)}

    def ids(shop: dict[str, Photo], recipe: str = RECIPE) -> set[str]:
        return set(make_plan(linked(shop), None, recipe, shard_images=3).table["shard_id"].to_pylist())

    before = ids(shop)
    assert all(len(shard_id) == 16 for shard_id in before)
    assert ids(shop) == before
    assert not ids(shop, "other") & before
    for other in (Photo("2"), Photo(product_ids=("p",)), Photo(category="top")):
        assert len(ids(shop | {"5": other}) & before) == 1


@given(shops, shops, st.integers(1, 5))
@settings(max_examples=15)
def test_counts_add_up_and_the_next_plan_is_empty(
    listing: dict[str, Photo], live: dict[str, Photo], size: int
) -> None:
    plan = make_plan(linked(listing), ledger(live), RECIPE, shard_images=size)
    assert sum(plan.changes.values()) == len(listing.keys() | live.keys())
    assert plan.changes[Change.DELETED] == len(live.keys() - listing.keys())
    assert plan.changes[Change.NEW] == len(listing.keys() - live.keys())
    assert plan.table.num_rows == sum(plan.changes.values()) - plan.changes[Change.UNCHANGED]
    assert plan.table.filter(pa.compute.field("shard_id").is_null()).num_rows == plan.changes[Change.DELETED]

    after = make_plan(linked(listing), apply(plan, ledger(live)), RECIPE, shard_images=size)
    assert after.table.num_rows == 0
    assert after.changes[Change.UNCHANGED] == len(listing)


@given(shops, shops)
@settings(max_examples=15)
def test_exactly_the_changed_photos_are_planned(listing: dict[str, Photo], live: dict[str, Photo]) -> None:
    planned = changes_of(make_plan(linked(listing), ledger(live), RECIPE))
    for key in listing.keys() & live.keys():
        new, old = listing[key], live[key]
        same = all(
            (new.etag == old.etag, set(new.product_ids) == set(old.product_ids), new.category == old.category)
        )
        if same and old.status != Status.FAILED and old.recipe == RECIPE:
            assert key not in planned
        else:
            assert planned[key] in (Change.CHANGED, Change.RETRY, Change.RECIPE)


@given(shops, shops, st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_the_order_of_the_listing_does_not_matter(
    listing: dict[str, Photo], live: dict[str, Photo], random: Random
) -> None:
    def shuffled(table: pa.Table) -> pa.Table:
        return table.take(pa.array(random.sample(range(table.num_rows), table.num_rows), pa.int64()))

    plan = make_plan(linked(listing), ledger(live), RECIPE, shard_images=3)
    other = make_plan(shuffled(linked(listing)), shuffled(ledger(live)), RECIPE, shard_images=3)
    assert plan.table.equals(other.table)
    assert plan.changes == other.changes


@given(shops, shops, st.integers(0, 6))
@settings(max_examples=10)
def test_a_limit_postpones_photos_to_later_nights(
    listing: dict[str, Photo], live: dict[str, Photo], limit: int
) -> None:
    whole = make_plan(linked(listing), ledger(live), RECIPE)
    part = make_plan(linked(listing), ledger(live), RECIPE, limit=limit)
    work = whole.table.num_rows - whole.changes[Change.DELETED]
    assert part.table.num_rows - part.changes[Change.DELETED] == min(limit, work)
    assert part.changes[Change.DELETED] == whole.changes[Change.DELETED]
    assert part.postponed == work - min(limit, work)
    rest = make_plan(linked(listing), apply(part, ledger(live)), RECIPE)
    assert changes_of(part) | changes_of(rest) == changes_of(whole)


def test_failed_photos_are_retried_every_night() -> None:
    listing = linked({"a": Photo(), "b": Photo()})
    table = None
    for night in range(3):
        plan = make_plan(listing, table, RECIPE)
        assert changes_of(plan) == dict.fromkeys("ab", Change.RETRY if night else Change.NEW)
        table = apply(plan, table, status=Status.FAILED)


def test_keys_must_be_unique() -> None:
    shop = linked({"a": Photo()})
    with pytest.raises(ConfigError, match="2 keys, but only 1 different ones"):
        make_plan(pa.concat_tables([shop, shop]), None, RECIPE)


@pytest.mark.parametrize("wrong", [{"shard_images": 0}, {"limit": -1}])
def test_shards_must_have_photos_and_the_limit_be_at_least_0(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="positive"):
        make_plan(linked({"a": Photo()}), None, RECIPE, **wrong)


product_sets = st.sets(st.sampled_from(["p", "q", "r"]))


@given(shops, shops, product_sets, product_sets)
@settings(max_examples=20)
def test_products_that_lose_their_row_of_the_products_file_are_counted(
    before: dict[str, Photo], now: dict[str, Photo], described: set[str], known: set[str]
) -> None:
    still = {product for photo in now.values() for product in photo.product_ids} & known
    lost = {
        product
        for key in before.keys() & now.keys()
        if not known.intersection(now[key].product_ids)
        for product in before[key].product_ids
        if product in described and product not in still
    }
    counted = count_lost_products(
        linked(now), ledger(before), *(pa.array(sorted(ids), pa.string()) for ids in (described, known))
    )
    assert counted == len(lost)


def test_200_000_photos_are_planned_in_shards() -> None:
    n = 200_000
    numbers = pa.array(np.arange(n)).cast(pa.string())
    listing = pa.table(
        {
            "image_key": numbers,
            "etag": numbers,
            "bytes": pa.array(np.arange(n)),
            "product_ids": pa.ListArray.from_arrays(np.arange(n + 1, dtype=np.int32), numbers),
            "category": pa.nulls(n, pa.string()),
        }
    )
    plan = make_plan(listing, None, RECIPE)  # 1.5 s on an idle core
    assert (plan.changes[Change.NEW], plan.shards) == (n, 782)


ARCHIVED = Photo(status=Status.FAILED, reason=Reason.ARCHIVED)


@dataclass(frozen=True)
class ArchiveNight:
    """A night on which all listed photos but "restored" are archived."""

    ledger: pa.Table
    listed: pa.Table
    archived: pa.Array


@pytest.fixture
def archive_night() -> ArchiveNight:
    known = {
        "live": Photo(),
        "changed": Photo(),
        "failed": ARCHIVED,
        "replaced": ARCHIVED,
        "restored": ARCHIVED,
        "older recipe": replace(ARCHIVED, recipe="older"),
    }
    listed = {
        **{key: Photo() for key in known},
        "changed": Photo("2"),
        "replaced": Photo("2"),
        "new": Photo(),
    }
    archived = pa.array(sorted(set(listed) - {"restored"}))
    return ArchiveNight(ledger(known), linked(listed), archived)


@pytest.mark.parametrize("full", [False, True])
def test_new_archived_photos_are_skipped(archive_night: ArchiveNight, full: bool) -> None:
    night = archive_night
    plan = make_plan(night.listed, night.ledger, RECIPE, archived=night.archived, full=full)
    assert plan.archived == SkippedKeys(Skip.ARCHIVED, 1, ("new",))


def test_a_full_plan_retries_known_archived_photos_only_when_something_changed(
    archive_night: ArchiveNight,
) -> None:
    night = archive_night
    plan = make_plan(night.listed, night.ledger, RECIPE, archived=night.archived, full=True)
    assert changes_of(plan) == {
        "changed": Change.CHANGED,
        "older recipe": Change.RETRY,
        "restored": Change.RETRY,
        "live": Change.RECIPE,
    }


def test_a_restored_photo_is_retried_on_one_of_the_archive_nights(archive_night: ArchiveNight) -> None:
    night = archive_night
    plans = [
        make_plan(night.listed, night.ledger, RECIPE, archived=night.archived, turn=turn)
        for turn in range(ARCHIVE_NIGHTS)
    ]
    changes = {"changed": Change.CHANGED, "older recipe": Change.RETRY}
    with_restored = [plan for plan in map(changes_of, plans) if "restored" in plan]
    assert with_restored == [changes | {"restored": Change.RETRY}]


def test_photos_that_are_no_longer_listed_as_archived_are_retried_in_turns() -> None:
    known = {f"p{n}": ARCHIVED for n in range(70)}
    retried = [
        set(changes_of(make_plan(linked(known), ledger(known), RECIPE, turn=turn)))
        for turn in range(ARCHIVE_NIGHTS)
    ]
    assert sorted(key for keys in retried for key in keys) == sorted(known)
    assert max(map(len, retried)) < 30


def test_rejected_photos_are_retried_when_more_formats_are_supported() -> None:
    """Their rows have the recipe's `refusal`; rows of older versions have the recipe itself."""
    known = {
        "old": Photo(status=Status.REJECTED), "new": Photo(status=Status.REJECTED, recipe="refused"), "good": Photo(),
    }  # fmt: skip
    plan = make_plan(linked(known), ledger(known), RECIPE, refusal_digest="refused")
    assert changes_of(plan) == {"old": Change.RETRY}
    known["new"] = Photo(status=Status.REJECTED, recipe="refused by an earlier one")
    plan = make_plan(linked(known), ledger(known), RECIPE, refusal_digest="refused")
    assert changes_of(plan) == {"old": Change.RETRY, "new": Change.RECIPE}
