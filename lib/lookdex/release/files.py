"""The digests of a release's data files. Lance reads a flipped bit as good; the audit reads the bytes again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import lance

from lookdex import runs, tables
from lookdex.codec import from_json, to_json
from lookdex.errors import NotFound
from lookdex.records import Release, StoredFile
from lookdex.storage import Store


@dataclass(frozen=True, slots=True)
class DataFiles:
    """Every data file of a release with its digest: `runs/<release>/files-<items>-<images>.json`."""

    items: tuple[StoredFile, ...]
    images: tuple[StoredFile, ...]


def files_key(release: Release) -> str:
    folder = runs.run_folder(release.release_id)
    return f"{folder}/files-{release.items_version}-{release.images_version}.json"


def load_files(catalog: Store, release: Release) -> DataFiles | None:
    key = files_key(release)
    try:
        return from_json(DataFiles, catalog.get(key), f"{catalog.uri}/{key}")
    except NotFound:
        return None


def data_files(table: lance.LanceDataset, key: str) -> dict[str, int]:
    """The data files of an opened version (key in the catalogue → rows)."""
    return {
        f"{key}/data/{file.path}": fragment.physical_rows
        for fragment in table.get_fragments()
        for file in fragment.data_files()
    }


def save_files(catalog: Store, release: Release, before: Release | None, new: DataFiles) -> DataFiles:
    """Store the digests of every data file of `release`: the new ones, and its parent's that it still uses."""
    opened = tables.open_tables(catalog, release)
    known = load_files(catalog, before) if before else None

    def of(
        table: lance.LanceDataset, key: str, fresh: Iterable[StoredFile], old: Iterable[StoredFile]
    ) -> tuple:
        digests = {file.key: file for file in [*old, *fresh]}
        return tuple(digests[name] for name in data_files(table, key) if name in digests)

    files = DataFiles(
        of(opened.items, tables.ITEMS, new.items, known.items if known else ()),
        of(opened.images, tables.IMAGES, new.images, known.images if known else ()),
    )
    catalog.put(files_key(release), to_json(files))
    return files
