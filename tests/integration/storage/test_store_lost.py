"""A catalogue and its service while the store hangs, refuses connections or answers 503, and after that."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest

from lookdex.config import ServiceSettings
from lookdex.errors import Unavailable
from lookdex.search.catalog import Catalog
from lookdex.search.retrieval.table import ReadKind
from lookdex.service.follow import follow_live
from lookdex.service.http.problems import ProblemKind
from lookdex.storage import ReadOptions, Store, open_store
from tests.support.catalogs import go_live, opened, picture, publish, stock, with_index
from tests.support.proxy import Mode, Proxy, before
from tests.support.servers import S3Server
from tests.support.services import assert_problem, responses

LOST = [Mode.HANG, Mode.REFUSE, Mode.BUSY]


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[Proxy]:
    with before(s3.access) as (proxy, _):
        yield proxy


@pytest.fixture
def store(s3: S3Server, proxy: Proxy) -> Store:
    """A store behind the proxy, with a live release."""
    endpoint = f"http://127.0.0.1:{proxy.port}"
    access = type(s3.access)(endpoint, s3.access.access_key, s3.access.secret_key)
    store = open_store(s3("lost"), access, ReadOptions(hurry=True))
    publish(store, "night-1", stock())
    return store


def wait_for_store(catalog: Catalog) -> None:
    deadline = time.monotonic() + 20
    while catalog.store_health.problem is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_calls_that_need_a_lost_store_raise_unavailable(store: Store, proxy: Proxy) -> None:
    catalog = opened(store, store_seconds=0.4)
    expected = catalog.search(picture("red")).objects
    for mode in LOST:
        proxy.mode = mode
        for use in (
            lambda: catalog.search(picture("red")),
            lambda: catalog.similar("p001"),
            lambda: catalog.crops(["a"]),
            catalog.to_pandas,
            catalog.refresh,
            lambda: opened(store, store_seconds=0.4),
        ):
            with pytest.raises(Unavailable, match="lost-"):
                use()
        assert catalog.release.release_id == "night-1"
        proxy.mode = Mode.PASS
        wait_for_store(catalog)
        assert catalog.search(picture("red")).objects == expected
    publish(store, "night-2", stock())
    assert catalog.refresh().release_id == "night-2"
    assert catalog.behind is None


def get(catalog: Catalog, store: Store, *paths: str) -> list[httpx2.Response]:
    return responses(ServiceSettings(catalog=store.uri), catalog, *paths)


def test_service_reports_a_lost_store(store: Store, proxy: Proxy) -> None:
    catalog = opened(store, store_seconds=0.4, poll_seconds=float("inf")).load()
    proxy.mode = Mode.HANG
    similar, crop, ready, metrics, release = get(
        catalog, store, "/v1/products/p001/similar", "/v1/crops/a", "/readyz", "/metrics", "/v1/release"
    )
    for refused in (similar, crop, ready):
        assert_problem(refused, ProblemKind.STORE_UNAVAILABLE, "try again later")
        assert int(refused.headers["retry-after"]) >= 1
        assert "127.0.0.1" not in refused.text
    assert "lookdex_store_up 0.0" in metrics.text
    assert release.json()["facets"]["products"] == 12  # read when the release was opened
    proxy.mode = Mode.PASS
    wait_for_store(catalog)
    similar, ready, metrics = get(catalog, store, "/v1/products/p001/similar", "/readyz", "/metrics")
    assert (similar.status_code, ready.text) == (200, "ready\n")
    assert "lookdex_store_up 1.0" in metrics.text


def test_service_that_answers_from_memory_stays_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(str(tmp_path))
    publish(store, "night-1", stock())
    exact = opened(store, store_seconds=10.0, poll_seconds=float("inf")).load()
    with_index(store, exact.release, "night-2", partitions=2, nprobes=2)
    go_live(store, "night-2")
    catalog = opened(store, store_seconds=10.0, poll_seconds=float("inf")).load()

    def lost(key: str, seconds: float) -> None:
        raise Unavailable("the disk is gone")

    def broken() -> None:
        raise Unavailable("and its files")

    monkeypatch.setattr(store, "ping", lost)
    for reader, status in ((exact, 503), (catalog, 200)):
        with pytest.raises(Unavailable):
            reader._follower().watch.read(broken)
        while reader.store_health.problem is None:
            time.sleep(0.005)
        similar, ready = get(reader, store, "/v1/products/p001/similar", "/readyz")
        assert (similar.status_code, ready.status_code) == (200, status)
    assert "from memory" in ready.text
    with pytest.raises(Unavailable):
        catalog._follower().watch.read(broken, kind=lambda: ReadKind(True, (), frozenset({"scope"})))
    assert get(catalog, store, "/readyz")[0].status_code == 503


def test_read_ends_at_the_deadline_of_its_request(store: Store, proxy: Proxy) -> None:
    """Facets are read on the first request, which ends at its deadline."""
    catalog = opened(store, store_seconds=None, poll_seconds=float("inf"))
    proxy.mode = Mode.HANG
    (refused,) = responses(ServiceSettings(catalog=store.uri, deadline_seconds=0.2), catalog, "/v1/release")
    assert_problem(refused, ProblemKind.TOO_LATE)


def test_hanging_refresh_does_not_block_shutdown() -> None:
    started, end = threading.Event(), threading.Event()

    def refresh() -> None:
        started.set()
        end.wait(20)

    with follow_live(SimpleNamespace(refresh=refresh), 0.01):  # type: ignore[arg-type]  # refresh is all it needs
        assert started.wait(20)
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "follow"] == [True]
    end.set()
