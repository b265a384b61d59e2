"""The JVM of a Spark driver that this process starts: its settings, its output, and its end.

Everything that it writes to disk lies in one temporary folder, which is removed with the process. Its output is held
back until it has started, so that a failed start can be explained from it.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import pwd
import shutil
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lookdex.errors import ConfigError

_FOLDER = "lookdex-spark-"
_END_SECONDS = 10.0  # for a JVM to remove its files before it is killed
_KEPT_LINES = 200
_NOISE = ("WARNING: Using incubator modules", "Picked up JAVA_TOOL_OPTIONS", "Picked up _JAVA_OPTIONS")

# The JVM's own log: errors only. Spark reads this before it knows of any log level; the gateway's own entry keeps
# it from announcing (and setting) another one, as it does in interactive shells. A task's error reaches the driver,
# which reports it in one line: the loggers that print each attempt with the JVM's stack are off.
_LOG4J = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = spark %p %c{1}: %m%n%ex{short}
logger.gateway.name = org.apache.spark.api.python.PythonGatewayServer
logger.gateway.level = error
"""
SILENT = (
    "org.apache.spark.executor.Executor",
    "org.apache.spark.scheduler.TaskSetManager",
    "org.apache.spark.util.SparkUncaughtExceptionHandler",
)


def start(settings: Mapping[str, str]) -> None:
    """Start this process's JVM with Spark's settings, once per process. Raises ConfigError when it does not start."""
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    if SparkContext._gateway is not None:
        return
    folder = _Folder()
    name_user(folder.path)
    java = [settings.get("spark.driver.extraJavaOptions", ""), *_java_options(folder.path)]
    own = {
        "spark.driver.extraJavaOptions": " ".join(option for option in java if option),
        "spark.sql.warehouse.dir": str(folder.path / "warehouse"),
    }
    words = _Words()
    try:
        conf = SparkConf(False).setAll([*{**settings, **own}.items()])
        # A session of its own: what ends this process ends the JVM, in order, by its closed input.
        gateway = launch_gateway(conf, {"stderr": words.sink, "start_new_session": True})
    except PySparkRuntimeError as error:
        folder.remove()
        if error.getCondition() != "JAVA_GATEWAY_EXITED":
            raise
        words.close()
        raise ConfigError(why_not(words.lines)) from error
    except BaseException:
        folder.remove()
        raise
    atexit.register(_end, gateway, words, folder, os.getpid())
    words.pass_on()
    SparkContext._ensure_initialized(gateway=gateway)
    log_in(gateway.jvm)


def settle() -> None:
    """What `start` does for this process's own JVM, in one that spark-submit started."""
    from pyspark import SparkContext

    SparkContext._ensure_initialized()
    view = SparkContext._jvm
    log_in(view)
    # Its log is set up by others; but nobody needs the stack of a failed task, or of a worker that ended early.
    levels = view.org.apache.logging.log4j
    for name in SILENT:
        levels.core.config.Configurator.setLevel(name, levels.Level.OFF)
    workers = "org.apache.spark.api.python.PythonWorkerFactory"
    levels.core.config.Configurator.setLevel(workers, levels.Level.ERROR)


def _java_options(folder: Path) -> list[str]:
    words = folder / "log4j2.properties"
    silent = "".join(
        f"logger.silent{n}.name = {name}\nlogger.silent{n}.level = off\n" for n, name in enumerate(SILENT)
    )
    words.write_text(_LOG4J + silent)
    options = [f"-Djava.io.tmpdir={folder}", f"-Dlog4j2.configurationFile={words.as_uri()}"]
    if nameless() or not _writable(Path("~").expanduser()):
        options += [f"-Duser.name={user_name()}", f"-Duser.home={os.environ.get('HOME') or folder}"]
    # The JVM only hands out tasks: the quick compiler and one collector thread leave the cores to the models.
    return ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *options]


# ── who this is ──────────────────────────────────────────────────────────────────────────────────────────────


def nameless() -> bool:
    """The user id has no entry in the passwd database, as in containers that run under any id."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return True
    return False


def user_name() -> str:
    return os.environ.get("USER") or os.environ.get("LOGNAME") or f"uid{os.getuid()}"


def name_user(home: Path) -> None:
    """Give a user without a passwd entry a name and, where it has none, a home, for the JVM and the workers."""
    if nameless():
        name = user_name()
        for variable in ("USER", "LOGNAME", "SPARK_USER", "HADOOP_USER_NAME"):
            os.environ.setdefault(variable, name)
        if not _writable(Path(os.environ.get("HOME") or "?")):
            os.environ["HOME"] = str(home)


def log_in(jvm: Any) -> None:
    """Hadoop asks the system for the user's name and fails without one: set it."""
    if nameless():
        users = jvm.org.apache.hadoop.security.UserGroupInformation
        users.setLoginUser(users.createRemoteUser(user_name()))


def _writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK)


# ── what it says ─────────────────────────────────────────────────────────────────────────────────────────────


class _Words:
    """What the JVM (and its Python workers) write to stderr: held back, then passed on line by line."""

    def __init__(self) -> None:
        source, self.sink = os.pipe()
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._source = os.fdopen(source, encoding="utf-8", errors="replace")
        self._passing = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, name="lookdex-jvm-words", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._source:
            for line in self._source:
                with self._lock:
                    if self._passing.is_set():
                        _say(line)
                    else:
                        self.lines.append(line.rstrip("\n"))

    def pass_on(self) -> None:
        """From now on, to this process's stderr."""
        os.close(self.sink)
        with self._lock:
            for line in self.lines:
                _say(line + "\n")
            self._passing.set()

    def ignore(self) -> None:
        """The JVM is being shut down: drop what it prints about that."""
        self._passing.clear()

    def close(self) -> None:
        """The JVM is gone: nothing more will come."""
        os.close(self.sink)
        self._thread.join(timeout=5)


def _say(line: str) -> None:
    """Print a line, without the JVM's stack: the caller reports what failed."""
    if not line.startswith(("\tat ", "\t... ", *_NOISE)):
        with suppress(ValueError, OSError):  # stderr may be closed as the process ends
            sys.stderr.write(line)
            sys.stderr.flush()


_FULL_JAVA = "a full Java 17 or 21 (on Debian and Ubuntu: openjdk-17-jre-headless)"
# The first match counts: output of the launcher, the JVM or Spark, in lower case, and its cause.
_CAUSES = (
    (("unsupportedclassversionerror",), f"the Java that it found is too old: install {_FULL_JAVA}"),
    (("jdk.incubator.vector not found",), f"the Java that it found lacks modules: install {_FULL_JAVA}"),
    (
        (
            "insufficient memory",
            "could not reserve enough space",
            "cannot allocate memory",
            "outofmemoryerror",
            "unable to create native thread",
        ),
        "there is not enough memory for the JVM: free some, or set spark.driver.memory",
    ),
    (("no space left on device",), "the disk of temporary files is full: free some space, or set TMPDIR"),
    (
        ("invalid null input: name", "basedir must be absolute"),
        "the user id has no name: give it an entry in /etc/passwd, or set USER and HOME",
    ),
    (
        ("java_home is not set", "bin/java: no such file", "java: not found", "java: command not found"),
        f"no Java was found: install {_FULL_JAVA} and set JAVA_HOME to it",
    ),
)


def why_not(lines: Sequence[str]) -> str:
    """Why a JVM did not start, by what it said."""
    words = [
        line.strip() for line in lines if line.strip() and not line.startswith(("\tat ", "\t... ", *_NOISE))
    ]
    text = "\n".join(words).lower()
    java = os.environ.get("JAVA_HOME") or "not set"
    said = f" It said: {' / '.join(words[-5:])}" if words else " It said nothing."
    for signs, cause in _CAUSES:
        if any(sign in text for sign in signs):
            return f"Spark did not start (JAVA_HOME: {java}): {cause}.{said}"
    return (
        f"Spark's JVM did not start (JAVA_HOME: {java}).{said} If that names no cause, check that "
        "`java -version` works and is 17 or 21"
    )


# ── its files and its end ────────────────────────────────────────────────────────────────────────────────────


class _Folder:
    """A temporary folder that is locked while this process lives; those that nobody locks any more are removed."""

    def __init__(self) -> None:
        for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
            _remove_if_left(left)
        self.path = Path(tempfile.mkdtemp(prefix=_FOLDER))
        # Locked before it has the name that others look for.
        self._lock = os.open(self.path / "lock.new", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(self.path / "lock.new", self.path / "lock")

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _remove_if_left(folder: Path) -> None:
    try:
        lock = os.open(folder / "lock", os.O_RDWR)
    except OSError:  # another user's, or one that is being made or removed
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _end(gateway: Any, words: _Words, folder: _Folder, pid: int) -> None:
    """Let the JVM end by itself (its input closes), and its workers with it; then remove what it left."""
    if os.getpid() != pid:
        return
    import psutil
    from pyspark import SparkContext

    words.ignore()
    context = SparkContext._active_spark_context
    if context is not None and context._accumulatorServer is not None:
        context._accumulatorServer.shutdown()  # it would print a traceback when the JVM ends
    process = gateway.proc
    family = []
    with suppress(psutil.Error):
        family = psutil.Process(process.pid).children(recursive=True)
    with suppress(OSError):
        process.stdin.close()
    deadline = time.monotonic() + _END_SECONDS
    with suppress(Exception):
        process.wait(_END_SECONDS)
    process.kill()
    process.wait()
    for left in psutil.wait_procs(family, max(0.5, deadline - time.monotonic()))[1]:
        with suppress(psutil.Error):
            left.kill()
    folder.remove()
