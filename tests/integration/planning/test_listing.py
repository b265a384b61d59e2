"""Listing the photos of a source, a folder or a bucket, in any layout."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.errors import ConfigError
from lookdex.imaging.formats import find_skip_reason, has_picture_suffix
from lookdex.planning import listing
from lookdex.planning.listing import LISTING_SCHEMA, list_source
from lookdex.records import Skip, SkippedKeys
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
    table = list_source(store, workers=workers).photos
    assert table.schema == LISTING_SCHEMA
    assert table["image_key"].to_pylist() == sorted(keys)
    assert table["bytes"].to_pylist() == [len(key.encode()) for key in sorted(keys)]
    etags = {listed.key: listed.etag for listed in store.list()}
    assert table["etag"].to_pylist() == [etags[key] for key in sorted(keys)]


def test_many_folders_take_few_requests(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_PREFIXES", 5)
    keys = [f"shop/p{i:03d}/front.jpg" for i in range(20)] + ["shop/cover.jpg", "other/x.jpg"]
    for key in keys:
        store.put(key, b"1")
    before = store.requests
    assert list_source(store).photos["image_key"].to_pylist() == sorted(keys)
    assert store.requests - before < 15


def test_every_key_is_a_photo_or_skipped(store: Store) -> None:
    named = ["a.jpg", "b.JPEG", "c.Png", "d.webp", "e.gif", "f/g.jfif", "h.heic", "i.AVIF", "j.HIF"]
    unnamed = ["noext", "x.jpg_large", "a.jpeg?width=800", "trail.jpg ", "README", "v1.2/photo", "a.b.q"]
    others = {
        Skip.OTHER_TYPE: [
            "readme.txt",
            "x.jpg.bak",
            "video.mp4",
            "Thumbs.db",
            "feed.csv",
            "a.ZIP",
            "p.parquet",
        ],
        Skip.UNREAD_FORMAT: ["a.tif", "b.svg", "c.CR2", "d.psd", "e.bmp"],
        Skip.HIDDEN: ["f/.hidden.jpg", "f/._g.jpg", ".DS_Store", ".git/objects/ab12"],
    }
    for key in [*named, *unnamed, *(key for keys in others.values() for key in keys)]:
        store.put(key, b"1")
    store.put("out/_SUCCESS", b"")
    found = list_source(store)
    assert found.photos["image_key"].to_pylist() == sorted([*named, *unnamed])
    assert (found.unnamed, found.unnamed_examples) == (len(unnamed), tuple(sorted(unnamed)[:3]))
    assert {keys.reason: (keys.count, keys.examples) for keys in found.skipped} == {
        **{reason: (len(keys), tuple(sorted(keys)[:3])) for reason, keys in others.items()},
        Skip.EMPTY: (1, ("out/_SUCCESS",)),
    }


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30), st.integers(0, 3))
def test_only_size_zero_and_hidden_names_skip_a_picture(key: str, size: int) -> None:
    if find_skip_reason(key, 1) is None:
        assert find_skip_reason(key, 0) in (None, Skip.EMPTY)
    if has_picture_suffix(key) and not key.rpartition("/")[2].startswith("."):
        assert find_skip_reason(key, size) is None


def test_empty_source_is_an_empty_table(store: Store) -> None:
    store.put("readme.txt", b"1")
    assert list_source(store).photos.equals(pa.table(LISTING_SCHEMA.empty_table()))


def test_missing_folder_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing does not exist"):
        list_source(open_store(tmp_path / "nothing"))
    (tmp_path / "a.jpg").write_bytes(b"1")
    with pytest.raises(ConfigError, match=r"a\.jpg is a file; give a folder"):
        list_source(open_store(tmp_path / "a.jpg"))


def test_broken_links_and_special_files_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"1")
    (tmp_path / "good.jpg").symlink_to("a.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    store = open_store(tmp_path)
    found = list_source(store)
    assert found.photos["image_key"].to_pylist() == ["a.jpg", "good.jpg"]
    assert found.skipped == (SkippedKeys(Skip.NOT_A_FILE, 3, ("gone.jpg", "loop.jpg", "pipe.jpg")),)
    assert [listed.key for listed in store.list()] == ["a.jpg", "good.jpg"]
    assert [listed.key for listed in store.level().objects] == ["a.jpg", "good.jpg"]


def test_links_to_parent_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "p" / "q").mkdir(parents=True)
    (tmp_path / "p" / "q" / "a.jpg").write_bytes(b"1")
    (tmp_path / "self").symlink_to(".")
    (tmp_path / "p" / "q" / "up").symlink_to("..")
    (tmp_path / "also").symlink_to("p")  # not a loop: its photos have two names
    store = open_store(tmp_path)
    keys = ["also/q/a.jpg", "p/q/a.jpg"]
    for workers in (1, 8):
        assert list_source(store, workers).photos["image_key"].to_pylist() == keys
    assert [listed.key for listed in store.list("p/q/up/")] == []


def test_names_that_are_not_utf8_are_counted(tmp_path: Path) -> None:
    (tmp_path / "good.jpg").write_bytes(b"1")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"1")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    found = list_source(open_store(tmp_path))
    assert found.photos["image_key"].to_pylist() == ["good.jpg"]
    assert found.skipped == (SkippedKeys(Skip.NOT_UTF8, 1, ("caf\\udce9.jpg",)),)
