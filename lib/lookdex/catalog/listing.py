"""What photos the source has: one paged, parallel walk of a bucket or a folder into an Arrow table."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from lookdex.errors import ConfigError
from lookdex.storage import Listed, Store

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif")
LISTING_SCHEMA = pa.schema([("image_key", pa.string()), ("etag", pa.string()), ("bytes", pa.int64())])
# One request lists 1,000 keys, or one prefix: with more prefixes than this (a folder per product), walking
# straight through their parent is cheaper than asking for each.
MAX_PREFIXES = 256
MAX_DEPTH = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Split:
    """Prefixes to walk side by side, and what was found above them on the way."""

    prefixes: list[str]
    pages: list[list[Listed]]


def list_source(store: Store, workers: int = 8) -> pa.Table:
    """The photos below the store's root as LISTING_SCHEMA (image_key, etag, bytes), sorted by key.

    Photos are the keys with an image suffix, in any case; other keys, hidden files and names that are not UTF-8 are
    left out, the latter with a warning. Raises ConfigError for a folder that does not exist, and for a file.
    """
    split = _split(store, workers)
    with ThreadPoolExecutor(workers) as pool:
        tables = list(pool.map(lambda prefix: _collect(store.pages(prefix)), split.prefixes))
    tables.append(_collect(iter(split.pages)))
    table = pa.concat_tables(tables)
    if table.num_rows == 0 and "://" not in store.uri and not (path := Path(store.uri)).is_dir():
        wrong = "is a file" if path.exists() else "does not exist"
        raise ConfigError(f"the source {store.uri} {wrong}; give a folder with photos or s3://bucket/prefix")
    return table.sort_by("image_key").combine_chunks()


def _split(store: Store, workers: int) -> _Split:
    """Go down level by level until there are enough prefixes to keep the workers busy, or too many to ask for."""
    prefixes, pages = [""], []
    for _ in range(MAX_DEPTH):
        if len(prefixes) >= workers:
            break
        below: list[str] = []
        found: list[list[Listed]] = []
        for prefix in prefixes:
            level = store.level(prefix, max_pages=2)
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


def _collect(pages: Iterator[list[Listed]]) -> pa.Table:
    """Page by page into columns: a million `Listed` at once would take some 300 MB."""
    batches = []
    for page in pages:
        photos = [listed for listed in page if _is_photo(listed.key)]
        if photos:
            columns = [[p.key for p in photos], [p.etag for p in photos], [p.bytes for p in photos]]
            batches.append(pa.record_batch(columns, schema=LISTING_SCHEMA))
    return pa.Table.from_batches(batches, LISTING_SCHEMA)


def _is_photo(key: str) -> bool:
    if not key.lower().endswith(SUFFIXES) or key.rpartition("/")[2].startswith("."):
        return False
    try:
        key.encode()
    except UnicodeEncodeError:  # a file name in another encoding: Arrow, S3 and the table could not hold it
        log.warning("%r is not UTF-8 and is left out; rename the file", key)
        return False
    return True
