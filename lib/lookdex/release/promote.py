"""Change what is live: promote, roll back, resume. The promotion log decides; tags follow it."""

from __future__ import annotations

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


def rollback(catalog: Store, to: str | None = None, note: str = "") -> LiveEntry:
    """Make an older release live (default: the parent of the live one) and hold promotions.

    Nights still build and audit; `resume` lets them publish again. Raises ReleaseNotFound when there is no release to
    roll back to.
    """
    entry = log_rollback(catalog, to, note)
    follow(catalog)
    return entry


def log_rollback(catalog: Store, to: str | None = None, note: str = "") -> LiveEntry:
    """Write the log entry of a rollback, which readers follow at once; the tags are updated separately."""
    try:
        current = promotion_log.current(catalog)
    except CorruptData:
        if to is None:
            raise
        # The damaged entry keeps its number; this one follows it.
        target = promotion_log.load_release(catalog, to)
        return promotion_log.append(
            catalog,
            release_id=target.release_id,
            action="rollback",
            expected=promotion_log.last_number(catalog),
            hold=True,
            note=note,
        )
    if current is None:
        raise ReleaseNotFound(f"nothing is live in {catalog.uri} yet, so there is nothing to roll back")
    if to is None:
        to = promotion_log.load_release(catalog, current.release_id).parent
        if to is None:
            raise ReleaseNotFound(
                f"{catalog.uri}: release {current.release_id} is the first, so there is no release to roll back to. "
                "`lookdex releases` lists all releases."
            )
    target = promotion_log.load_release(catalog, to)
    return promotion_log.append(
        catalog, release_id=target.release_id, action="rollback", expected=current, hold=True, note=note
    )


def resume(catalog: Store) -> tuple[LiveEntry, bool]:
    """Lift the hold of a rollback, so that nights publish again. The live release stays live.

    Returns the live entry, and whether there was a hold.
    """
    current = promotion_log.current(catalog)
    if current is None:
        raise ReleaseNotFound(f"nothing is live in {catalog.uri} yet, so nothing is held")
    if not current.hold:
        follow(catalog)
        return current, False
    entry = promotion_log.append(catalog, release_id=current.release_id, action="resume", expected=current)
    follow(catalog)
    return entry, True
