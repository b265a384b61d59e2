"""The stage `build`: write the shards into the tables as a candidate, on Spark."""

from __future__ import annotations

from collections.abc import Iterable

from lookdex.catalog import json_codec, runs
from lookdex.index.indexed import add_up, check_rejected
from lookdex.pipeline import spark
from lookdex.pipeline.night import Night
from lookdex.records import Change, Release
from lookdex.release import fragments
from lookdex.release.build import RunFragments, build_release


def build_night(night: Night) -> Release:
    """Write the run's shards into the tables as a candidate. Raises MassChange and what `build_release` raises."""
    plan = night.load_plan()
    table = runs.load_plan_table(night.catalog, plan)
    with night.stage("build"):
        reports = runs.load_reports(night.catalog, night.run_id, runs.shard_ids(table))
        check_rejected(
            add_up(reports.values()),
            night.settings.max_change,
            night.allow_mass_change,
            retried=plan.changes.get(Change.RETRY, 0),
        )
        return build_release(night.catalog, plan, table, reports, on_spark(night.settings.master))


def on_spark(master: str) -> RunFragments:
    """A function that runs fragment tasks on Spark. The session starts with the first task."""

    def run(tasks: list[fragments.FragmentTask]) -> Iterable[fragments.FragmentResult]:
        if not tasks:
            return []
        texts = [json_codec.to_json(task).decode() for task in tasks]
        results = spark.map_json(spark.session(master or None), texts, write_fragment, what="build")
        return [
            json_codec.from_json(fragments.FragmentResult, text.encode(), "a task's result")
            for text in results
        ]

    return run


def write_fragment(text: str) -> str:
    """Run a `FragmentTask`, in and out as JSON: the function of a Spark task of `build`."""
    task = json_codec.from_json(fragments.FragmentTask, text.encode(), "a task")
    return json_codec.to_json(fragments.write_fragment(task)).decode()
