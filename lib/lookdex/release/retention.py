"""Remove old releases, their tags and table versions, and the files of their runs.

Kept are the live release, the last N releases that were live, releases that wait for promotion, and every version with
another program's tag. Everything younger than the grace period is kept too, for readers that still use an old release
and for nights in progress.
"""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import lance
from lance.dataset import Version

from lookdex.catalog import promotion_log, runs, tables
from lookdex.catalog.json_codec import from_json
from lookdex.catalog.lance_errors import convert_errors
from lookdex.errors import CorruptData, LookdexError, NewerFormat, NotFound
from lookdex.records import LiveEntry, PlanSummary, Release
from lookdex.release.tags import follow, is_ours, release_tag, tag_versions, versions
from lookdex.storage import Store

KEEP_RELEASES = 7
GRACE = timedelta(days=2)  # longer than any reader or night
DELETERS = 8

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cleanup:
    """What a cleanup removed, or would remove if `applied` is False. versions, bytes: of both tables."""

    kept: tuple[str, ...]
    releases: tuple[str, ...]
    runs: tuple[str, ...]
    versions: dict[str, tuple[int, ...]]
    bytes: int
    applied: bool


def clean_up(
    catalog: Store, keep_releases: int = KEEP_RELEASES, grace: timedelta = GRACE, apply: bool = False
) -> Cleanup:
    """List what can be removed; with `apply`, remove it. The next call finishes an interrupted one.

    A release is first removed from the list of releases, then its tags, its versions and its run's files, so that no
    command finds a release without rows. Unreadable records are kept with a warning. Raises CorruptData when the live
    entry cannot be read.
    """
    cutoff = datetime.now(UTC) - grace
    promotion_log.current(catalog)
    log_entries, stored = promotion_log.read_log(catalog), promotion_log.read_releases(catalog)
    for why in stored.unreadable.values():
        log.warning("%s It is kept.", why)
    if apply:
        follow(catalog)
    tagged = foreign_versions(catalog)
    kept = find_kept_releases(log_entries, stored.readable, keep_releases, cutoff, tagged or {})
    # If tags of other programs cannot be read, they may protect any release.
    dropped = [r for r in stored.readable if r not in kept] if tagged is not None else []
    names = {r.release_id for r in stored.readable if r not in dropped} | set(stored.unreadable)
    run_ids = {r.run_id for r in stored.readable if r not in dropped}
    old_runs = stale_runs(catalog, names | run_ids, cutoff)
    if apply:
        for release in dropped:
            catalog.delete(promotion_log.release_key(release.release_id))
    removed: dict[str, tuple[int, ...]] = {}
    freed = 0
    if tagged is not None:
        for key in tagged:
            needed = {versions(release)[key] for release in kept}
            removed[key], count = remove_versions(catalog, key, needed, names, cutoff, apply)
            freed += count
    if apply:
        with ThreadPoolExecutor(DELETERS) as pool:
            for run in old_runs:
                keys = [listed.key for listed in catalog.list(f"runs/{run}/")]
                # The plan last: with it, the next cleanup finds the run again.
                plans = [key for key in keys if key.startswith(f"runs/{run}/plan-")]
                list(pool.map(catalog.delete, sorted(set(keys) - set(plans))))
                list(pool.map(catalog.delete, plans))
        discard_unfinished(catalog, cutoff)
    return Cleanup(
        kept=tuple(r.release_id for r in kept),
        releases=tuple(r.release_id for r in dropped),
        runs=tuple(old_runs),
        versions=removed,
        bytes=freed,
        applied=apply,
    )


def discard_unfinished(catalog: Store, cutoff: datetime) -> None:
    """Remove temporary files and incomplete uploads from before the cutoff."""
    try:
        if count := catalog.discard_unfinished(cutoff):
            log.info("%s: removed %d unfinished files", catalog.uri, count)
    except LookdexError as error:  # some stores cannot list uploads, and some users may not
        log.warning("could not look for unfinished uploads: %s", error)


def find_kept_releases(
    log: list[LiveEntry],
    releases: list[Release],
    keep: int,
    cutoff: datetime,
    tagged: dict[str, set[int]],
) -> list[Release]:
    """The releases to keep, oldest first. tagged: versions of each table with another program's tag."""
    recent: list[str] = []
    for entry in reversed(log):
        if entry.release_id not in recent:
            recent.append(entry.release_id)
    wanted = set(recent[: max(keep, 1)])
    now_live = log[-1].release_id if log else None
    return [
        release
        for release in releases
        if release.release_id in wanted
        or release.created_at >= cutoff
        or (release.parent == now_live and release.release_id not in recent)
        or any(version in tagged.get(key, set()) for key, version in versions(release).items())
    ]


def foreign_versions(catalog: Store) -> dict[str, set[int]] | None:
    """Versions of each table with tags that are not lookdex's; None, with a warning, if tags cannot be read."""
    found: dict[str, set[int]] = {}
    for key in (tables.ITEMS, tables.IMAGES):
        try:
            table = tables.open_newest(catalog, key)
            if table is not None:
                tags = tag_versions(catalog, key, table)
                found[key] = {version for name, version in tags.items() if not is_ours(name)}
        except LookdexError as error:
            log.warning("no release or version is removed: %s", error)
            return None
    return found


def remove_versions(
    catalog: Store, key: str, needed: set[int], kept: set[str], cutoff: datetime, apply: bool
) -> tuple[tuple[int, ...], int]:
    """Remove the versions of a table that nothing needs, with the files that only they use.

    needed: versions of kept releases. kept: ids of kept releases. Returns the versions and their bytes. When a manifest
    is damaged, removes nothing and warns: Lance reads all manifests to know which files are still used.
    """
    try:
        with convert_errors(tables.table_name(catalog, key)):
            table = tables.open_table(catalog, key)
            tags = table.tags.list()
            old = old_versions(table, tags, needed, {release_tag(name) for name in kept}, cutoff)
            return old, _remove(table, tags, old, kept, apply)
    except LookdexError as error:
        log.warning(
            "no version of %s is removed: %s You may delete a damaged manifest that no release uses.",
            key,
            error,
        )
        return (), 0


def old_versions(
    table: lance.LanceDataset,
    tags: dict[str, Any],
    needed: set[int],
    kept_tags: set[str],
    cutoff: datetime,
) -> tuple[int, ...]:
    """Versions before the cutoff, except the newest and those of kept releases and other tags."""
    protected = {
        tag["version"] for name, tag in tags.items() if not name.startswith("r-") or name in kept_tags
    }
    keep = needed | protected | {table.version}
    return tuple(
        entry["version"]
        for entry in table.versions()
        if entry["version"] not in keep and _written_at(entry) < cutoff
    )


def _written_at(version: Version) -> datetime:
    time = version["timestamp"]
    assert isinstance(time, datetime)  # Lance declares an int as well
    return time.astimezone(UTC)


def _remove(
    table: lance.LanceDataset, tags: dict[str, Any], old: tuple[int, ...], kept: set[str], apply: bool
) -> int:
    if not old:
        return 0
    versions = list(old)
    if not apply:
        return table.explain_cleanup_old_versions(
            versions=versions, error_if_tagged_old_versions=False
        ).stats.bytes_removed
    names = {release_tag(name) for name in kept}
    for name, tag in tags.items():
        if name.startswith("r-") and name not in names and tag["version"] in old:
            table.tags.delete(name)
    return table.cleanup_old_versions(versions=versions, error_if_tagged_old_versions=False).bytes_removed


def stale_runs(catalog: Store, kept: set[str], cutoff: datetime) -> list[str]:
    """Runs planned before the cutoff without a kept release: it was dropped, refused or never built."""
    folders = [prefix.rstrip("/").removeprefix("runs/") for prefix in catalog.prefixes("runs/")]
    return [run for run in folders if run not in kept and run_time(catalog, run) < cutoff]


def run_time(catalog: Store, run: str) -> datetime:
    """When a run was last planned; without a readable plan, when its newest file was written."""
    times = []
    for listed in catalog.list(f"{runs.run_folder(run)}/plan-"):
        if listed.key.endswith(".json"):
            try:
                times.append(from_json(PlanSummary, catalog.get(listed.key), listed.key).created_at)
            except (CorruptData, NewerFormat, NotFound) as error:
                log.warning("%s", error)
    return max(times, default=None) or catalog.last_written(f"runs/{run}/") or datetime.now(UTC)
