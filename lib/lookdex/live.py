"""The promotion log, which alone decides what is live, and the releases it names.

`live/<n>.json` is written with put-if-absent: of two promoters exactly one writes entry n + 1. Nothing is ever
changed or deleted here. `releases/<id>.json` is immutable.
"""

from __future__ import annotations

import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from lookdex.codec import from_json, to_json
from lookdex.errors import (
    CorruptData,
    NotFound,
    PromotionConflict,
    ReleaseNotFound,
    StorageError,
    Unavailable,
)
from lookdex.records import LiveEntry, Release
from lookdex.storage import Store

FORMAT = 1  # of releases/<id>.json, as far as this version reads
_ENTRY = re.compile(r"live/(\d{8})\.json")
_READERS = 8


def read_log(store: Store) -> list[LiveEntry]:
    """Every entry, oldest first."""
    numbers = _numbers(store)
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(lambda n: _read(store, n), numbers))


def current(store: Store) -> LiveEntry | None:
    """The last entry, in two requests (a listing and a read); None before the first promotion."""
    numbers = _numbers(store)
    return _read(store, numbers[-1]) if numbers else None


def append(
    store: Store,
    *,
    release_id: str,
    action: str,
    expected: LiveEntry | None,
    hold: bool = False,
    note: str = "",
) -> LiveEntry:
    """Write the entry after `expected` (None: the first). One request when nobody interferes.

    Raises PromotionConflict when another entry took that place, Unavailable when the store cannot be reached; then
    the entry may have been written or not, and the next command sees which.
    """
    entry = LiveEntry(
        n=expected.n + 1 if expected else 1,
        release_id=release_id,
        nonce=uuid.uuid4().hex,
        at=datetime.now(UTC),
        action=action,
        hold=hold,
        note=note,
    )
    try:
        if store.put_if_absent(_key(entry.n), to_json(entry)):
            return entry
    except Unavailable:
        # The answer was lost, not necessarily the write.
        try:
            if _read(store, entry.n).nonce == entry.nonce:
                return entry
        except NotFound:
            pass
        raise
    # A refusal is read back before it is believed: a retried request is refused by its own first attempt.
    winner = _read(store, entry.n)
    if winner.nonce == entry.nonce:
        return entry
    raise PromotionConflict(
        f"{store.uri}: release {winner.release_id} took entry {winner.n} of the promotion log "
        f"({winner.action} at {winner.at:%Y-%m-%d %H:%M:%S} UTC) before {action} of {release_id}. "
        "Look at `lookdex releases`; a night is planned again against what is live now."
    )


def release_key(release_id: str) -> str:
    return f"releases/{release_id}.json"


def save_release(store: Store, release: Release) -> Release:
    """Write `releases/<id>.json` if it is absent, and return what is stored there (a retry meets its own).

    Raises StorageError when another build has the same id: releases never change.
    """
    if store.put_if_absent(release_key(release.release_id), to_json(release)):
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
    """What two builds of one id would differ in."""
    built = (release.run_id, release.built_from, release.parent, release.recipe)
    return (*built, release.items_version, release.images_version)


def load_release(store: Store, release_id: str) -> Release:
    """Raises ReleaseNotFound, and CorruptData for a release written by a later version of lookdex."""
    key = release_key(release_id)
    try:
        data = store.get(key)
    except NotFound as error:
        raise ReleaseNotFound(
            f"{store.uri} has no release {release_id}; `lookdex releases` lists those it has"
        ) from error
    release = from_json(Release, data, f"{store.uri}/{key}")
    if release.format > FORMAT:
        raise CorruptData(
            f"{store.uri}/{key} has format {release.format}; this lookdex reads up to {FORMAT}. Upgrade it."
        )
    return release


def list_releases(store: Store) -> list[Release]:
    """Every stored release, oldest first."""
    keys = [listed.key for listed in store.list("releases/") if listed.key.endswith(".json")]
    ids = [key.removeprefix("releases/").removesuffix(".json") for key in keys]
    with ThreadPoolExecutor(_READERS) as pool:
        found = pool.map(lambda release_id: load_release(store, release_id), ids)
        return sorted(found, key=lambda release: (release.created_at, release.release_id))


def live_release(store: Store) -> tuple[LiveEntry, Release] | None:
    """What readers follow; None before the first promotion."""
    entry = current(store)
    return (entry, load_release(store, entry.release_id)) if entry else None


def _key(n: int) -> str:
    return f"live/{n:08d}.json"


def _numbers(store: Store) -> list[int]:
    found = (_ENTRY.fullmatch(listed.key) for listed in store.list("live/"))
    return sorted(int(match[1]) for match in found if match)


def _read(store: Store, n: int) -> LiveEntry:
    return from_json(LiveEntry, store.get(_key(n)), f"{store.uri}/{_key(n)}")
