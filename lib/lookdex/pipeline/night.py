"""The stages of a night, one function for each command.

plan, index, build, audit and promote run in this order with the same run id. A stage whose work is done returns at
once. A stage whose plan was made for another live release raises `PlanNotFound`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lookdex.catalog import json_codec, promotion_log, runs, tables
from lookdex.catalog.lance_errors import reading
from lookdex.config import Config
from lookdex.errors import LookdexError
from lookdex.index.indexed import Indexed, add_up, check_rejected, most_lost
from lookdex.index.job import IndexOptions
from lookdex.models import digests
from lookdex.models.trust import TrustedModels
from lookdex.pipeline import plan, thresholds
from lookdex.pipeline.plan import Planned
from lookdex.records import Change, LiveEntry, PlanSummary, Recipe, Release
from lookdex.release import audit, build, candidates, fragments, promote, retention
from lookdex.storage import Store, open_store, probe_put_if_absent

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StageSeconds:
    """`runs/<run>/seconds/<stage>.json`: how long the stage's last run took."""

    stage: str
    seconds: float
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Rollback:
    """The log entry of a rollback, and what writing it took."""

    entry: LiveEntry
    seconds: float
    requests: int  # to the store


def recipe_of(config: Config) -> Recipe:
    """The recipe of the settings. Reads the models' files but loads no model."""
    return Recipe(
        detector=config.detector,
        detector_digest=digests.detector_digest(config.detector),
        embedder=config.embedder,
        embedder_digest=digests.embedder_digest(config.embedder),
        min_score=(
            digests.detector_defaults(config.detector).min_score
            if config.min_score is None
            else config.min_score
        ),
        nms_iou=config.nms_iou,
        max_objects=config.max_objects,
        crop_margin=(
            digests.embedder_defaults(config.embedder).crop_margin
            if config.crop_margin is None
            else config.crop_margin
        ),
        crop_pixels=config.crop_pixels,
        max_bytes=config.max_bytes,
        max_pixels=config.max_pixels,
    )


def plan_night(
    config: Config,
    run_id: str | None,
    *,
    limit: int | None = None,
    full: bool = False,
    allow_mass_change: bool = False,
) -> Planned:
    """Compare the source with the live release.

    With a `run_id` the plan is stored once; a second call returns the stored plan. Without one it is a dry run.

    Raises:
        MassChange: more than `config.max_change` of the live photos are gone, or of the live products are not in the
            products file.
        RolledBack: the run's release was rolled back.
        UnsafeStore: the catalogue's store ignores If-None-Match (checked before the first night only).
        ConfigError: a pattern, mapping or products file fits no photo, or the thresholds file is not one.
    """
    catalog = open_store(config.catalog)
    if run_id is not None:
        stored = runs.find_plan(catalog, run_id)
        if stored is not None and not stored.outdated:
            return Planned(stored, held=held(catalog), stored_before=True)
        candidates.check_run_not_undone(catalog, run_id)
        promote.follow(catalog)
    with timed(catalog, run_id, "plan"), lance_errors(catalog):
        entry, release = promotion_log.live_release(catalog) or (None, None)
        recipe = recipe_of(config)
        given = thresholds.load(config.thresholds) if config.thresholds else None
        inputs = plan.gather(catalog, config, entry, release, recipe, given)
        comparison = plan.compare(inputs, limit=limit, full=full)
        plan.guard(catalog, inputs, comparison, allow_mass_change)
        summary = plan.summarise(catalog, inputs, comparison, run_id or "")
        if run_id is not None:
            if entry is None:
                probe_put_if_absent(catalog)
            summary = runs.save_plan(catalog, comparison.plan.table, summary, inputs.kept)
    return Planned(
        summary,
        links=inputs.links,
        products=None if inputs.kept is None else inputs.kept.schema,
        postponed=comparison.plan.postponed,
        held=entry is not None and entry.hold,
        unnamed=inputs.source.unnamed,
        unnamed_examples=inputs.source.unnamed_examples,
        found=None if inputs.file is None else inputs.file.found,
    )


def held(catalog: Store) -> bool:
    """Whether a rollback holds promotions."""
    entry = promotion_log.current(catalog)
    return entry is not None and entry.hold


def stored_plan(config: Config, run_id: str) -> PlanSummary:
    """The run's plan for the current live release. Raises PlanNotFound."""
    catalog = open_store(config.catalog)
    promote.follow(catalog)
    return runs.load_plan(catalog, run_id)


def finished(config: Config, run_id: str) -> str:
    """Why the run has nothing left to index, build, audit or promote; '' when it has.

    Also updates the tags from the promotion log, in case a promotion died before it set them. Raises PlanNotFound when
    the run must be planned (again), RolledBack when its release was rolled back.
    """
    catalog = open_store(config.catalog)
    promote.follow(catalog)
    return candidates.finished(catalog, run_id)


def check_device(config: Config, *models: str) -> None:
    """Check the device before Spark starts and tries each task four times. Raises DeviceUnavailable, ConfigError.

    Nothing is checked on a cluster, whose workers have other devices, or for custom models (`python:…`), which may
    support other device names.
    """
    from lookdex.pipeline import spark

    custom = any(model.startswith("python:") for model in models) and not config.device.startswith("cuda")
    if config.device != "cpu" and not custom and spark.runs_here(config.master or None):
        from lookdex.models.device import open_device

        open_device(config.device)


def index_night(
    config: Config,
    run_id: str,
    on_progress: Callable[[int, int, int], object] | None = None,
    *,
    allow_mass_change: bool = False,
) -> Indexed:
    """Index the plan's shards on Spark, and retry failed photos of finished shards.

    `on_progress(photos, rejected, failed)` is called with the totals so far. Raises MassChange as soon as more photos
    were rejected or failed than `config.max_change` allows, ModelNotTrusted when the settings do not name the plan's
    models.
    """
    from lookdex.pipeline import spark

    catalog = open_store(config.catalog)
    summary = runs.load_plan(catalog, run_id)
    TrustedModels.of_config(config).check_recipe(f"the plan of run {run_id}", summary.recipe)
    check_device(config, summary.recipe.detector, summary.recipe.embedder)
    options = IndexOptions(
        device=config.device,
        batch=config.batch,
        fetch_workers=config.fetch_workers,
        fetch_seconds=config.fetch_seconds,
        most_lost=None if allow_mass_change else most_lost(summary, config.max_change),
    )
    with timed(catalog, run_id, "index"):
        reports = spark.index_run(
            lambda: spark.session(config.master or None), catalog, summary, options, on_progress
        )
    return add_up(reports)


def build_night(config: Config, run_id: str, *, allow_mass_change: bool = False) -> Release:
    """Write the run's shards into the tables as a candidate. Raises MassChange and what `build_release` raises."""
    catalog = open_store(config.catalog)
    summary = runs.load_plan(catalog, run_id)
    table = runs.load_plan_table(catalog, summary)
    with timed(catalog, run_id, "build"), lance_errors(catalog):
        reports = runs.load_reports(catalog, run_id, runs.shard_ids(table))
        check_rejected(
            add_up(reports.values()),
            config.max_change,
            allow_mass_change,
            summary.changes.get(Change.RETRY, 0),
        )
        return build.build_release(catalog, summary, table, reports, on_spark(config))


def on_spark(config: Config) -> build.RunFragments:
    """A function that runs fragment tasks on Spark. The session starts with the first task."""

    def run(tasks: list[fragments.FragmentTask]) -> Iterable[fragments.FragmentResult]:
        from lookdex.pipeline import spark

        if not tasks:
            return []
        texts = [json_codec.to_json(task).decode() for task in tasks]
        session: SparkSession = spark.session(config.master or None)
        results = spark.map_json(session, texts, write_fragment, what="build")
        return [
            json_codec.from_json(fragments.FragmentResult, text.encode(), "a task's result")
            for text in results
        ]

    return run


def write_fragment(text: str) -> str:
    """Run a `FragmentTask`, in and out as JSON: the function of a Spark task of `build`."""
    task = json_codec.from_json(fragments.FragmentTask, text.encode(), "a task")
    return json_codec.to_json(fragments.write_fragment(task)).decode()


def audit_night(config: Config, run_id: str, *, allow_mass_change: bool = False) -> Release:
    """Audit the run's candidate and store it as a release. Raises AuditFailed with the offending rows."""
    catalog = open_store(config.catalog)
    summary = runs.load_plan(catalog, run_id)
    candidate = candidates.load_candidate(catalog, summary)
    trusted = TrustedModels.of_config(config)
    trusted.check_recipe(f"the candidate {candidate.release_id}", candidate.recipe)
    with timed(catalog, run_id, "audit"), lance_errors(catalog):
        return audit.audit_release(
            catalog,
            candidate,
            lambda release: smoke_query(catalog, release, config.device, trusted),
            max_lost=config.max_change,
            allow_mass_change=allow_mass_change,
        )


def smoke_query(catalog: Store, release: Release, device: str, trusted: TrustedModels) -> str:
    """Search the candidate with one of its own photos, through the query library."""
    from lookdex.search.catalog import open_catalog

    items = tables.open_tables(catalog, release).items
    sample = items.to_table(columns=["image_key", "crop"], filter="scope = 'image'", limit=1).to_pylist()
    if not sample:
        raise LookdexError("the candidate has no photo to search with")
    candidate = open_catalog(
        catalog, release=release, store_seconds=None, device=device, trusted_models=trusted.names
    )
    answer = candidate.search(sample[0]["crop"], k=3)
    if answer.whole is None or not answer.whole.matches:
        raise LookdexError(f"a search with its own photo {sample[0]['image_key']} found no match")
    return f"{sample[0]['image_key']}: {len(answer.objects)} objects, nearest {answer.whole.matches[0].image_key}"


def promote_night(config: Config, run_id: str) -> LiveEntry:
    """Make the run's release live, then remove files that no kept release needs.

    A failed cleanup is only logged: the release is live by then.
    """
    catalog = open_store(config.catalog)
    with timed(catalog, run_id, "promote"), lance_errors(catalog):
        entry = promote.promote(catalog, candidates.release_of_run(catalog, run_id))
        try:
            retention.clean_up(catalog, config.keep_releases, apply=True)
        except LookdexError as error:
            log.warning("release %s is live; old files were not removed: %s", entry.release_id, error)
    return entry


def rollback(config: Config, to: str | None, note: str) -> Rollback:
    """Make an older release live and hold promotions. The log entry is written first, then the tags."""
    start, catalog = time.perf_counter(), open_store(config.catalog)
    entry = promote.log_rollback(catalog, to=to, note=note)
    done = Rollback(entry, time.perf_counter() - start, catalog.requests)
    promote.follow(catalog)
    return done


def resume(config: Config) -> tuple[LiveEntry, bool]:
    """Lift the hold of a rollback. Returns the live entry, and whether there was a hold."""
    return promote.resume(open_store(config.catalog))


def lance_errors(catalog: Store) -> AbstractContextManager[None]:
    """Translate Lance's errors into lookdex's for a whole stage."""
    return reading(f"a table of {catalog.uri}", lance_only=True)


@contextmanager
def timed(catalog: Store, run_id: str | None, stage: str) -> Iterator[None]:
    """Record how long the stage took, unless it is a dry run or fails."""
    start = time.perf_counter()
    yield
    if run_id is not None:
        took = StageSeconds(stage, round(time.perf_counter() - start, 3), datetime.now(UTC))
        catalog.put(f"{runs.run_folder(run_id)}/seconds/{stage}.json", json_codec.sealed(took))


def stage_seconds(catalog: Store, run_id: str) -> dict[str, float]:
    """Seconds by stage, for the stages that have run."""
    found = (
        json_codec.from_json(StageSeconds, catalog.get(listed.key), listed.key)
        for listed in catalog.list(f"{runs.run_folder(run_id)}/seconds/")
    )
    return {one.stage: one.seconds for one in sorted(found, key=lambda one: one.ended_at)}
