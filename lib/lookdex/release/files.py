"""Record the digests of a release's files (see `catalog.integrity`) where the files are written."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import lance
import numpy as np

from lookdex.catalog import tables
from lookdex.catalog.integrity import DATA, READERS, DataFiles, files_key, find_files
from lookdex.catalog.json_codec import to_sealed_json
from lookdex.records import Release, StoredFile
from lookdex.storage import Store

log = logging.getLogger(__name__)


def list_files(table: lance.LanceDataset, key: str) -> dict[str, int]:
    """Every file that a table version uses: key in the catalogue → rows of a data file, else 0."""
    rows = {
        f"{key}/{DATA}{file.path}": fragment.physical_rows
        for fragment in table.get_fragments()
        for file in fragment.data_files()
    }
    tracked = table.tracked_files(min_version=table.version).read_all()
    names = [
        f"{key}/{path}"
        for version, path in zip(tracked["version"].to_pylist(), tracked["path"].to_pylist(), strict=True)
        if version == table.version
    ]
    return {name: rows.get(name, 0) for name in sorted({*names, *rows})}


def find_data_files(items: lance.LanceDataset, rows: np.ndarray) -> set[str]:
    """The data files with these rows of `items` (uint64, Lance's row ids)."""
    numbers = {int(number) for number in np.unique(rows >> np.uint64(32))}
    return {
        f"{tables.ITEMS}/{DATA}{file.path}"
        for fragment in items.get_fragments()
        if fragment.fragment_id in numbers
        for file in fragment.data_files()
    }


def save_files(catalog: Store, release: Release, before: Release | None, new: DataFiles) -> DataFiles:
    """Store the digests of all files of `release`.

    new: digests taken where the files were written. Digests of earlier nights are kept. All others are taken now: of
    files that the commits wrote, and of files that an older lookdex did not record.
    """
    release_tables = tables.open_tables(catalog, release)
    known = {file.key: file for file in [*(find_files(catalog, before) or ()), *new]}

    def digests(table: lance.LanceDataset, key: str) -> tuple[StoredFile, ...]:
        names = list_files(table, key)
        missing = [name for name in names if name not in known]
        if lost := [name for name in missing if name.startswith(f"{key}/{DATA}")]:
            log.warning(
                "%s: the digests of %d older data files are lost (first: %s); the files are recorded as they are now",
                catalog.uri,
                len(lost),
                lost[0],
            )
        with ThreadPoolExecutor(READERS) as pool:
            taken = zip(missing, pool.map(catalog.digest, missing), strict=True)
            known.update({name: StoredFile(name, d.sha256, names[name], d.bytes) for name, d in taken})
        return tuple(known[name] for name in names)

    files = DataFiles(
        digests(release_tables.items, tables.ITEMS),
        digests(release_tables.images, tables.IMAGES),
        DataFiles.FORMAT,
    )
    catalog.put(files_key(release), to_sealed_json(files))
    return files
