"""The plan as a function: what it finds, that it ends, and that nothing but the photos decides it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.catalog.schemas import IMAGES_SCHEMA, PLAN_SCHEMA
from lookdex.errors import ConfigError, MassChange
from lookdex.planning.feed.ids import CaseOnly
from lookdex.planning.plan import ARCHIVE_NIGHTS, Losses, Plan, check_mass_change, lost_products, make_plan
from lookdex.records import Change, Reason, Skip, SkippedKeys, Status, Unlisted

RECIPE = "0123456789abcdef"
TIED_SCHEMA = pa.schema(
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
    etag: str = "1"
    product_ids: tuple[str, ...] = ()
    category: str | None = None
    status: str = Status.INDEXED  # of the ledger's row
    recipe: str = RECIPE
    reason: str | None = None


def linked(photos: dict[str, Photo]) -> pa.Table:
    rows = [
        {
            "image_key": k,
            "etag": p.etag,
            "bytes": 9,
            "product_ids": sorted(p.product_ids),
            "category": p.category,
        }
        for k, p in photos.items()
    ]
    return pa.Table.from_pylist(rows, TIED_SCHEMA)


def ledger(photos: dict[str, Photo]) -> pa.Table:
    rows = [
        {"image_key": k, "etag": p.etag, "bytes": 9, "product_ids": list(p.product_ids), "category": p.category,
         "status": p.status, "recipe": p.recipe, "reason": p.reason}
        for k, p in photos.items()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, IMAGES_SCHEMA)


def apply(plan: Plan, old: pa.Table | None, status: str = Status.INDEXED) -> pa.Table:
    """The ledger after the night: planned photos have new rows, deleted ones none."""
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


def test_each_kind_of_change_is_named() -> None:
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


def test_a_first_night_plans_everything() -> None:
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


def test_shard_ids_follow_recipe_and_members() -> None:
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
def test_counts_add_up_and_after_the_night_nothing_is_left(
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
        same = (new.etag, sorted(new.product_ids), new.category) == (
            old.etag,
            sorted(old.product_ids),
            old.category,
        )
        if same and old.status != Status.FAILED and old.recipe == RECIPE:
            assert key not in planned
        else:
            assert planned[key] in (Change.CHANGED, Change.RETRY, Change.RECIPE)


@given(shops, shops, st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_the_order_of_the_listing_does_not_matter(
    listing: dict[str, Photo], live: dict[str, Photo], random
) -> None:
    def shuffled(table: pa.Table) -> pa.Table:
        return table.take(pa.array(random.sample(range(table.num_rows), table.num_rows), pa.int64()))

    plan = make_plan(linked(listing), ledger(live), RECIPE, shard_images=3)
    other = make_plan(shuffled(linked(listing)), shuffled(ledger(live)), RECIPE, shard_images=3)
    assert plan.table.equals(other.table)
    assert plan.changes == other.changes


@given(shops, shops, st.integers(0, 6))
@settings(max_examples=10)
def test_a_limit_postpones_photos_to_the_next_nights(
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
    with pytest.raises(ConfigError, match="positive"):
        make_plan(shop, None, RECIPE, shard_images=0)


def test_a_mass_change_stops_the_night_with_numbers_and_the_flag() -> None:
    check_mass_change(Losses(listed=90, photos=100, gone=10))
    check_mass_change(Losses(listed=1))
    with pytest.raises(MassChange, match=r"11 of 100 live photos \(11\.0%\).*lists 89.*--allow-mass-change"):
        check_mass_change(Losses(listed=89, photos=100, gone=11))
    check_mass_change(Losses(listed=89, photos=100, gone=11), max_share=0.5)
    check_mass_change(Losses(listed=0, photos=100, gone=100), allow=True)
    with pytest.raises(MassChange, match=r"no photo at all, and 100 are live.*--allow-mass-change"):
        check_mass_change(Losses(listed=0, photos=100, gone=100))
    with pytest.raises(MassChange, match=r"no photo at all\. Check the URI"):
        check_mass_change(Losses(listed=0))


def test_photos_that_lose_their_product_are_a_mass_change() -> None:
    check_mass_change(Losses(listed=100, photos=100, unlinked=10))
    with pytest.raises(MassChange, match=r"11 of 100 live photos.*would belong to none.*--pattern"):
        check_mass_change(Losses(listed=100, photos=100, unlinked=11))
    check_mass_change(Losses(listed=100, photos=100, unlinked=100), allow=True)


def test_products_that_leave_are_a_mass_change_of_products_or_of_photos() -> None:
    def losses(products: int, photos: int, gone: int = 0) -> Losses:
        return Losses(100, 100, gone, products=50, leaving=Unlisted(products, photos, ("p1", "p2")))

    check_mass_change(losses(5, 10))
    with pytest.raises(MassChange, match=r"6 of 50 live products \(12\.0%\).*truncated.*--keep-unlisted"):
        check_mass_change(losses(6, 4))
    with pytest.raises(MassChange, match=r"'p1', 'p2'.*4 of 100 live photos \(4\.0%\).*--allow-mass-change"):
        check_mass_change(losses(6, 4))
    with pytest.raises(MassChange, match=r"1 of 50 live products \(2\.0%\).*11 of 100 live photos"):
        check_mass_change(losses(1, 11))
    check_mass_change(losses(6, 11), max_share=0.2)
    check_mass_change(losses(50, 100), allow=True)
    check_mass_change(losses(2, 4, gone=6))
    with pytest.raises(
        MassChange, match=r"11 of 100 live photos.*6 are gone from the source, 5 photos of products"
    ):
        check_mass_change(losses(2, 5, gone=6))


some_products = st.sets(st.sampled_from(["p", "q", "r"]))


@given(shops, shops, some_products, some_products)
@settings(max_examples=20)
def test_products_that_lose_their_row_are_counted(
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
    counted = lost_products(
        linked(now), ledger(before), *(pa.array(sorted(ids), pa.string()) for ids in (described, known))
    )
    assert counted == len(lost)


def test_products_that_lose_their_row_are_a_mass_change() -> None:
    check_mass_change(Losses(100, 100, lost=4, described=40))
    with pytest.raises(
        MassChange,
        match=r"5 of the 40 live products with a row .*\(12\.5%\).*--products.*--allow-mass-change",
    ):
        check_mass_change(Losses(100, 100, lost=5, described=40))
    check_mass_change(Losses(100, 100, lost=5, described=40), max_share=0.2)
    check_mass_change(Losses(100, 100, lost=40, described=40), allow=True)
    check_mass_change(Losses(100, 100))


def test_two_hundred_thousand_photos_plan_in_seconds() -> None:
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
    start = time.perf_counter()
    plan = make_plan(listing, None, RECIPE)
    assert (plan.changes[Change.NEW], plan.shards) == (n, 782)
    assert time.perf_counter() - start < 30  # 1.5 s on an idle core


def test_archived_photos_are_planned_when_restored() -> None:
    """New ones are left out; known ones are fetched when something changed, and then not again."""
    cold = Photo(status=Status.FAILED, reason=Reason.ARCHIVED)
    known = {
        "live": Photo(),
        "changed": Photo(),
        "asked": cold,
        "replaced": cold,
        "back": cold,
        "other": cold,
    }
    known["other"] = Photo(status=Status.FAILED, reason=Reason.ARCHIVED, recipe="older")
    listed = {
        **{key: Photo() for key in known},
        "changed": Photo("2"),
        "replaced": Photo("2"),
        "new": Photo(),
    }
    archived = pa.array(sorted(set(listed) - {"back"}))
    for full in (False, True):
        plan = make_plan(linked(listed), ledger(known), RECIPE, archived=archived, full=full)
        assert plan.archived == SkippedKeys(Skip.ARCHIVED, 1, ("new",))
        wanted = {"changed": Change.CHANGED, "other": Change.RETRY, "back": Change.RETRY}
        if not full:
            turns = [make_plan(linked(listed), ledger(known), RECIPE, archived=archived, turn=turn)
                     for turn in range(ARCHIVE_NIGHTS)]  # fmt: skip
            asked = [changes_of(made).get("back") for made in turns]
            assert asked.count(Change.RETRY) == 1
            plan = turns[asked.index(Change.RETRY)]
        assert changes_of(plan) == wanted | ({"live": Change.RECIPE} if full else {})


def test_unlisted_archives_are_retried_in_turns() -> None:
    known = {f"p{n}": Photo(status=Status.FAILED, reason=Reason.ARCHIVED) for n in range(70)}
    asked = [
        set(changes_of(make_plan(linked(known), ledger(known), RECIPE, turn=turn)))
        for turn in range(ARCHIVE_NIGHTS)
    ]
    assert sorted(key for keys in asked for key in keys) == sorted(known)
    assert max(map(len, asked)) < 30


def test_rejected_photos_are_retried_when_more_formats_are_supported() -> None:
    """Its row holds the recipe's `refusal`; rows of the versions before this hold the recipe itself."""
    known = {
        "old": Photo(status=Status.REJECTED), "new": Photo(status=Status.REJECTED, recipe="refused"), "good": Photo(),
    }  # fmt: skip
    plan = make_plan(linked(known), ledger(known), RECIPE, refusal_digest="refused")
    assert changes_of(plan) == {"old": Change.RETRY}
    known["new"] = Photo(status=Status.REJECTED, recipe="refused by an earlier one")
    plan = make_plan(linked(known), ledger(known), RECIPE, refusal_digest="refused")
    assert changes_of(plan) == {"old": Change.RETRY, "new": Change.RECIPE}


def test_a_mass_change_of_ids_shows_both_sides() -> None:
    losses = Losses(
        listed=2, photos=2, products=2, leaving=Unlisted(2, 2, ("A", "B")), without_photo=("a\u200b", "b")
    )
    with pytest.raises(
        MassChange, match=r"such as 'A', 'B':.*has, without a photo, 'a\\u200b', 'b'\. The file may be"
    ):
        check_mass_change(losses)
    case = CaseOnly(1, (("B", "b"),))
    with pytest.raises(MassChange, match=r"Ids differ in .* case only: 'B' of a photo, 'b' of the file"):
        check_mass_change(replace(losses, case=case))
