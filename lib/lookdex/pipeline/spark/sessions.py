"""A Spark session: the one of spark-submit or Spark Connect, or a local one with a JVM of this process."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lookdex.pipeline.spark import jvm
from lookdex.runtime.extras import extras

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ATTEMPTS = 4  # of a task in local mode; a cluster has its own spark.task.maxFailures


@extras()
def session(master: str | None = None, app: str = "lookdex", **settings: str) -> SparkSession:
    """A Spark session: the one given by spark-submit or Spark Connect, else a local one with quiet, sane defaults.

    master: as Spark's; None takes what spark-submit was given, else local with one task per core and 4 attempts.
    settings: further Spark settings with `_` for `.`; they win over the defaults here.

    Raises:
        ConfigError: the JVM did not start; the message says why. MissingExtra: pyspark is not installed.
    """
    from pyspark.sql import SparkSession

    chosen = {name.replace("_", "."): value for name, value in settings.items()}
    builder = SparkSession.builder.appName(app)
    if not submitted():
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        master = master or f"local[{len(os.sched_getaffinity(0))},{ATTEMPTS}]"
        chosen = {**_local_settings(master), **chosen}
    if master:
        builder = builder.master(master)
    for name, value in chosen.items():
        if name != "spark.driver.extraJavaOptions":  # the JVM is running by then
            builder = builder.config(name, value)
    with without_notices(), _interrupted_afterwards():
        if not submitted():
            jvm.start({**chosen, "spark.master": master or "local"})
        elif "PYSPARK_GATEWAY_PORT" in os.environ:
            jvm.settle()
        made = builder.getOrCreate()
    logging.getLogger().addFilter(_not_py4j)
    return made


def runs_here(master: str | None = None) -> bool:
    """Will `session(master)` run its tasks on this machine? False where what submitted this process decides."""
    return not submitted() and (master or "local").startswith("local")


def submitted() -> bool:
    """Was this process started by spark-submit, or does it use Spark Connect?"""
    return "PYSPARK_GATEWAY_PORT" in os.environ or "SPARK_REMOTE" in os.environ


def _not_py4j(record: logging.LogRecord) -> bool:
    """py4j writes every call that was cut off into the root log, by the page, and raises it as well."""
    return "py4j" not in record.pathname


@contextlib.contextmanager
def without_notices() -> Iterator[None]:
    """pyspark 4.3 warns of pandas 3 whenever it is imported; only Arrow is used here. Lance warns of any fork; the one
    here is followed by exec of the JVM."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
        warnings.filterwarnings("ignore", message="lance is not fork-safe")
        yield


@contextlib.contextmanager
def _interrupted_afterwards() -> Iterator[None]:
    """Hold signals back while Spark starts: a JVM orphaned during its start never ends (pyspark 4.3)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    terminated = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        # Not pyspark's, which calls the JVM from within a call to the JVM: that ends in pages of traceback.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL if terminated is None else terminated)
    if came:
        signal.raise_signal(came[0])


def _local_settings(master: str) -> dict[str, str]:
    """For a driver that this process starts itself."""
    given = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.catalogImplementation": "in-memory",  # no Derby and no metastore_db in the working directory
        # Two workers with one thread each beat two with two; glibc's arenas grow with the threads that fetch.
        "spark.executorEnv.OMP_NUM_THREADS": "1",
        "spark.executorEnv.MALLOC_ARENA_MAX": "2",
    }
    if master.startswith("local"):
        # Both, or Spark looks up the machine's name, which may not resolve, and warns.
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        given |= {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            # What this process can import, its workers can, however it came to be importable here.
            "spark.executorEnv.PYTHONPATH": os.pathsep.join(p for p in sys.path if p and Path(p).exists()),
        }
    return given
