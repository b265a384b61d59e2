"""Cleanup removes what no kept release needs, and nothing else."""

from __future__ import annotations

from datetime import timedelta

import lance
import pytest

from lookdex.catalog import promotion_log, tables
from lookdex.errors import ReleaseNotFound
from lookdex.release.audit import audit_release
from lookdex.release.promote import rollback
from lookdex.release.retention import clean_up
from lookdex.storage import Store, open_store
from tests.support import nights
from tests.support.servers import S3Server

NO_GRACE = timedelta(0)


def publish(store: Store, count: int) -> None:
    for number in range(1, count + 1):
        source = [nights.Photo(f"p{i}.jpg", etag=str(number)) for i in range(3)]
        nights.publish(store, f"n{number}", source)


def readable(store: Store) -> dict[str, int]:
    return {r.release_id: nights.item_table(store, r).num_rows for r in promotion_log.list_releases(store)}


def runs_left(store: Store) -> set[str]:
    return {listed.key.split("/")[1] for listed in store.list("runs/")}


def test_without_apply_nothing_is_removed(store: Store) -> None:
    publish(store, 4)
    listed = clean_up(store, keep_releases=2, grace=NO_GRACE)
    assert (listed.kept, listed.releases, listed.runs) == (("n3", "n4"), ("n1", "n2"), ("n1", "n2"))
    assert not listed.applied
    assert readable(store) == {f"n{number}": 6 for number in (1, 2, 3, 4)}


def test_kept_releases_stay_readable(store: Store) -> None:
    publish(store, 4)
    done = clean_up(store, keep_releases=2, grace=NO_GRACE, apply=True)
    assert done.applied
    assert done.bytes > 0
    assert readable(store) == {"n3": 6, "n4": 6}
    assert runs_left(store) == {"n3", "n4"}
    items = tables.open_table(store, tables.ITEMS)
    assert set(items.tags.list()) == {"live", "r-n3", "r-n4"}
    with pytest.raises(ReleaseNotFound):
        promotion_log.load_release(store, "n1")
    assert clean_up(store, keep_releases=2, grace=NO_GRACE, apply=True).versions == {
        tables.ITEMS: (),
        tables.IMAGES: (),
    }
    # The next night builds on what is left, and can be rolled back.
    nights.publish(store, "n5", [nights.Photo("p0.jpg", etag="9"), nights.Photo("p1.jpg", etag="4")])
    assert rollback(store).entry.release_id == "n4"
    assert readable(store) == {"n3": 6, "n4": 6, "n5": 4}


def test_live_release_is_kept_even_if_old(store: Store) -> None:
    publish(store, 3)
    rollback(store, to="n1")
    clean_up(store, keep_releases=1, grace=NO_GRACE, apply=True)
    assert set(readable(store)) == {"n1"}


def test_everything_is_kept_during_the_grace_period(store: Store) -> None:
    publish(store, 3)
    assert clean_up(store, keep_releases=1, apply=True).releases == ()
    assert set(readable(store)) == {"n1", "n2", "n3"}


def test_release_waiting_for_promotion_is_kept(store: Store) -> None:
    publish(store, 2)
    waiting = nights.build(store, nights.index_night(store, "n3", nights.photos(4)))
    audit_release(store, waiting, allow_mass_change=True)
    clean_up(store, keep_releases=1, grace=NO_GRACE, apply=True)
    assert readable(store) == {"n2": 6, "n3": 8}


def test_refused_candidates_are_removed_and_tagged_versions_kept(store: Store) -> None:
    publish(store, 3)
    refused = nights.build(store, nights.index_night(store, "bad", nights.photos(4)))
    first = promotion_log.load_release(store, "n1")
    items = tables.open_table(store, tables.ITEMS)
    items.tags.create("campaign", first.items_version)
    nights.publish(store, "n4", nights.photos(5))
    done = clean_up(store, keep_releases=1, grace=NO_GRACE, apply=True)
    assert "bad" in done.runs
    assert refused.items_version in done.versions[tables.ITEMS]
    assert set(readable(store)) == {"n1", "n4"}
    assert lance.dataset(store.lance_uri(tables.ITEMS), version="campaign").count_rows() == 6


def test_interrupted_cleanup_is_completed_by_the_next(store: Store) -> None:
    publish(store, 3)
    store.delete(promotion_log.release_key("n1"))
    store.delete(promotion_log.release_key("n2"))
    done = clean_up(store, keep_releases=1, grace=NO_GRACE, apply=True)
    assert set(tables.open_table(store, tables.ITEMS).tags.list()) == {"live", "r-n3"}
    assert done.runs == ("n1", "n2")
    assert readable(store) == {"n3": 6}


def test_empty_catalogue_has_nothing_to_clean(store: Store) -> None:
    assert clean_up(store, apply=True).versions == {}


def test_cleanup_on_s3(s3: S3Server) -> None:
    store = open_store(s3())
    publish(store, 2)
    clean_up(store, keep_releases=1, grace=NO_GRACE, apply=True)
    assert readable(store) == {"n2": 6}
    assert runs_left(store) == {"n2"}
