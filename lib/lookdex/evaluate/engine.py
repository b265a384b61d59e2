"""Where an evaluation's models run: in this process with a progress bar, or in Spark tasks.

Both run the same functions on the same tasks. The measures are computed here, from their results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

import numpy as np

from lookdex.catalog import json_codec
from lookdex.config import NightSettings
from lookdex.evaluate.labelled_photos import Item, Source
from lookdex.evaluate.work import (
    Advance,
    Crop,
    DetectResult,
    DetectTask,
    EmbedResult,
    EmbedTask,
    detect,
    embed,
)
from lookdex.records import Detection, Recipe
from lookdex.runtime.progress import bar

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Task(Protocol):
    """Work on a list of photos that can be split into parts and serialised as JSON."""

    @property
    def device(self) -> str: ...

    def __len__(self) -> int: ...

    def part(self, start: int, stop: int) -> Self: ...


T = TypeVar("T", bound=Task)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Engine:
    """Where tasks run."""

    device: str = "cpu"
    """As in the settings; so is `batch`."""
    batch: int = 8
    session: SparkSession | None = None
    """A Spark session, with `photos` per task; None: this process."""
    photos: int = 256

    def run(self, task: T, function: Callable[[T, Advance], R], result: type[R], what: str) -> list[R]:
        """Run `function` on the task's parts and return the results in order.

        Args:
            function: a module-level function that is safe to run twice.
            result: the record type that it returns.

        Raises:
            TaskFailed: a Spark task failed for good. Without Spark, exceptions of `function` propagate.
        """
        if self.session is None:
            with bar(len(task), what) as advance:
                return [function(part, advance) for part in self.parts(task)]
        from lookdex.pipeline import spark

        payloads = [json_codec.to_json(part).decode() for part in self.parts(task)]
        texts = spark.map_json(self.session, payloads, partial(call, type(task), function), what=what)
        return [json_codec.from_json(result, text.encode(), "a task's result") for text in texts]

    def parts(self, task: T) -> list[T]:
        """Split the task into Spark tasks; without Spark, return it whole."""
        if self.session is None:
            return [task]
        return [task.part(n, n + self.photos) for n in range(0, max(1, len(task)), self.photos)]


def create_engine(settings: NightSettings, on_spark: bool) -> Engine:
    """Create the engine that the settings ask for. A Spark session lasts as long as the process.

    Raises:
        ConfigError: Spark finds no usable Java.
    """
    if not on_spark:
        return Engine(settings.device, settings.batch)
    from lookdex.pipeline import spark

    return Engine(
        settings.device, settings.batch, spark.session(settings.master or None), settings.shard_images
    )


def call(kind: type[Any], function: Callable[[Any, Advance], Any], text: str) -> str:
    """Run a JSON task in a Spark worker and return its result as JSON."""
    from lookdex.pipeline.spark import task_device

    task = json_codec.from_json(kind, text.encode(), "a task")
    result = function(replace(task, device=task_device(task.device)), lambda done: None)
    return json_codec.to_json(result).decode()


@dataclass(frozen=True, slots=True)
class Embedded:
    """Items with their vectors."""

    items: list[Item]
    vectors: np.ndarray
    """float32 (n, dim), one per item."""
    unreadable: list[Source]
    """Photos that could not be decoded."""


def embed_items(items: Sequence[Item], recipe: Recipe, crop: Crop, engine: Engine) -> Embedded:
    """Embed each item: its box, the main detected object, or the whole photo."""
    task = EmbedTask(tuple(items), recipe, crop, engine.device, engine.batch)
    results = engine.run(task, embed, EmbedResult, "embed")
    starts = accumulate((len(part) for part in engine.parts(task)), initial=0)
    numbers = [start + n for start, result in zip(starts, results, strict=False) for n in result.numbers]
    missing = set(range(len(items))).difference(numbers)
    return Embedded(
        [items[n] for n in numbers],
        np.concatenate([result.vectors for result in results]),
        [items[n].path for n in sorted(missing)],
    )


def detect_objects(
    photos: Sequence[Path], recipes: Sequence[Recipe], engine: Engine
) -> list[tuple[tuple[Detection, ...], ...] | None]:
    """For each photo the detections of each recipe, best first; None for a photo that could not be read."""
    task = DetectTask(tuple(photos), tuple(recipes), engine.device, engine.batch)
    return [o for result in engine.run(task, detect, DetectResult, "detect") for o in result.objects]
