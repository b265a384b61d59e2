"""What a run produced: its candidate, its releases, and whether it has work left.

A release records its run. Releases of older versions do not; they are attributed by id and by the stored candidates of
runs that were planned again: `sale-1` belongs to the run `sale-1` unless the run `sale` has a candidate of that name.
"""

from __future__ import annotations

import re
from dataclasses import replace

from lookdex.catalog import promotion_log, runs
from lookdex.catalog.json_codec import from_json
from lookdex.errors import CorruptData, NotFound, ReleaseNotFound, RolledBack
from lookdex.records import LiveEntry, PlanSummary, Release
from lookdex.storage import Store

# Further releases of a run are named after the log entry that it was planned on: <run>-<n>, or <run>-<n>-<k>.
_NUMBERED = (re.compile(r"(.+)-(\d+)"), re.compile(r"(.+)-(\d+)-\d+"))


def candidate_key(plan: PlanSummary) -> str:
    return _key(plan.run_id, plan.live)


def _key(run_id: str, live_number: int) -> str:
    return f"{runs.run_folder(run_id)}/candidate-{live_number}.json"


def load_candidate(catalog: Store, plan: PlanSummary) -> Release:
    """The candidate that `build_release` stored.

    Raises ReleaseNotFound, also for one of an earlier lookdex, which did not record its inputs and all file digests.
    """
    key = candidate_key(plan)
    try:
        candidate = from_json(Release, catalog.get(key), f"{catalog.uri}/{key}")
    except NotFound as error:
        raise ReleaseNotFound(
            f"{catalog.uri}: the run {plan.run_id} has no candidate; build it with `lookdex build`"
        ) from error
    if not candidate.built_from:
        raise ReleaseNotFound(
            f"{catalog.uri}: the candidate of the run {plan.run_id} was built by an earlier lookdex, which did not "
            f"record all that the audit checks. Build it again: `lookdex build --run-id {plan.run_id}`, then audit"
        )
    return candidate


def find_release_of_run(catalog: Store, run_id: str) -> str:
    """The id of the audited release built from the run's plan for the current live release.

    Raises PlanNotFound, and ReleaseNotFound when it was not built or did not pass the audit.
    """
    candidate = load_candidate(catalog, runs.load_plan(catalog, run_id))
    try:
        if same_build(candidate, promotion_log.load_release(catalog, candidate.release_id)):
            return candidate.release_id
    except ReleaseNotFound:
        pass
    raise ReleaseNotFound(
        f"{catalog.uri}: the candidate {candidate.release_id} of the run {run_id} has not passed the audit; "
        f"run `lookdex audit --run-id {run_id}`"
    )


def same_build(candidate: Release, release: Release) -> bool:
    """Whether the release is this candidate after it passed the audit."""
    return replace(candidate, audit=()) == replace(release, audit=())


def owner(catalog: Store, release: Release) -> str:
    """The id of the run that built a release."""
    if release.run_id:
        return release.run_id
    claims = _claims(catalog, release.release_id).items()
    return next((run for run, candidate in claims if same_build(candidate, release)), release.release_id)


def releases_of_run(catalog: Store, run_id: str) -> list[Release]:
    """The stored releases that the run built, oldest first."""
    again = re.compile(re.escape(run_id) + r"(-\d+){0,2}")
    keys = [listed.key for listed in catalog.list(f"releases/{run_id}") if listed.key.endswith(".json")]
    names = [key.removeprefix("releases/").removesuffix(".json") for key in keys]
    found = [promotion_log.load_release(catalog, name) for name in names if again.fullmatch(name)]
    return sorted(
        (release for release in found if owner(catalog, release) == run_id),
        key=lambda release: release.created_at,
    )


def free_id(catalog: Store, plan: PlanSummary) -> str:
    """The run's id, or with a number when a release of this or another run has it already."""
    name, number = plan.run_id, 1
    while _taken(catalog, name, plan.run_id):
        name = f"{plan.run_id}-{plan.live}" + (f"-{number}" if number > 1 else "")
        number += 1
    return name


def _taken(catalog: Store, release_id: str, run_id: str) -> bool:
    if catalog.exists(promotion_log.release_key(release_id)):
        return True
    if release_id != run_id and any(catalog.list(f"{runs.run_folder(release_id)}/plan-")):
        return True  # reserved for the run of that name
    return any(other != run_id for other in _claims(catalog, release_id))


def _claims(catalog: Store, release_id: str) -> dict[str, Release]:
    """Stored candidates with this id whose runs have other names, by run."""
    found: dict[str, Release] = {}
    for match in (pattern.fullmatch(release_id) for pattern in _NUMBERED):
        if match is None:
            continue
        try:
            key = _key(match[1], int(match[2]))
            candidate = from_json(Release, catalog.get(key), f"{catalog.uri}/{key}")
        except (NotFound, CorruptData):  # a damaged record proves nothing
            continue
        if candidate.release_id == release_id:
            found[match[1]] = candidate
    return found


def explain_finished(catalog: Store, run_id: str) -> str:
    """Why the run has nothing left to index, build, audit or promote; '' when it has.

    Raises PlanNotFound when it must be planned (again), RolledBack when its release was live and was rolled back.
    """
    entry = promotion_log.current(catalog)
    plan = runs.find_plan(catalog, run_id)
    if plan is not None:
        return (
            "" if plan.outdated or not plan.empty else "nothing changed since the live release: nothing to do"
        )
    if entry is not None and owner(catalog, promotion_log.load_release(catalog, entry.release_id)) == run_id:
        return f"release {entry.release_id} is live already: nothing to do"
    own = {release.release_id for release in releases_of_run(catalog, run_id)}
    log = promotion_log.read_log(catalog) if own else []
    if published := [logged for logged in log if logged.release_id in own]:
        last = published[-1]
        check_not_undone(catalog, log, last.release_id)
        # A plan made after the release went live is another night under the same name, which is still to be done.
        went_live = next(logged for logged in log if logged.release_id == last.release_id)
        if max(runs.plan_numbers(catalog, run_id), default=0) < went_live.n:
            return (
                f"release {last.release_id} of this run went live at {went_live.at:%Y-%m-%d %H:%M} UTC and "
                f"{log[-1].release_id} has followed it: nothing to do"
            )
    runs.load_plan(catalog, run_id)
    return ""


def check_run_not_undone(catalog: Store, run_id: str) -> None:
    """Raise RolledBack when a release of the run was live and was rolled back."""
    own = {release.release_id for release in releases_of_run(catalog, run_id)}
    log = promotion_log.read_log(catalog) if own else []
    if published := [logged for logged in log if logged.release_id in own]:
        check_not_undone(catalog, log, published[-1].release_id)


def check_not_undone(catalog: Store, log: list[LiveEntry], release_id: str) -> None:
    """Raise RolledBack when the release was live and was rolled back."""
    back = find_rollback(log, release_id)
    if back is not None:
        raise RolledBack(
            f"{catalog.uri}: release {release_id} was live and was undone by the rollback to {back.release_id} at "
            f"{back.at:%Y-%m-%d %H:%M} UTC{f' ({back.note})' if back.note else ''}. `lookdex rollback --to "
            f"{release_id}` makes it live again; to index the source again, start a new run "
            "(`lookdex reindex` without --run-id)."
        )


def find_rollback(log: list[LiveEntry], release_id: str) -> LiveEntry | None:
    """The rollback that undid a release that was live; None when there is none.

    That is a rollback right after it, or a later one to a release that had gone live before it.
    """
    first = {entry.release_id: entry.n for entry in reversed(log)}
    if release_id not in first or log[-1].release_id == release_id:
        return None
    last = max(entry.n for entry in log if entry.release_id == release_id)
    for entry in log:
        if entry.n <= last or entry.action != "rollback":
            continue
        if entry.n == last + 1 or first[entry.release_id] < first[release_id]:
            return entry
    return None
