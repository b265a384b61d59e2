"""The source's photos as a table, out of a folder and a bucket, whatever the layout."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pyarrow as pa
import pytest

from lookdex.catalog import listing
from lookdex.catalog.listing import LISTING_SCHEMA, list_source
from lookdex.errors import ConfigError
from lookdex.storage import Store, open_store

LAYOUTS = {
    "flat": [f"{i:03d}.jpg" for i in range(30)],
    "one folder": [f"photos/{i:03d}.png" for i in range(30)],
    "a folder per product": [f"p{i // 3:03d}/{i % 3}.webp" for i in range(60)],
    "nested": [f"{a}/{b}/{c}.JPG" for a in "ab" for b in "xyz" for c in range(4)] + ["top.gif", "a/mid.jpeg"],
    "odd names": ["ü/ñ+1.jpg", "a b/c%20d.jpg", "日本.jpg", "q?#&.jpg"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("workers", [1, 8])
def test_every_photo_is_listed_once_in_order(store: Store, layout: str, workers: int) -> None:
    keys = LAYOUTS[layout]
    for key in keys:
        store.put(key, key.encode())
    table = list_source(store, workers=workers)
    assert table.schema == LISTING_SCHEMA
    assert table["image_key"].to_pylist() == sorted(keys)
    assert table["bytes"].to_pylist() == [len(key.encode()) for key in sorted(keys)]
    etags = {listed.key: listed.etag for listed in store.list()}
    assert table["etag"].to_pylist() == [etags[key] for key in sorted(keys)]


def test_more_folders_than_it_asks_for_one_by_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_PREFIXES", 5)
    keys = [f"shop/p{i:03d}/front.jpg" for i in range(20)] + ["shop/cover.jpg", "other/x.jpg"]
    for key in keys:
        store.put(key, b"1")
    before = store.requests
    assert list_source(store)["image_key"].to_pylist() == sorted(keys)
    assert store.requests - before < 15


def test_only_photos(store: Store) -> None:
    kept = ["a.jpg", "b.JPEG", "c.Png", "d.webp", "e.gif", "f/g.jfif"]
    for key in [
        *kept,
        "readme.txt",
        "jpg",
        "x.jpg.bak",
        "f/.hidden.jpg",
        "f/._g.jpg",
        "video.mp4",
        "Thumbs.db",
    ]:
        store.put(key, b"1")
    assert list_source(store)["image_key"].to_pylist() == sorted(kept)


def test_an_empty_source_is_an_empty_table(store: Store) -> None:
    store.put("readme.txt", b"1")
    assert list_source(store).equals(pa.table(LISTING_SCHEMA.empty_table()))


def test_a_folder_that_is_not_there_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing does not exist"):
        list_source(open_store(tmp_path / "nothing"))
    (tmp_path / "a.jpg").write_bytes(b"1")
    with pytest.raises(ConfigError, match=r"a\.jpg is a file; give a folder"):
        list_source(open_store(tmp_path / "a.jpg"))


def test_names_that_are_not_utf8_are_left_out_loudly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "good.jpg").write_bytes(b"1")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"1")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with caplog.at_level(logging.WARNING):
        assert list_source(open_store(tmp_path))["image_key"].to_pylist() == ["good.jpg"]
    assert "not UTF-8" in caplog.text
