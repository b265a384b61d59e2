"""List the source's photos: a paged, parallel walk of a bucket or folder into an Arrow table."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from lookdex.errors import ConfigError
from lookdex.imaging.formats import find_skip_reason, has_picture_suffix
from lookdex.records import Skip, SkippedKeys
from lookdex.storage import Listed, Store

LISTING_SCHEMA = pa.schema([("image_key", pa.string()), ("etag", pa.string()), ("bytes", pa.int64())])
# One request lists up to 1,000 keys below one prefix. With more prefixes than this (a folder per product), listing
# their parent is cheaper than listing each.
MAX_PREFIXES = 256
MAX_DEPTH = 4
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Source:
    """The listing of a source. Each key is either a photo or skipped.

    photos: LISTING_SCHEMA, sorted by key: everything that is or may be a photo. archived: keys of photos that must be
    restored before they can be read. skipped: the other keys, by reason. unnamed: how many photos have no image suffix
    (their content decides); unnamed_examples: the first few.
    """

    photos: pa.Table
    archived: pa.Array
    skipped: tuple[SkippedKeys, ...]
    unnamed: int
    unnamed_examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Split:
    """Prefixes to list in parallel, and the objects found above them."""

    prefixes: list[str]
    pages: list[list[Listed]]


def list_source(store: Store, workers: int = 8) -> Source:
    """List the photos and the skipped keys below the store's root.

    Raises ConfigError when the folder or bucket does not exist, or the path is a file.
    """
    split = _split(store, workers)
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(lambda prefix: _collect(store.pages(prefix, markers=True)), split.prefixes))
    parts.append(_collect(iter(split.pages)))
    photos = pa.concat_tables(part.photos for part in parts)
    skipped = _merge(part.skipped for part in parts)
    if (
        not photos.num_rows
        and not skipped
        and "://" not in store.uri
        and not (path := Path(store.uri)).is_dir()
    ):
        wrong = "is a file" if path.exists() else "does not exist"
        raise ConfigError(f"the source {store.uri} {wrong}; give a folder with photos or s3://bucket/prefix")
    unnamed = _Keys()
    for part in parts:
        unnamed.add(part.unnamed.count, part.unnamed.first)
    return Source(
        photos.sort_by("image_key").combine_chunks(),
        pa.array(sorted(key for part in parts for key in part.archived), pa.string()),
        tuple(SkippedKeys(reason, keys.count, keys.first) for reason, keys in sorted(skipped.items())),
        unnamed.count,
        unnamed.first,
    )


def _split(store: Store, workers: int) -> _Split:
    """Descend until there are enough prefixes to keep the workers busy, or too many to list one by one."""
    prefixes, pages = [""], []
    for _ in range(MAX_DEPTH):
        if len(prefixes) >= workers:
            break
        below: list[str] = []
        found: list[list[Listed]] = []
        for prefix in prefixes:
            level = store.level(prefix, max_pages=2, markers=True)
            if not level.complete or len(level.prefixes) > MAX_PREFIXES:
                below.append(prefix)
            else:
                below += level.prefixes
                found.append(level.objects)
        pages += found
        if below == prefixes:
            break
        prefixes = below
    return _Split(prefixes, pages)


@dataclass(slots=True)
class _Keys:
    """A number of keys and the first few in order."""

    count: int = 0
    first: tuple[str, ...] = ()

    def add(self, count: int, keys: Iterable[str]) -> None:
        self.count += count
        self.first = tuple(heapq.nsmallest(EXAMPLES, (*self.first, *keys)))


_ByReason = dict[Skip, _Keys]


@dataclass(frozen=True, slots=True)
class _Part:
    """The result of one walk, unordered."""

    photos: pa.Table
    archived: list[str]
    skipped: _ByReason
    unnamed: _Keys


def _merge(parts: Iterable[_ByReason]) -> _ByReason:
    merged: _ByReason = {}
    for part in parts:
        for reason, keys in part.items():
            merged.setdefault(reason, _Keys()).add(keys.count, keys.first)
    return merged


def _collect(pages: Iterator[list[Listed]]) -> _Part:
    """Collect pages into columns one by one: a million `Listed` at once would take about 300 MB."""
    batches = []
    part = _Part(LISTING_SCHEMA.empty_table(), [], {}, _Keys())
    for page in pages:
        photos = []
        for listed in page:
            reason = find_skip_reason(listed.key, listed.bytes, listed.file)
            if reason is not None:
                key = listed.key.encode(errors="backslashreplace").decode() or "/"  # the prefix itself
                part.skipped.setdefault(reason, _Keys()).add(1, (key,))
                continue
            photos.append(listed)
            if listed.archived:
                part.archived.append(listed.key)
            if not has_picture_suffix(listed.key):
                part.unnamed.add(1, (listed.key,))
        if photos:
            columns = [[p.key for p in photos], [p.etag for p in photos], [p.bytes for p in photos]]
            batches.append(pa.record_batch(columns, schema=LISTING_SCHEMA))
    return replace(part, photos=pa.Table.from_batches(batches, LISTING_SCHEMA))
