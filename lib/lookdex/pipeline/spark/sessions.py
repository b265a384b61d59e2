"""Spark sessions: that of spark-submit or Spark Connect, or a local one whose JVM this process starts."""

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
    """The session of spark-submit or Spark Connect, else a local one with quiet defaults.

    master: a Spark master URL. Default: that of spark-submit, else local with one task per core and 4 attempts.
    settings: further Spark settings with `_` for `.`; they override the defaults here.

    Raises:
        ConfigError: the JVM did not start; the message says why.
        MissingExtra: pyspark is not installed.
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
        if name != "spark.driver.extraJavaOptions":  # too late for a running JVM
            builder = builder.config(name, value)
    logging.getLogger().addFilter(_not_py4j)  # first: a signal may interrupt the rest
    with without_notices(), _signals_deferred():
        if not submitted():
            jvm.start({**chosen, "spark.master": master or "local"})
        elif "PYSPARK_GATEWAY_PORT" in os.environ:
            jvm.configure_submitted_jvm()
        return builder.getOrCreate()


def runs_here(master: str | None = None) -> bool:
    """Whether `session(master)` runs its tasks on this machine. False under spark-submit, which decides that itself."""
    return not submitted() and (master or "local").startswith("local")


def submitted() -> bool:
    """Whether this process was started by spark-submit or uses Spark Connect."""
    return "PYSPARK_GATEWAY_PORT" in os.environ or "SPARK_REMOTE" in os.environ


def _not_py4j(record: logging.LogRecord) -> bool:
    """py4j logs pages for every interrupted call, and raises the error as well."""
    return "py4j" not in record.pathname


@contextlib.contextmanager
def without_notices() -> Iterator[None]:
    """Silence two warnings: pyspark 4.3 about pandas 3 (only Arrow is used here), and Lance about forks (this one is
    followed by exec of the JVM)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
        warnings.filterwarnings("ignore", message="lance is not fork-safe")
        yield


@contextlib.contextmanager
def _signals_deferred() -> Iterator[None]:
    """Defer signals while Spark starts: a JVM that is orphaned during its start never ends (pyspark 4.3)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    terminated = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
    try:
        yield
    finally:
        # Not pyspark's handler: it calls the JVM from within a call to the JVM, which ends in pages of traceback.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL if terminated is None else terminated)
    if received:
        signal.raise_signal(received[0])


def _local_settings(master: str) -> dict[str, str]:
    """Settings for a driver that this process starts itself."""
    chosen = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.catalogImplementation": "in-memory",  # no Derby and no metastore_db in the working directory
        # Two workers with one thread each are faster than two with two. glibc's arenas grow with the fetching threads.
        "spark.executorEnv.OMP_NUM_THREADS": "1",
        "spark.executorEnv.MALLOC_ARENA_MAX": "2",
    }
    if master.startswith("local"):
        # Both are needed, or Spark looks up the host name, which may not resolve, and warns.
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        chosen |= {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            # Workers can import whatever this process can.
            "spark.executorEnv.PYTHONPATH": os.pathsep.join(p for p in sys.path if p and Path(p).exists()),
        }
    return chosen
