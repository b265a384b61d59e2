"""The JVM of a Spark driver that this process starts: settings, output, shutdown.

All its files are in one temporary folder, which is removed with the process. Its output is held back until it has
started, to explain a failed start.
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

# Log errors only. Spark reads this before any log level is set. The gateway's entry keeps it from announcing (and
# setting) another level, as it does in interactive shells. The driver reports a task's error in one line, so the
# loggers that print each attempt with the JVM's stack are off.
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
    """Start the JVM with these Spark settings, once per process. Raises ConfigError when it does not start."""
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
    output = _Output()
    try:
        conf = SparkConf(False).setAll([*{**settings, **own}.items()])
        # A session of its own: the JVM gets no signals of this process and ends when its input closes.
        gateway = launch_gateway(conf, {"stderr": output.sink, "start_new_session": True})
    except PySparkRuntimeError as error:
        folder.remove()
        if error.getCondition() != "JAVA_GATEWAY_EXITED":
            raise
        output.close()
        raise ConfigError(explain_failed_start(output.lines)) from error
    except BaseException:
        folder.remove()
        raise
    atexit.register(_end, gateway, output, folder, os.getpid())
    output.pass_on()
    SparkContext._ensure_initialized(gateway=gateway)
    set_hadoop_user(gateway.jvm)


def configure_submitted_jvm() -> None:
    """Apply what `start` sets to a JVM that spark-submit started."""
    from pyspark import SparkContext

    SparkContext._ensure_initialized()
    view: Any = SparkContext._jvm
    set_hadoop_user(view)
    # Its log is configured elsewhere, but stacks of failed tasks and of workers that ended early only add noise.
    levels = view.org.apache.logging.log4j
    for name in SILENT:
        levels.core.config.Configurator.setLevel(name, levels.Level.OFF)
    workers = "org.apache.spark.api.python.PythonWorkerFactory"
    levels.core.config.Configurator.setLevel(workers, levels.Level.ERROR)


def _java_options(folder: Path) -> list[str]:
    log_config = folder / "log4j2.properties"
    silent = "".join(
        f"logger.silent{n}.name = {name}\nlogger.silent{n}.level = off\n" for n, name in enumerate(SILENT)
    )
    log_config.write_text(_LOG4J + silent)
    options = [f"-Djava.io.tmpdir={folder}", f"-Dlog4j2.configurationFile={log_config.as_uri()}"]
    if nameless() or not _writable(Path("~").expanduser()):
        options += [f"-Duser.name={user_name()}", f"-Duser.home={os.environ.get('HOME') or folder}"]
    # The JVM only schedules tasks: the fast compiler and one collector thread leave the cores to the models.
    return ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *options]


# ── the user's name ──────────────────────────────────────────────────────────────────────────────────────────


def nameless() -> bool:
    """Whether the user id has no entry in the passwd database, as in containers that run under arbitrary ids."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return True
    return False


def user_name() -> str:
    return os.environ.get("USER") or os.environ.get("LOGNAME") or f"uid{os.getuid()}"


def name_user(home: Path) -> None:
    """Set the name and, if missing, the home of a user without a passwd entry, for the JVM and the workers."""
    if nameless():
        name = user_name()
        for variable in ("USER", "LOGNAME", "SPARK_USER", "HADOOP_USER_NAME"):
            os.environ.setdefault(variable, name)
        if not _writable(Path(os.environ.get("HOME") or "?")):
            os.environ["HOME"] = str(home)


def set_hadoop_user(jvm: Any) -> None:
    """Set Hadoop's login user: it asks the system for the user's name and fails without one."""
    if nameless():
        users = jvm.org.apache.hadoop.security.UserGroupInformation
        users.setLoginUser(users.createRemoteUser(user_name()))


def _writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK)


# ── output ───────────────────────────────────────────────────────────────────────────────────────────────────


class _Output:
    """The stderr of the JVM and its Python workers: held back at first, then passed on line by line."""

    def __init__(self) -> None:
        source, self.sink = os.pipe()
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._source = os.fdopen(source, encoding="utf-8", errors="replace")
        self._passing = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, name="lookdex-jvm-output", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._source:
            for line in self._source:
                with self._lock:
                    if self._passing.is_set():
                        _print(line)
                    else:
                        self.lines.append(line.rstrip("\n"))

    def pass_on(self) -> None:
        """Print what was held back, and pass on all further output."""
        os.close(self.sink)
        with self._lock:
            for line in self.lines:
                _print(line + "\n")
            self._passing.set()

    def ignore(self) -> None:
        """Drop further output: the JVM is being shut down."""
        self._passing.clear()

    def close(self) -> None:
        """Close the pipe after the JVM has ended."""
        os.close(self.sink)
        self._thread.join(timeout=5)


def _print(line: str) -> None:
    """Print a line unless it belongs to a JVM stack trace: the caller reports what failed."""
    if not line.startswith(("\tat ", "\t... ", *_NOISE)):
        with suppress(ValueError, OSError):  # stderr may be closed as the process ends
            sys.stderr.write(line)
            sys.stderr.flush()


_FULL_JAVA = "a full Java 17 or 21 (on Debian and Ubuntu: openjdk-17-jre-headless)"
# (Signs in the lower-cased output of the launcher, the JVM or Spark; cause.) The first match counts.
_CAUSES = (
    (("unsupportedclassversionerror",), f"the Java found is too old: install {_FULL_JAVA}"),
    (("jdk.incubator.vector not found",), f"the Java found lacks modules: install {_FULL_JAVA}"),
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
    (("no space left on device",), "the disk for temporary files is full: free some space, or set TMPDIR"),
    (
        ("invalid null input: name", "basedir must be absolute"),
        "the user id has no name: give it an entry in /etc/passwd, or set USER and HOME",
    ),
    (
        ("java_home is not set", "bin/java: no such file", "java: not found", "java: command not found"),
        f"no Java was found: install {_FULL_JAVA} and set JAVA_HOME to it",
    ),
)


def explain_failed_start(lines: Sequence[str]) -> str:
    """Explain from its output why a JVM did not start."""
    output = [
        line.strip() for line in lines if line.strip() and not line.startswith(("\tat ", "\t... ", *_NOISE))
    ]
    text = "\n".join(output).lower()
    java = os.environ.get("JAVA_HOME") or "not set"
    shown = f" Its output: {' / '.join(output[-5:])}" if output else " It printed nothing."
    for signs, cause in _CAUSES:
        if any(sign in text for sign in signs):
            return f"Spark did not start (JAVA_HOME: {java}): {cause}.{shown}"
    return (
        f"Spark's JVM did not start (JAVA_HOME: {java}).{shown} If that does not help, check that "
        "`java -version` works and is 17 or 21"
    )


# ── files and shutdown ───────────────────────────────────────────────────────────────────────────────────────


class _Folder:
    """A temporary folder, locked while this process lives. Creating one removes unlocked folders of dead processes."""

    def __init__(self) -> None:
        for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
            _remove_if_left(left)
        self.path = Path(tempfile.mkdtemp(prefix=_FOLDER))
        # Lock it before it gets the name that other processes look for.
        self._lock = os.open(self.path / "lock.new", os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(self.path / "lock.new", self.path / "lock")

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _remove_if_left(folder: Path) -> None:
    try:
        lock = os.open(folder / "lock", os.O_RDWR)
    except OSError:  # another user's folder, or one that is being created or removed
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _end(gateway: Any, output: _Output, folder: _Folder, pid: int) -> None:
    """Let the JVM and its workers end by closing its input, kill what is left, and remove the folder."""
    if os.getpid() != pid:
        return
    import psutil
    from pyspark import SparkContext

    output.ignore()
    context = SparkContext._active_spark_context
    if context is not None and context._accumulatorServer is not None:
        context._accumulatorServer.shutdown()  # else it prints a traceback when the JVM ends
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
