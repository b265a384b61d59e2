"""Spark as an engine: sessions, one task per payload, and the index stage on top.

The only package that imports pyspark. A task receives and returns one short string; images and tensors never cross the
JVM. Everything uses the DataFrame API (`mapInArrow`), so it also runs over Spark Connect. Tasks may run twice (retries,
speculation), so mapped functions must be idempotent.
"""

from __future__ import annotations

from lookdex.pipeline.spark.indexing import index_payload, index_run, task_device
from lookdex.pipeline.spark.sessions import runs_here, session
from lookdex.pipeline.spark.tasks import map_json

__all__ = ["index_payload", "index_run", "map_json", "runs_here", "session", "task_device"]
