"""Change what is live: promote, roll back, resume. The promotion log decides; tags follow it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lookdex.catalog import promotion_log
from lookdex.errors import CorruptData, PromotionConflict, PromotionHeld, ReleaseNotFound
from lookdex.records import LiveEntry
from lookdex.release.candidates import check_not_undone
from lookdex.release.tags import follow, repair_tags
from lookdex.storage import Store

__all__ = ["follow", "promote", "repair_tags", "resume", "rollback"]


def promote(catalog: Store, release_id: str) -> LiveEntry:
    """Make an audited release live if the release that it was built on still is. Returns its log entry.

    Promoting the live release changes nothing.

    Raises:
        RolledBack: the release was live before and was rolled back.
        PromotionHeld: a rollback holds promotions.
        PromotionConflict: another release went live since the build.
        ReleaseNotFound: the release has not passed the audit.
    """
    current = promotion_log.current(catalog)
    if current is not None and current.release_id == release_id:
        follow(catalog)
        return current
    check_not_undone(catalog, promotion_log.read_log(catalog), release_id)
    if current is not None and current.hold:
        follow(catalog)
        raise PromotionHeld(
            f"{catalog.uri}: promotions are held since the {current.action} to {current.release_id} at "
            f"{current.at:%Y-%m-%d %H:%M} UTC{f' ({current.note})' if current.note else ''}. Release {release_id} is "
            "built and audited. To publish it, run `lookdex resume`, then `lookdex promote` with this night's --run-id."
        )
    release = promotion_log.load_release(catalog, release_id)
    parent = current.release_id if current else None
    if release.parent != parent:
        follow(catalog)
        raise PromotionConflict(
            f"{catalog.uri}: release {release_id} was built on {release.parent or 'an empty catalogue'} and "
            f"{parent or 'nothing'} is live now. Publishing it would undo the other's changes. "
            "Run the night again (`lookdex reindex`): it plans against the live release."
        )
    entry = promotion_log.append(catalog, release_id=release_id, action="promote", expected=current)
    follow(catalog)
    return entry


@dataclass(frozen=True, slots=True)
class Rollback:
    """A rollback, and what it took until readers follow it: until its log entry was written."""

    entry: LiveEntry
    seconds: float
    requests: int  # to the store


def rollback(catalog: Store, to: str | None = None, note: str = "") -> Rollback:
    """Make an older release live (default: the parent of the live one) and hold promotions.

    The log entry is written first, then the tags. Nights still build and audit; `resume` lets them publish again.
    Raises ReleaseNotFound when there is no release to roll back to.
    """
    start, requests = time.perf_counter(), catalog.requests
    entry = _log_rollback(catalog, to, note)
    done = Rollback(entry, time.perf_counter() - start, catalog.requests - requests)
    follow(catalog)
    return done


def _log_rollback(catalog: Store, to: str | None, note: str) -> LiveEntry:
    """Write the log entry of a rollback."""
    expected: LiveEntry | int
    try:
        expected = promotion_log.require_current(catalog)
    except CorruptData:
        if to is None:
            raise
        expected = promotion_log.last_number(catalog)  # the damaged entry keeps its number
    else:
        to = to if to is not None else _parent(catalog, expected.release_id)
    target = promotion_log.load_release(catalog, to)
    return promotion_log.append(
        catalog, release_id=target.release_id, action="rollback", expected=expected, hold=True, note=note
    )


def _parent(catalog: Store, release_id: str) -> str:
    """The id of a release's parent. Raises ReleaseNotFound when it is the first."""
    parent = promotion_log.load_release(catalog, release_id).parent
    if parent is None:
        raise ReleaseNotFound(
            f"{catalog.uri}: release {release_id} is the first, so there is no release to roll back to. "
            "`lookdex releases` lists all releases."
        )
    return parent


def resume(catalog: Store) -> tuple[LiveEntry, bool]:
    """Lift the hold of a rollback, so that nights publish again. The live release stays live.

    Returns the live entry, and whether there was a hold. Raises ReleaseNotFound when nothing is live.
    """
    current = promotion_log.require_current(catalog)
    if not current.hold:
        follow(catalog)
        return current, False
    entry = promotion_log.append(catalog, release_id=current.release_id, action="resume", expected=current)
    follow(catalog)
    return entry, True
