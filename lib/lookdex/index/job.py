"""One index task as a value, and what a worker process keeps between its tasks: the models and the stores."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from lookdex import runs
from lookdex.models import loading
from lookdex.records import PlanSummary, Recipe, ShardReport
from lookdex.storage import ReadOptions, Signing, Store, open_store

if TYPE_CHECKING:
    from lookdex.models.detect import Detector
    from lookdex.models.embed import Embedder


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How to index, none of which changes a row. device: cpu, cuda or cuda:N; batch: photos in one call of a model;
    fetch_seconds: in which a photo must have been fetched, over all attempts."""

    device: str = "cpu"
    batch: int = 8
    fetch_workers: int = 8
    fetch_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class IndexTask:
    catalog: str  # URI
    plan: PlanSummary
    shard_id: str
    options: IndexOptions


def run_task(task: IndexTask) -> ShardReport:
    """Index one shard of a stored plan. The process's first task loads the models; those after it find them there."""
    from lookdex.index.shard import Tools, index_shard  # late: the driver needs no decoders

    catalog = store_at(task.catalog)
    shard = runs.load_shard(catalog, task.plan, task.shard_id)
    detector, embedder = load_models(task.plan.recipe, task.options.device, task.options.batch)
    tools = Tools(
        source=store_at(
            task.plan.source, ReadOptions(Signing(task.plan.source_access), task.options.fetch_seconds)
        ),
        catalog=catalog,
        detector=detector,
        embedder=embedder,
        recipe=task.plan.recipe,
        run_id=task.plan.run_id,
        batch=task.options.batch,
        fetch_workers=task.options.fetch_workers,
    )
    return index_shard(shard, tools)


@lru_cache(maxsize=8)
def store_at(uri: str, options: ReadOptions = ReadOptions()) -> Store:  # noqa: B008  # frozen
    return open_store(uri, options=options)


@cache
def load_models(recipe: Recipe, device: str, batch: int) -> tuple[Detector, Embedder]:
    """Both models of a recipe, once a process. Raises ModelNotFound, DeviceUnavailable, ConfigError."""
    return loading.detector_of(recipe, device), loading.embedder_of(recipe, device, batch)
