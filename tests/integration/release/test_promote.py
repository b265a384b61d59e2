"""Promotion and rollback: one promoter wins, a rollback holds, tags follow the log even after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lancedb
import pytest

from lookdex.catalog import promotion_log, tables
from lookdex.errors import PromotionConflict, PromotionHeld, ReleaseNotFound, RolledBack
from lookdex.records import Release
from lookdex.release.audit import audit_release
from lookdex.release.promote import promote, repair_tags, resume, rollback
from lookdex.release.tags import LIVE
from lookdex.storage import Store, open_store
from tests.support import nights
from tests.support.catalogs import live


@pytest.fixture
def anywhere(root_uri: str) -> Store:
    """The catalogue in a folder and in a bucket."""
    return open_store(root_uri)


def audited(store: Store, run_id: str, count: int) -> Release:
    return audit_release(store, nights.build(store, nights.index_night(store, run_id, nights.photos(count))))


def tagged(store: Store, name: str = LIVE) -> tuple[int, int]:
    items, images = (tables.open_table(store, key) for key in (tables.ITEMS, tables.IMAGES))
    return items.tags.get_version(name), images.tags.get_version(name)


def versions(release: Release) -> tuple[int, int]:
    return release.items_version, release.images_version


def test_promotion_updates_the_log_and_the_tags(store: Store) -> None:
    first = audited(store, "n1", 2)
    assert promotion_log.current(store) is None
    entry = promote(store, "n1")
    assert (entry.n, entry.release_id, entry.action) == (1, "n1", "promote")
    assert tagged(store) == tagged(store, "r-n1") == versions(first)
    # A second promotion changes nothing.
    assert promote(store, "n1") == entry
    second = audited(store, "n2", 3)
    assert tagged(store) == versions(first)
    promote(store, "n2")
    assert tagged(store) == versions(second)
    assert tagged(store, "r-n1") == versions(first)
    assert repair_tags(store) == []


def test_lancedb_readers_follow_the_live_tag(anywhere: Store) -> None:
    nights.publish(anywhere, "n1", nights.photos(3))
    audited(anywhere, "n2", 5)
    folder, name = anywhere.lance_uri(tables.ITEMS).rsplit("/", 1)
    table = lancedb.connect(folder, storage_options=anywhere.lance_options).open_table(
        name.removesuffix(".lance")
    )
    assert table.count_rows() == 10
    table.checkout(LIVE)
    assert table.count_rows() == 6


def test_one_of_two_concurrent_promotions_wins(anywhere: Store) -> None:
    nights.publish(anywhere, "n1", nights.photos(2))
    audited(anywhere, "n2", 3)
    # Built on the same parent as n2.
    third = audited(anywhere, "n3", 4)

    def attempt(release_id: str) -> str | None:
        try:
            return promote(open_store(anywhere.uri), release_id).release_id
        except PromotionConflict:
            return None

    with ThreadPoolExecutor(2) as pool:
        winners = [name for name in pool.map(attempt, ["n2", "n3"]) if name]
    assert len(winners) == 1
    log = promotion_log.read_log(anywhere)
    assert [entry.n for entry in log] == [1, 2]
    assert log[-1].release_id == winners[0]
    repair_tags(anywhere)
    assert tagged(anywhere) == versions(promotion_log.load_release(anywhere, winners[0]))
    assert third.parent == "n1"


def test_release_whose_parent_is_not_live_is_refused(store: Store) -> None:
    nights.publish(store, "n1", nights.photos(2))
    audited(store, "n2", 3)
    nights.publish(store, "n3", nights.photos(4))
    with pytest.raises(PromotionConflict, match=r"n2 was built on n1 and n3 is live.*lookdex reindex"):
        promote(store, "n2")
    assert live(store).release_id == "n3"


def test_candidates_that_were_not_audited_are_not_promoted(store: Store) -> None:
    nights.build(store, nights.index_night(store, "n1", nights.photos(2)))
    with pytest.raises(ReleaseNotFound):
        promote(store, "n1")


def test_rollback_holds_until_resume(store: Store) -> None:
    first = nights.publish(store, "n1", nights.photos(2))
    nights.publish(store, "n2", nights.photos(3))
    entry = rollback(store, note="wrong labels").entry
    assert (entry.n, entry.release_id, entry.hold) == (3, "n1", True)
    assert tagged(store) == versions(first)

    # Later nights build on the live release, and are not published.
    third = audited(store, "n3", 4)
    assert third.parent == "n1"
    with pytest.raises(PromotionHeld, match=r"wrong labels.*lookdex resume"):
        promote(store, "n3")
    assert live(store).release_id == "n1"
    entry, was_held = resume(store)
    assert (entry.n, entry.hold, was_held) == (4, False, True)
    assert resume(store) == (entry, False)
    assert promote(store, "n3").n == 5
    assert tagged(store) == versions(third)


def test_rollback_twice_goes_further_back(store: Store) -> None:
    for number in (1, 2, 3):
        nights.publish(store, f"n{number}", nights.photos(number + 1))
    assert rollback(store).entry.release_id == "n2"
    assert rollback(store).entry.release_id == "n1"
    with pytest.raises(ReleaseNotFound, match="is the first"):
        rollback(store)
    assert rollback(store, to="n3").entry.release_id == "n3"
    with pytest.raises(ReleaseNotFound, match="lookdex releases"):
        rollback(store, to="n9")


def test_rollback_takes_one_write(anywhere: Store) -> None:
    nights.publish(anywhere, "n1", nights.photos(2))
    nights.publish(anywhere, "n2", nights.photos(3))
    before = anywhere.request_counts
    rollback(anywhere)
    spent = {name: count - before.get(name, 0) for name, count in anywhere.request_counts.items()}
    assert spent["PutObject"] == 1
    # It reads the log, the release, its parent, both again for the tags, and the tags of each table.
    assert sum(spent.values()) <= 12


KILLED = """
import os, signal, sys
from lookdex.catalog import promotion_log
from lookdex.release import promote
from lookdex.storage import open_store

def killed(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

store = open_store(sys.argv[1])
kind = type(store)
write = kind.put_if_absent
def put_if_absent(self, key, data):
    done = write(self, key, data)
    if key.startswith("live/"):
        killed()
    return done
kind.put_if_absent = put_if_absent
promote.promote(store, "n2")
"""


def kill_between_log_and_tags(store: Store) -> None:
    died = subprocess.run([sys.executable, "-c", KILLED, store.uri], env=os.environ, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()


def test_next_command_repairs_tags_after_a_crash(anywhere: Store) -> None:
    first = nights.publish(anywhere, "n1", nights.photos(2))
    second = audited(anywhere, "n2", 3)
    kill_between_log_and_tags(anywhere)
    assert live(anywhere).release_id == "n2"
    assert tagged(anywhere) == versions(first)
    promote(anywhere, "n2")
    assert tagged(anywhere) == versions(second)


def test_crashed_promotion_does_not_stop_the_next_night(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "catalog"))
    nights.publish(store, "n1", nights.photos(2))
    audited(store, "n2", 3)
    kill_between_log_and_tags(store)
    third = nights.publish(store, "n3", nights.photos(4))
    assert third.parent == "n2"
    assert tagged(store) == versions(third)


def test_rollback_and_resume_without_a_live_release(store: Store) -> None:
    assert repair_tags(store) == []
    for command in (rollback, resume):
        with pytest.raises(ReleaseNotFound, match="nothing is live"):
            command(store)


def test_rolled_back_release_is_not_promoted_again(store: Store) -> None:
    """Although its parent is live: a retried task would undo the rollback."""
    nights.publish(store, "n1", nights.photos(2))
    nights.publish(store, "n2", nights.photos(3))
    rollback(store, note="wrong labels")
    for _ in ("while held", "after resume"):
        with pytest.raises(
            RolledBack, match=r"n2 was live and was undone .* to n1 .*wrong labels.*rollback --to n2"
        ):
            promote(store, "n2")
        resume(store)
    assert live(store).release_id == "n1"
    rollback(store, to="n2")
    assert promote(store, "n2").n == 5
