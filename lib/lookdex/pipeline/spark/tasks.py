"""A function over payloads, one Spark task each, and what a failed job says in one line."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from lookdex.errors import LookdexError, Stopped, TaskFailed
from lookdex.pipeline.spark.sessions import without_notices
from lookdex.runtime.extras import extras

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import SparkSession

# Spark numbers a stage's tasks; here each task is one partition with one payload.
_TASK = re.compile(r"Task (\d+) in stage [\d.]+ failed (\d+) times")
_DEATH = "Python worker exited unexpectedly"
_SHUT_DOWN = (
    "SparkContext was shut down",
    "cannot call methods on a stopped SparkContext",
    "SparkContext was stopped",
)


def map_json(
    spark: SparkSession | None, payloads: Sequence[str], function: Callable[[str], str], what: str = "tasks"
) -> list[str]:
    """`function` over the payloads, one Spark task each, results in order; without a session, here and one by one.

    function: importable by the workers (a module's own function), safe to run twice.

    Raises:
        TaskFailed: a task failed as often as Spark lets it; the others may have been done.
        Stopped: what submitted this process shut Spark down.
        LookdexError: the JVM died.
    """
    if not payloads:
        return []
    if spark is None:
        return [function(payload) for payload in payloads]
    with extras():
        from py4j.protocol import Py4JError, Py4JJavaError  # type: ignore[import-untyped]
        from pyspark.errors import PySparkException

    texts = list(payloads)

    def apply(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow

        for batch in batches:
            for number in batch.column("id").to_pylist():
                result = function(texts[number])
                yield pyarrow.RecordBatch.from_pydict({"id": [number], "result": [result]})

    try:
        with without_notices():
            # A range of n in n partitions has one row in each, which no shuffle may undo.
            numbers = spark.range(0, len(texts), 1, len(texts))
            mapped = numbers.mapInArrow(apply, "id long, result string")
        rows = mapped.collect()
    except PySparkException as error:
        raise _failed(what, str(error)) from None
    except KeyboardInterrupt:
        with contextlib.suppress(Exception):
            spark.interruptAll()
        raise
    except Py4JError as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # and then pyspark's own cleanup failed
            raise error.__context__ from None
        if isinstance(error, Py4JJavaError):
            raise _failed(what, str(error.java_exception)) from None
        raise LookdexError(
            f"{what}: Spark's JVM is gone ({str(error).splitlines()[0]}), perhaps killed for lack of memory. What is "
            "done is kept: run the same stage again"
        ) from None
    found = {row["id"]: row["result"] for row in rows}
    return [found[number] for number in range(len(texts))]


def _failed(what: str, said: str) -> TaskFailed | Stopped:
    if any(words in said for words in _SHUT_DOWN):
        return Stopped(f"{what}: Spark was shut down")
    task = _TASK.search(said)
    number = int(task[1]) if task else None
    return TaskFailed(f"{what}: a Spark task failed for good: {cause(said)}", number, cause(said))


def cause(said: str) -> str:
    """The line of a worker's traceback that names its exception, else the first line of Spark's words."""
    lines = said.splitlines() or ["Spark gave no reason"]
    inside = [
        i for i, line in enumerate(lines) if line.lstrip().startswith("Traceback (most recent call last)")
    ]
    if _DEATH in said:
        return "the Python worker died (killed, out of memory, or crashed in native code)"
    if inside:
        for line in lines[inside[-1] + 1 :]:
            if line.strip() and not line.startswith((" ", "\t")):
                return line.strip().removeprefix("lookdex.errors.TaskFailed: ")
    return lines[0]
