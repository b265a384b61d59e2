"""The promotion log, which decides what is live, and the stored releases.

`live/<n>.json` is put if absent, so of two promotions exactly one writes entry n + 1. Entries and `releases/<id>.json`
are never changed.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from lookdex.catalog.json_codec import from_json, to_sealed_json
from lookdex.errors import (
    CorruptData,
    NewerFormat,
    NotFound,
    PromotionConflict,
    ReleaseNotFound,
    StorageError,
    Unavailable,
)
from lookdex.records import LiveEntry, Release
from lookdex.runtime.daemons import DaemonPool
from lookdex.storage import Store

_ENTRY = re.compile(r"live/(\d{8})\.json")
_READERS = 8
log = logging.getLogger(__name__)
K = TypeVar("K")
R = TypeVar("R", LiveEntry, Release)


@dataclass(frozen=True, slots=True)
class Releases:
    """The stored releases: the readable ones, oldest first, and errors of the others by id."""

    readable: list[Release]
    unreadable: dict[str, str]


def read_log(store: Store) -> list[LiveEntry]:
    """Every entry, oldest first. Unreadable ones are skipped with a warning, because later ones do not need them."""
    found, unreadable = _readable(lambda n: _read_listed(store, n), _numbers(store))
    for why in unreadable.values():
        log.warning("%s", why)
    return found


def current(store: Store) -> LiveEntry | None:
    """The last entry; None before the first promotion. Takes two requests: a listing and a read.

    Raises CorruptData when it is damaged, instead of guessing what is live.
    """
    numbers = _numbers(store)
    return _read_listed(store, numbers[-1]) if numbers else None


def require_current(store: Store) -> LiveEntry:
    """The last entry. Raises ReleaseNotFound before the first promotion, CorruptData when it is damaged."""
    entry = current(store)
    if entry is None:
        raise ReleaseNotFound(
            f"nothing is live in {store.uri} yet; publish a first release with "
            f"`lookdex reindex --source … --catalog {store.uri}`"
        )
    return entry


def last_number(store: Store) -> int:
    """The number of the last entry, without reading it; 0 before the first."""
    return max(_numbers(store), default=0)


def append(
    store: Store,
    *,
    release_id: str,
    action: str,
    expected: LiveEntry | int | None,
    hold: bool = False,
    note: str = "",
) -> LiveEntry:
    """Write the entry after `expected`, an entry or its number (None: the first). Usually takes one request.

    Raises PromotionConflict when another entry was written first, Unavailable when the store cannot be reached. The
    entry may have been written or not then; the next command finds out.
    """
    before = expected.n if isinstance(expected, LiveEntry) else expected or 0
    entry = LiveEntry(
        n=before + 1,
        release_id=release_id,
        nonce=uuid.uuid4().hex,
        at=datetime.now(UTC),
        action=action,
        hold=hold,
        note=note,
    )
    try:
        if store.put_if_absent(_key(entry.n), to_sealed_json(entry)):
            return entry
    except Unavailable:
        # Perhaps only the answer was lost.
        try:
            if _read(store, entry.n).nonce == entry.nonce:
                return entry
        except NotFound:
            pass
        raise
    # Read the entry back: a retried request is refused because of its own first attempt.
    winner = _read(store, entry.n)
    if winner.nonce == entry.nonce:
        return entry
    raise PromotionConflict(
        f"{store.uri}: release {winner.release_id} took entry {winner.n} of the promotion log "
        f"({winner.action} at {winner.at:%Y-%m-%d %H:%M:%S} UTC) before {action} of {release_id}. "
        "See `lookdex releases`; plan the night again against the live release."
    )


def release_key(release_id: str) -> str:
    return f"releases/{release_id}.json"


def save_release(store: Store, release: Release) -> Release:
    """Put `releases/<id>.json` if absent and return what is stored there: a retry finds its own release.

    Raises StorageError when another build has the same id, because releases never change.
    """
    if store.put_if_absent(release_key(release.release_id), to_sealed_json(release)):
        return release
    stored = load_release(store, release.release_id)
    if _identity(stored) != _identity(release):
        by = f" by the run {stored.run_id}" if stored.run_id else ""
        raise StorageError(
            f"{store.uri}: release {release.release_id} is already stored{by}, with items version "
            f"{stored.items_version} and images version {stored.images_version} instead of "
            f"{release.items_version} and {release.images_version}. Releases never change: start a new run."
        )
    return stored


def _identity(release: Release) -> tuple[object, ...]:
    """The fields that distinguish two builds with the same id."""
    built = (release.run_id, release.built_from, release.parent, release.recipe)
    return (*built, release.items_version, release.images_version)


def load_release(store: Store, release_id: str) -> Release:
    """Read a stored release. Raises ReleaseNotFound, CorruptData, NewerFormat."""
    key = release_key(release_id)
    try:
        release = from_json(Release, store.get(key), f"{store.uri}/{key}")
        if release.release_id != release_id:
            raise CorruptData(f"{store.uri}/{key} is damaged: it has the id {release.release_id!r}.")
    except NotFound as error:
        raise ReleaseNotFound(
            f"{store.uri} has no release {release_id}; `lookdex releases` lists all releases"
        ) from error
    except CorruptData as error:
        raise CorruptData(
            f"{error} If it is live, make another release live: `lookdex rollback --to RELEASE`."
        ) from error
    return release


def list_releases(store: Store) -> list[Release]:
    """Every readable release, oldest first. Logs a warning for each unreadable one."""
    found = read_releases(store)
    for why in found.unreadable.values():
        log.warning("%s", why)
    return found.readable


def read_releases(store: Store) -> Releases:
    """Read every stored release."""
    keys = [listed.key for listed in store.list("releases/") if listed.key.endswith(".json")]
    ids = [key.removeprefix("releases/").removesuffix(".json") for key in keys]
    found, unreadable = _readable(lambda release_id: load_release(store, release_id), ids)
    return Releases(sorted(found, key=lambda release: (release.created_at, release.release_id)), unreadable)


def live_release(store: Store) -> tuple[LiveEntry, Release] | None:
    """The live entry and release, which readers follow; None before the first promotion."""
    entry = current(store)
    return (entry, load_release(store, entry.release_id)) if entry else None


def require_live_release(store: Store) -> Release:
    """The live release. Raises ReleaseNotFound before the first promotion."""
    return load_release(store, require_current(store).release_id)


def _key(n: int) -> str:
    return f"live/{n:08d}.json"


FIRST = _key(1)  # exists in every catalogue with a release


def _numbers(store: Store) -> list[int]:
    """The numbers of all entries, even damaged ones such as folders, so that the last one is never missed."""
    below = store.level("live/", markers=True)
    names = (*(listed.key for listed in below.objects), *(prefix.rstrip("/") for prefix in below.prefixes))
    return sorted({int(match[1]) for match in map(_ENTRY.fullmatch, names) if match})


def _read(store: Store, n: int) -> LiveEntry:
    try:
        entry = from_json(LiveEntry, store.get(_key(n)), f"{store.uri}/{_key(n)}")
        if entry.n != n:
            raise CorruptData(f"{store.uri}/{_key(n)} is damaged: it has the number {entry.n}.")
    except CorruptData as error:
        raise CorruptData(
            f"{error} `lookdex rollback --to RELEASE` continues after it; `lookdex releases` lists the releases."
        ) from error
    return entry


def _read_listed(store: Store, n: int) -> LiveEntry:
    """Read an entry that was listed and must therefore exist."""
    try:
        return _read(store, n)
    except NotFound as error:
        raise CorruptData(f"{store.uri}/{_key(n)} is listed, but is not a file") from error


def _readable(read: Callable[[K], R], keys: Iterable[K]) -> tuple[list[R], dict[K, str]]:
    """The readable records in order, and the errors of the others. Errors of the store propagate."""

    def attempt(key: K) -> R | str:
        try:
            return read(key)
        except (CorruptData, NewerFormat) as error:
            return str(error)

    keys = list(keys)
    with DaemonPool("releases", _READERS) as pool:
        found = list(zip(keys, pool.map(attempt, keys), strict=True))
    return [one for _, one in found if not isinstance(one, str)], {
        key: one for key, one in found if isinstance(one, str)
    }
