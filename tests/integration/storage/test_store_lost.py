"""A catalogue and its service while the store hangs, refuses connections or answers 503, and afterwards."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from lookdex.config import ServiceSettings
from lookdex.errors import Unavailable
from lookdex.search.catalog import Catalog
from lookdex.search.retrieval.table import ReadKind
from lookdex.service import create_app
from lookdex.service.follow import following
from lookdex.service.http.problems import ProblemKind
from lookdex.storage import ReadOptions, Store, open_store
from tests.support.catalogs import go_live, opened, picture, publish, stock, with_index
from tests.support.proxy import Mode, Proxy, before
from tests.support.servers import S3Server
from tests.support.services import assert_problem

LOST = [Mode.HANG, Mode.REFUSE, Mode.BUSY]
SOON = 8.0  # seconds; without a limit of its own, a client tries for 10 to 150


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[Proxy]:
    with before(s3.access) as (made, _):
        yield made


@pytest.fixture
def store(s3: S3Server, proxy: Proxy) -> Store:
    """Behind the proxy, with a release that is live."""
    endpoint = f"http://127.0.0.1:{proxy.port}"
    access = type(s3.access)(endpoint, s3.access.access_key, s3.access.secret_key)
    store = open_store(s3("lost"), access, ReadOptions(hurry=True))
    publish(store, "night-1", stock())
    return store


def answers_again(catalog: Catalog) -> None:
    deadline = time.monotonic() + 20
    while catalog.store_health.problem is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_needs_a_lost_store_is_unavailable_soon(store: Store, proxy: Proxy) -> None:
    catalog = opened(store, store_seconds=0.4)
    wanted = catalog.search(picture("red")).objects
    for mode in LOST:
        proxy.mode = mode
        started = time.monotonic()
        for ask in (
            lambda: catalog.search(picture("red")),
            lambda: catalog.similar("p001"),
            lambda: catalog.crops(["a"]),
            catalog.to_pandas,
            catalog.refresh,
            lambda: opened(store, store_seconds=0.4),
        ):
            with pytest.raises(Unavailable, match="lost-"):
                ask()
        assert time.monotonic() - started < SOON
        assert catalog.release.release_id == "night-1"
        proxy.mode = Mode.PASS
        answers_again(catalog)
        assert catalog.search(picture("red")).objects == wanted
    publish(store, "night-2", stock())
    assert catalog.refresh().release_id == "night-2"
    assert catalog.behind is None


def get(catalog: Catalog, store: Store, *paths: str) -> list[httpx2.Response]:
    app = create_app(ServiceSettings(catalog=store.uri), catalog)
    app.state.ready = True

    async def ask() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
            return [await client.get(path) for path in paths]

    return asyncio.run(ask())


def test_the_service_says_that_its_store_is_lost(store: Store, proxy: Proxy) -> None:
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
    assert release.json()["facets"]["products"] == 12  # known since the release was opened
    proxy.mode = Mode.PASS
    answers_again(catalog)
    similar, ready, metrics = get(catalog, store, "/v1/products/p001/similar", "/readyz", "/metrics")
    assert (similar.status_code, ready.text) == (200, "ready\n")
    assert "lookdex_store_up 1.0" in metrics.text


def test_a_service_that_answers_from_memory_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    for one, kind in ((exact, 503), (catalog, 200)):
        with pytest.raises(Unavailable):
            one._following().watch.read(broken)
        while one.store_health.problem is None:
            time.sleep(0.005)
        similar, ready = get(one, store, "/v1/products/p001/similar", "/readyz")
        assert (similar.status_code, ready.status_code) == (200, kind)
    assert "from memory" in ready.text
    with pytest.raises(Unavailable):
        catalog._following().watch.read(broken, kind=lambda: ReadKind(True, (), frozenset({"scope"})))
    assert get(catalog, store, "/readyz")[0].status_code == 503


def test_a_read_has_no_longer_than_its_question(store: Store, proxy: Proxy) -> None:
    """Facets that nobody has read yet are read for one who asks, until the deadline."""
    catalog: Any = opened(store, store_seconds=None, poll_seconds=float("inf"))
    proxy.mode = Mode.HANG
    app = create_app(ServiceSettings(catalog=store.uri, deadline_seconds=0.2), catalog)

    async def ask() -> httpx2.Response:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.get("/v1/release")

    assert_problem(asyncio.run(ask()), ProblemKind.TOO_LATE)


def test_a_look_at_what_is_live_that_hangs_is_left_behind() -> None:
    begun, end = threading.Event(), threading.Event()

    def refresh() -> None:
        begun.set()
        end.wait(20)

    with following(SimpleNamespace(refresh=refresh), 0.01):  # type: ignore[arg-type]
        assert begun.wait(20)
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "follow"] == [True]
    end.set()
