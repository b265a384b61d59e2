"""The service with a damaged release or a hanging read."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx2
import pytest

from lookdex.catalog import integrity, tables
from lookdex.config import ServiceSettings
from lookdex.search.catalog import Catalog
from lookdex.storage import Store, open_store
from tests import fakes
from tests.support import nights
from tests.support.catalogs import opened
from tests.support.services import responses


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(str(tmp_path))
    nights.publish(store, "n1", nights.photos(3), recipe=fakes.recipe())
    return store


def get(catalog: Catalog, store: Store, path: str) -> httpx2.Response:
    (response,) = responses(ServiceSettings(catalog=store.uri), catalog, path)
    return response


def test_damaged_release_is_neither_ready_nor_searched(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = opened(store, verify_bytes=0)
    similar = "/v1/products/p0001/similar"
    assert get(catalog, store, "/readyz").text == "ready\n"
    assert get(catalog, store, similar).status_code == 200
    (key,) = [listed.key for listed in store.list(f"{tables.ITEMS}/data/")]
    store.put(key, store.get(key)[:-1] + b"\xff")
    catalog.opened.items.verified._check_rest_once()
    assert integrity.check(store, catalog.opened.items.verified._rest[0])
    answer = get(catalog, store, "/readyz")
    assert answer.status_code == 500
    assert "the release is damaged" in answer.json()["detail"]
    assert get(catalog, store, similar).status_code == 500
    # The remedy is for operators, not for clients.
    assert "reindex --full" in caplog.text
    assert key not in answer.text


def test_hanging_read_exceeds_the_deadline(store: Store) -> None:
    catalog = opened(store, read_seconds=0.05)
    end = threading.Event()
    items = catalog.opened.items
    items.dataset = type("Endless", (), {"to_table": lambda self, **_: end.wait(20)})()
    answer = get(catalog, store, "/v1/products/p0001/similar")
    end.set()
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:lookdex:problem:too-late"
