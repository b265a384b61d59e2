"""Digests of all files of a release's table versions, because Lance does not notice a flipped bit.

They cover the manifest and the data, deletion, index and transaction files of both tables. `build` records them, the
audit verifies all new files and some of the others each night, and readers verify the files that they use.
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
    """All files of a release with their digests: `runs/<release>/files-<items>-<images>.json`.

    `rows` of a file is 0 unless it is a data file. Format 1 lists data files only.
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
    """A file that is missing or has other bytes than were written. why: what is wrong with it."""

    key: str
    why: str


def files_key(release: Release) -> str:
    folder = runs.run_folder(release.release_id)
    return f"{folder}/files-{release.items_version}-{release.images_version}.json"


def load_files(catalog: Store, release: Release) -> DataFiles | None:
    """The recorded digests of a release, or None. Raises CorruptData."""
    key = files_key(release)
    try:
        return from_json(DataFiles, catalog.get(key), f"{catalog.uri}/{key}")
    except NotFound:
        return None


def find_files(catalog: Store, release: Release | None) -> DataFiles | None:
    """As `load_files`, but None, with a warning, when the record is damaged: the tables may still be intact."""
    try:
        return load_files(catalog, release) if release is not None else None
    except CorruptData as error:
        log.warning("%s Its tables are not verified.", error)
        return None


def find_damage(catalog: Store, recorded: Iterable[StoredFile]) -> list[Damage]:
    """Re-read files and return those that are missing or changed. Raises Unavailable, AccessDenied."""
    with DaemonPool("verify", READERS) as pool:  # a service that shuts down must not wait for a store
        return [damage for damage in pool.map(lambda file: check(catalog, file), recorded) if damage]


def require(catalog: Store, release: Release, wanted: Callable[[StoredFile], bool]) -> None:
    """Verify the recorded files that Lance is about to read. Raises CorruptData.

    Otherwise rows of a damaged file could be rewritten under a new digest, or Lance could read a wrong length, allocate
    a petabyte and abort the process.
    """
    recorded = find_files(catalog, release) or ()
    if found := find_damage(catalog, [f for f in recorded if wanted(f) and f"/{TRANSACTIONS}" not in f.key]):
        damage, name = found[0], release.release_id
        raise CorruptData(
            f"{catalog.uri}/{damage.key}, of release {name}, is damaged: {damage.why}. It was not used. "
            f"{describe_remedy(catalog, damage.key, name)}"
        )


def is_ledger_file(file: StoredFile) -> bool:
    return file.key.startswith(tables.IMAGES)


def is_data_file(file: StoredFile) -> bool:
    """A data file of the items: these are nearly all of a catalogue's bytes."""
    return file.key.startswith(f"{tables.ITEMS}/{DATA}")


def is_other_items_file(file: StoredFile) -> bool:
    """A file of the items other than data: the manifest, the index, deletion files."""
    return file.key.startswith(tables.ITEMS) and not is_data_file(file)


def is_not_data_file(file: StoredFile) -> bool:
    """Any file except the items' data files. These files decide how both tables are read."""
    return is_ledger_file(file) or is_other_items_file(file)


def is_manifest(file: StoredFile) -> bool:
    return f"/{MANIFESTS}" in file.key


def check(catalog: Store, file: StoredFile) -> Damage | None:
    """Re-read one file and compare its digest."""
    try:
        found = catalog.digest(file.key)
    except NotFound:
        return Damage(file.key, "it is missing")
    except NotAFile:
        return Damage(file.key, "it is not a file")
    if found.sha256 == file.sha256:
        return None
    return Damage(
        file.key,
        f"it has SHA-256 {found.sha256[:12]}… and {found.bytes:,} bytes, but was written with {file.sha256[:12]}… "
        f"and {file.bytes:,}",
    )


def describe_remedy(catalog: Store, key: str, used_by: str | None) -> str:
    """How to repair the catalogue when a file of the release `used_by` is damaged, as a sentence.

    Suggests a rollback to the latest release that was live and does not use the file. Never raises.
    """
    try:
        whole = find_releases_without(catalog, key, used_by)
    except Exception as error:  # do not lose the message that this is part of
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


def find_releases_without(catalog: Store, key: str, used_by: str | None) -> list[str]:
    """Releases that were live and do not use the file, latest first."""
    found: dict[str, bool] = {}
    for entry in reversed(promotion_log.read_log(catalog)):
        if entry.release_id in found or entry.release_id == used_by:
            continue
        try:
            recorded = load_files(catalog, promotion_log.load_release(catalog, entry.release_id))
        except LookdexError:
            continue
        # A record of data files alone does not tell which index files are used.
        complete = recorded is not None and (recorded.format > 1 or f"/{DATA}" in key)
        found[entry.release_id] = complete and key not in {file.key for file in recorded or ()}
    return [release_id for release_id, whole in found.items() if whole]
