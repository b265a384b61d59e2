"""Remove what no kept release needs: old releases, their tags and versions, and the files of their nights.

Kept: the last N releases that were live, what is live, releases that wait for promotion, and every version that
somebody else tagged. Everything younger than the grace period stays, so that a reader which still holds an old
release, or a night that is running, finds its files.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import lance

from lookdex import live, runs, tables
from lookdex.codec import from_json
from lookdex.records import LiveEntry, PlanSummary, Release
from lookdex.release.tags import LIVE, release_tag, repair_tags, versions
from lookdex.storage import Store

KEEP_RELEASES = 7
GRACE = timedelta(days=2)  # longer than the longest reader and the longest night
DELETERS = 8


@dataclass(frozen=True, slots=True)
class Cleanup:
    """What a cleanup removes, or (applied False) would. versions: of both tables; bytes: of their files."""

    kept: tuple[str, ...]
    releases: tuple[str, ...]
    runs: tuple[str, ...]
    versions: dict[str, tuple[int, ...]]
    bytes: int
    applied: bool


def clean_up(
    catalog: Store, keep_releases: int = KEEP_RELEASES, grace: timedelta = GRACE, apply: bool = False
) -> Cleanup:
    """List what can go; remove it with `apply`. Interrupted, it is finished by the next call.

    A release goes first from the list of releases, then loses its tags, its versions and its night's files: no
    command finds a release whose rows are gone.
    """
    cutoff = datetime.now(UTC) - grace
    log, releases = live.read_log(catalog), live.list_releases(catalog)
    kept = kept_releases(log, releases, keep_releases, cutoff, foreign_versions(catalog))
    dropped = [release for release in releases if release.release_id not in {r.release_id for r in kept}]
    old_runs = stale_runs(catalog, {r.release_id for r in kept}, cutoff)
    if apply:
        repair_tags(catalog)
        for release in dropped:
            catalog.delete(live.release_key(release.release_id))
    removed: dict[str, tuple[int, ...]] = {}
    freed = 0
    for key in (tables.ITEMS, tables.IMAGES):
        table = tables.newest(catalog, key)
        if table is None:
            continue
        needed = {versions(release)[key] for release in kept}
        removed[key] = old_versions(table, needed, {release_tag(r.release_id) for r in kept}, cutoff)
        freed += remove_versions(table, removed[key], kept, apply)
    if apply:
        with ThreadPoolExecutor(DELETERS) as pool:
            for run in old_runs:
                keys = [listed.key for listed in catalog.list(f"runs/{run}/")]
                # The plan last: by it an interrupted cleanup finds the run again.
                plans = [key for key in keys if key.startswith(f"runs/{run}/plan-")]
                list(pool.map(catalog.delete, sorted(set(keys) - set(plans))))
                list(pool.map(catalog.delete, plans))
    return Cleanup(
        kept=tuple(r.release_id for r in kept),
        releases=tuple(r.release_id for r in dropped),
        runs=tuple(old_runs),
        versions=removed,
        bytes=freed,
        applied=apply,
    )


def kept_releases(
    log: list[LiveEntry],
    releases: list[Release],
    keep: int,
    cutoff: datetime,
    tagged: dict[str, set[int]],
) -> list[Release]:
    """The releases that stay, oldest first. tagged: versions of each table that carry somebody else's tag."""
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


def foreign_versions(catalog: Store) -> dict[str, set[int]]:
    """Versions of each table under tags that are not lookdex's."""
    found: dict[str, set[int]] = {}
    for key in (tables.ITEMS, tables.IMAGES):
        table = tables.newest(catalog, key)
        tags = table.tags.list() if table is not None else {}
        found[key] = {
            tag["version"] for name, tag in tags.items() if name != LIVE and not name.startswith("r-")
        }
    return found


def old_versions(
    table: lance.LanceDataset, needed: set[int], kept_tags: set[str], cutoff: datetime
) -> tuple[int, ...]:
    """Versions before the cutoff that no kept release, no other tag and no writer (the newest) needs."""
    protected = {
        tag["version"]
        for name, tag in table.tags.list().items()
        if not name.startswith("r-") or name in kept_tags
    }
    stay = needed | protected | {table.version}
    return tuple(
        entry["version"]
        for entry in table.versions()
        if entry["version"] not in stay and entry["timestamp"].astimezone(UTC) < cutoff
    )


def remove_versions(table: lance.LanceDataset, old: tuple[int, ...], kept: list[Release], apply: bool) -> int:
    """Remove versions and the files that only they name. Returns bytes."""
    options = {"versions": list(old), "error_if_tagged_old_versions": False}
    if not apply:
        return table.explain_cleanup_old_versions(**options).stats.bytes_removed if old else 0
    names = {release_tag(release.release_id) for release in kept}
    for name, tag in table.tags.list().items():
        if name.startswith("r-") and name not in names and tag["version"] in old:
            table.tags.delete(name)
    return table.cleanup_old_versions(**options).bytes_removed if old else 0


def stale_runs(catalog: Store, kept: set[str], cutoff: datetime) -> list[str]:
    """Runs of no kept release, planned before the cutoff: their releases were dropped, refused or never made."""
    folders = [prefix.rstrip("/").removeprefix("runs/") for prefix in catalog.prefixes("runs/")]
    return [run for run in folders if run not in kept and run_time(catalog, run) < cutoff]


def run_time(catalog: Store, run: str) -> datetime:
    """When a run was last planned; a run without a plan is nobody's."""
    times = [
        from_json(PlanSummary, catalog.get(listed.key), listed.key).created_at
        for listed in catalog.list(f"{runs.run_folder(run)}/plan-")
        if listed.key.endswith(".json")
    ]
    return max(times, default=datetime.now(UTC))
