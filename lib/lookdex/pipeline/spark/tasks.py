"""Map a function over payloads, one Spark task each, and report a failed job in one line."""

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
    """Map `function` over the payloads, one Spark task each; results in order.

    spark: None runs the payloads one by one in this process. function: a module-level function that the workers can
    import, safe to run twice.

    Raises:
        TaskFailed: a task failed as often as Spark allows; the others may have finished.
        Stopped: Spark was shut down from outside.
        LookdexError: the JVM died.
    """
    if not payloads:
        return []
    if spark is None:
        return [function(payload) for payload in payloads]
    with extras():
        from py4j.protocol import Py4JError, Py4JJavaError
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
            # A range of n over n partitions has one row in each; there must be no shuffle after it.
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
        if isinstance(error.__context__, KeyboardInterrupt):  # pyspark's cleanup failed after it
            raise error.__context__ from None
        if isinstance(error, Py4JJavaError):
            raise _failed(what, str(error.java_exception)) from None
        raise LookdexError(
            f"{what}: Spark's JVM died ({str(error).splitlines()[0]}), perhaps killed for lack of memory. Finished "
            "work is kept: run the same stage again"
        ) from None
    found = {row["id"]: row["result"] for row in rows}
    return [found[number] for number in range(len(texts))]


def _failed(what: str, output: str) -> TaskFailed | Stopped:
    if any(text in output for text in _SHUT_DOWN):
        return Stopped(f"{what}: Spark was shut down")
    task = _TASK.search(output)
    number = int(task[1]) if task else None
    return TaskFailed(f"{what}: a Spark task failed for good: {cause(output)}", number, cause(output))


def cause(output: str) -> str:
    """The line of a worker's traceback that names the exception, else the first line of Spark's message."""
    lines = output.splitlines() or ["Spark gave no reason"]
    inside = [
        i for i, line in enumerate(lines) if line.lstrip().startswith("Traceback (most recent call last)")
    ]
    if _DEATH in output:
        return "the Python worker died (killed, out of memory, or crashed in native code)"
    if inside:
        for line in lines[inside[-1] + 1 :]:
            if line.strip() and not line.startswith((" ", "\t")):
                return line.strip().removeprefix("lookdex.errors.TaskFailed: ")
    return lines[0]
