"""Digests of every file that a release's table versions name, because Lance does not notice a flipped bit.

They cover the data, deletion, index and transaction files and the manifest of both tables. `build` records them; the
audit re-reads the new files before they go live, and some of the others each night; a reader checks what it will use.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from lookdex.catalog import promotion_log, runs, tables
from lookdex.catalog.json_codec import from_json
from lookdex.errors import CorruptData, LookdexError, NotAFile, NotFound
from lookdex.records import Release, StoredFile
from lookdex.runtime.daemons import DaemonPool
from lookdex.storage import Store

READERS = 8
DATA, MANIFESTS, TRANSACTIONS = "data/", "_versions/", "_transactions/"  # folders of a table

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DataFiles:
    """Every file of a release with its digest: `runs/<release>/files-<items>-<images>.json`.

    rows: of a data file; 0 for other files. Format 1 lists data files only.
    """

    FORMAT: ClassVar[int] = 2

    items: tuple[StoredFile, ...]
    images: tuple[StoredFile, ...]
    format: int = 1

    def __iter__(self) -> Iterator[StoredFile]:
        yield from self.items
        yield from self.images


@dataclass(frozen=True, slots=True)
class Damage:
    """A file whose bytes are not those that were written. why: what is wrong with it."""

    key: str
    why: str


def files_key(release: Release) -> str:
    folder = runs.run_folder(release.release_id)
    return f"{folder}/files-{release.items_version}-{release.images_version}.json"


def load_files(catalog: Store, release: Release) -> DataFiles | None:
    """The recorded digests; None where there are none. Raises CorruptData."""
    key = files_key(release)
    try:
        return from_json(DataFiles, catalog.get(key), f"{catalog.uri}/{key}")
    except NotFound:
        return None


def find_files(catalog: Store, release: Release | None) -> DataFiles | None:
    """As `load_files`, but None, with a warning, where the record itself is damaged: the tables may still be good."""
    try:
        return load_files(catalog, release) if release is not None else None
    except CorruptData as error:
        log.warning("%s Its tables are read unchecked.", error)
        return None


def changed(catalog: Store, recorded: Iterable[StoredFile]) -> list[Damage]:
    """Re-read files; returns those that are missing or not as written. Raises Unavailable, AccessDenied."""
    with DaemonPool("verify", READERS) as pool:  # a service that ends waits for no store
        return [damage for damage in pool.map(lambda file: check(catalog, file), recorded) if damage]


def require(catalog: Store, release: Release, wanted: Callable[[StoredFile], bool]) -> None:
    """Verify the recorded files of a release that Lance is about to read.

    Otherwise rows of a damaged file would be rewritten under a new digest; or Lance would take a length from it, ask
    for a petabyte and abort the process. Raises CorruptData.
    """
    recorded = find_files(catalog, release) or ()
    if found := changed(catalog, [f for f in recorded if wanted(f) and f"/{TRANSACTIONS}" not in f.key]):
        damage, name = found[0], release.release_id
        raise CorruptData(
            f"{catalog.uri}/{damage.key}, of release {name}, is damaged: {damage.why}. Nothing was done with it. "
            f"{remedy(catalog, damage.key, name)}"
        )


def of_ledger(file: StoredFile) -> bool:
    return file.key.startswith(tables.IMAGES)


def of_data(file: StoredFile) -> bool:
    """A data file of the items: nearly all that a catalogue weighs."""
    return file.key.startswith(f"{tables.ITEMS}/{DATA}")


def of_items(file: StoredFile) -> bool:
    """A file of the items other than data: the manifest, the index, deletion files."""
    return file.key.startswith(tables.ITEMS) and not of_data(file)


def all_but_data(file: StoredFile) -> bool:
    """Any file but the items' data files: together these decide how both tables are read."""
    return of_ledger(file) or of_items(file)


def is_manifest(file: StoredFile) -> bool:
    return f"/{MANIFESTS}" in file.key


def check(catalog: Store, file: StoredFile) -> Damage | None:
    try:
        found = catalog.digest(file.key)
    except NotFound:
        return Damage(file.key, "it is gone")
    except NotAFile:
        return Damage(file.key, "it is no file")
    if found.sha256 == file.sha256:
        return None
    return Damage(
        file.key,
        f"it has SHA-256 {found.sha256[:12]}… and {found.bytes:,} bytes, but was written with {file.sha256[:12]}… "
        f"and {file.bytes:,}",
    )


def remedy(catalog: Store, key: str, used_by: str | None) -> str:
    """How to repair the catalogue when a file of the release `used_by` is damaged, as a sentence.

    It prefers the release that was live last among those without the file. Never raises: it is part of a message.
    """
    try:
        whole = releases_without(catalog, key, used_by)
    except Exception as error:  # the message that this is part of must not be lost
        log.warning("could not look for a release without %s: %s", key, error)
        whole = []
    manifest = f"/{MANIFESTS}" in key
    steps = ["Restore the file from a backup or the bucket's object versions"]
    if whole:
        then = f", then remove {key}" if manifest else ""
        steps.append(f"`lookdex rollback --to {whole[0]}`{then}")
    if key.startswith(tables.ITEMS) and not manifest:
        steps.append("index every photo again with `lookdex reindex --full`")
    if len(steps) == 1:
        steps.append("reindex into an empty catalogue")
    return f"{', or '.join(steps)}."


def releases_without(catalog: Store, key: str, used_by: str | None) -> list[str]:
    """Releases that were live and do not use the file, latest first."""
    found: dict[str, bool] = {}
    for entry in reversed(promotion_log.read_log(catalog)):
        if entry.release_id in found or entry.release_id == used_by:
            continue
        try:
            recorded = load_files(catalog, promotion_log.load_release(catalog, entry.release_id))
        except LookdexError:
            continue
        # A record of data files alone does not say which index files were in use.
        complete = recorded is not None and (recorded.format > 1 or f"/{DATA}" in key)
        found[entry.release_id] = complete and key not in {file.key for file in recorded or ()}
    return [release_id for release_id, whole in found.items() if whole]
