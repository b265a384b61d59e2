"""Spark as an engine: a session, a function over payloads one task each, and the index stage on top of both.

The only package that imports pyspark. Images and tensors never cross the JVM: a task gets one short text and returns
one. Everything goes through the DataFrame API (`mapInArrow`), so that it also runs over Spark Connect. Any task may
run twice (retries, speculation); what is mapped here must tolerate that.
"""

from __future__ import annotations

from lookdex.pipeline.spark.indexing import index_payload, index_run, task_device
from lookdex.pipeline.spark.sessions import runs_here, session
from lookdex.pipeline.spark.tasks import map_json

__all__ = ["index_payload", "index_run", "map_json", "runs_here", "session", "task_device"]
