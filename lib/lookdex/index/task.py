"""Index tasks, and the models and stores that a worker process keeps between them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from lookdex.catalog import runs
from lookdex.models import loading
from lookdex.records import PlanSummary, Recipe, StoredFile
from lookdex.storage import ReadOptions, Signing, Store, open_store

if TYPE_CHECKING:
    from lookdex.index.analyse import Tools
    from lookdex.models.detect import Detector
    from lookdex.models.embed import Embedder

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How to index; none of it changes a row.

    device: cpu, cuda or cuda:N. batch: photos in one call of a model. max_lost: photos that may be rejected or fail
    before the night stops; None: any number. fetch_seconds: limit for fetching one photo, over all attempts.
    """

    device: str = "cpu"
    batch: int = 8
    fetch_workers: int = 8
    max_lost: int | None = None
    fetch_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class IndexTask:
    """A task: one shard of a plan.

    round: 0, or the number of the retry. careful: index photo by photo in a separate process, which may crash.
    """

    catalog: str  # URI
    plan: PlanSummary
    shard_id: str
    options: IndexOptions
    round: int = 0
    careful: bool = False
    job: str = ""  # the id under which failures are reported


def load_tools(task: IndexTask) -> Tools:
    """The stores and models for a task. Raises ModelNotFound, DeviceUnavailable, ConfigError."""
    from lookdex.index.analyse import Tools

    detector, embedder = load_models(task.plan.recipe, task.options.device, task.options.batch)
    source = ReadOptions(Signing(task.plan.source_access), task.options.fetch_seconds)
    return Tools(
        source=open_cached_store(task.plan.source, source),
        catalog=open_cached_store(task.catalog),
        detector=detector,
        embedder=embedder,
        recipe=task.plan.recipe,
        run_id=task.plan.run_id,
        batch=task.options.batch,
        fetch_workers=task.options.fetch_workers,
    )


@lru_cache(maxsize=8)
def open_cached_store(uri: str, options: ReadOptions = ReadOptions()) -> Store:  # noqa: B008  # frozen
    return open_store(uri, options=options)


@lru_cache(maxsize=1)
def read_plan(catalog: str, plan: StoredFile) -> bytes:
    """The Parquet file of a plan, fetched once per process: its tasks share a plan. Raises CorruptData."""
    return runs.read_stored(open_cached_store(catalog), plan)


@cache
def load_models(recipe: Recipe, device: str, batch: int) -> tuple[Detector, Embedder]:
    """Load both models of a recipe, once per process. Raises ModelNotFound, DeviceUnavailable, ConfigError."""
    return loading.detector_of(recipe, device), loading.embedder_of(recipe, device, batch)
