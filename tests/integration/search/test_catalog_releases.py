"""Which release a catalogue answers from, and with which models, as releases are published."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from lookdex.errors import ModelMismatch, ReleaseNotFound, Unavailable
from lookdex.storage import open_store
from tests.fakes import FakeDetector, FakeEmbedder, recipe
from tests.support.catalogs import go_live, opened, picture, publish, stock, write_release


def test_missing_release_names_the_command(root_uri: str) -> None:
    with pytest.raises(ReleaseNotFound, match=r"lookdex reindex --source … --catalog"):
        opened(root_uri)
    with pytest.raises(ReleaseNotFound, match="no release night-9"):
        opened(root_uri, release="night-9")


def test_catalogue_follows_the_live_release_unless_pinned(root_uri: str) -> None:
    store = open_store(root_uri)
    publish(store, "night-1", stock())
    following, pinned = opened(root_uri), opened(root_uri, release="night-1")
    lazy = opened(root_uri, poll_seconds=3600.0)
    publish(store, "night-2", stock(products=6))
    for catalog, release, matches in ((following, "night-2", 6), (pinned, "night-1", 12)):
        answer = catalog.search(picture("red"), k=20)
        assert (answer.release_id, len(answer.objects[0].matches)) == (release, matches)
    assert lazy.release.release_id == "night-1"  # within its poll_seconds
    assert lazy.refresh().release_id == "night-2"
    go_live(store, "night-1")  # a rollback
    assert following.release.release_id == "night-1"
    assert len(following.search(picture("red"), k=20).objects[0].matches) == 12


def test_release_can_be_searched_before_it_is_live(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    publish(store, "night-1", stock())
    candidate = write_release(store, "night-2", stock(products=3))
    assert opened(store, release=candidate).search(picture("red")).release_id == "night-2"
    assert opened(str(tmp_path)).release.release_id == "night-1"


def test_log_is_polled_rarely_and_failed_polls_do_not_stop_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(str(tmp_path))
    publish(store, "night-1", stock())
    following, pinned = opened(store, poll_seconds=3600.0), opened(store, release="night-1")
    before = store.requests
    following.search(picture("red"))
    pinned.search(picture("red"))
    assert store.requests == before
    following = opened(store)
    (tmp_path / "live" / "00000002.json").write_text("{ half an entry")
    assert following.search(picture("red")).release_id == "night-1"
    assert "00000002.json is damaged" in (following.behind or "")
    following.search(picture("red"))
    assert sum("still answering from release night-1" in r.getMessage() for r in caplog.records) == 1
    (tmp_path / "live" / "00000002.json").unlink()
    publish(store, "night-2", stock())
    assert following.search(picture("red")).release_id == "night-2"
    assert following.behind is None


def test_removed_catalogue_is_reported_and_the_open_release_answers(root_uri: str) -> None:
    store = open_store(root_uri)
    publish(store, "night-1", stock())
    catalog = opened(root_uri).load()
    for listed in list(store.list()):
        store.delete(listed.key)
    with pytest.raises(Unavailable, match="is gone: nothing is live in it"):
        catalog.refresh()
    assert "is gone" in (catalog.behind or "")
    assert catalog.release.release_id == "night-1"
    publish(store, "night-2", stock())
    assert catalog.refresh().release_id == "night-2"
    assert catalog.behind is None


def test_models_that_differ_from_those_of_the_release_are_refused(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    publish(store, "night-1", stock())
    uri = str(tmp_path)

    @dataclass(frozen=True)
    class Digested(FakeEmbedder):
        digest: str = "0123"

    @dataclass(frozen=True)
    class Renamed(FakeDetector):
        name: str = "another"

    with pytest.raises(ModelMismatch, match=r"digest fake\).*python:tests.fakes:embedder \(digest 0123\)"):
        opened(uri, embedder=Digested())
    with pytest.raises(ModelMismatch, match=r"detector python:tests.fakes:detector .* here is another"):
        opened(uri, detector=Renamed())
    with pytest.raises(ModelMismatch, match="gives vectors of 8 numbers, the release holds vectors of 16"):
        opened(uri, embedder=FakeEmbedder(dim=8))
    assert opened(uri, embedder=Digested(digest="fake")).search(picture("red")).release_id == "night-1"


def test_release_of_other_models_is_not_followed_with_given_models(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    publish(store, "night-1", stock())
    catalog = opened(store)
    publish(store, "night-2", stock(), recipe=recipe(embedder_digest="newer"))
    assert catalog.search(picture("red")).release_id == "night-1"
    assert "digest newer" in (catalog.behind or "")
    publish(store, "night-3", stock(), recipe=recipe(embedder="a wider one"), dim=24)
    assert catalog.search(picture("red")).release_id == "night-1"
    assert "a wider one" in (catalog.behind or "")
    with pytest.raises(ModelMismatch):
        catalog.refresh()
    publish(store, "night-4", stock())
    assert catalog.search(picture("red")).release_id == "night-4"


def test_concurrent_searches_are_consistent_while_releases_change(root_uri: str) -> None:
    """Every title names its release: no answer mixes two releases, and none fails."""
    store = open_store(root_uri)
    publish(store, "night-1", stock())
    write_release(store, "night-2", stock(products=9))
    catalog, stop = opened(root_uri), threading.Event()
    seen: set[str] = set()
    wrong: list[object] = []

    def ask() -> None:
        while not stop.is_set():
            try:
                answer = catalog.search(picture("red", "blue"), k=4)
                titles = {m.columns["title"].split()[-1] for lane in answer.lanes for m in lane.matches}
                if titles != {answer.release_id}:
                    wrong.append((answer.release_id, titles))
                seen.add(answer.release_id)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(20):
        go_live(store, f"night-{turn % 2 + 1}")
        stop.wait(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert seen == {"night-1", "night-2"}
