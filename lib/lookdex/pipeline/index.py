"""The stage `index`: make rows of the planned photos, on Spark."""

from __future__ import annotations

from lookdex.config import NightSettings
from lookdex.index.indexed import Indexed, add_up, most_lost
from lookdex.index.job import IndexOptions
from lookdex.models.trust import TrustedModels
from lookdex.pipeline import spark
from lookdex.pipeline.night import Night
from lookdex.pipeline.spark.watch import OnProgress


def check_device(settings: NightSettings, *models: str) -> None:
    """Check the device before Spark starts and tries each task four times. Raises DeviceUnavailable, ConfigError.

    Nothing is checked on a cluster, whose workers have other devices, or for custom models (`python:…`), which may
    support other device names.
    """
    custom = any(model.startswith("python:") for model in models) and not settings.device.startswith("cuda")
    if settings.device != "cpu" and not custom and spark.runs_here(settings.master or None):
        from lookdex.models.device import open_device

        open_device(settings.device)


def index_night(night: Night, on_progress: OnProgress | None = None) -> Indexed:
    """Index the plan's shards on Spark, and retry failed photos of finished shards.

    `on_progress(photos, rejected, failed)` is called with the totals so far. Raises MassChange as soon as more photos
    were rejected or failed than `settings.max_change` allows, ModelNotTrusted when the settings do not name the plan's
    models.
    """
    settings, plan = night.settings, night.load_plan()
    TrustedModels.from_settings(settings).check_recipe(f"the plan of run {night.run_id}", plan.recipe)
    check_device(settings, plan.recipe.detector, plan.recipe.embedder)
    options = IndexOptions(
        device=settings.device,
        batch=settings.batch,
        fetch_workers=settings.fetch_workers,
        fetch_seconds=settings.fetch_seconds,
        most_lost=None if night.allow_mass_change else most_lost(plan, settings.max_change),
    )
    with night.stage("index"):
        reports = spark.index_run(
            lambda: spark.session(settings.master or None), night.catalog, plan, options, on_progress
        )
    return add_up(reports)
