"""A standalone Spark cluster on loopback: a master and some workers, each in its own JVM with its own executors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pyspark

from infra.s3_server import end, free_ports, spawn, tail
from tests.support.paths import ROOT

SPARK_HOME = Path(pyspark.__file__).parent
QUICK_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@dataclass(frozen=True)
class Cluster:
    """A running cluster. environment: what its processes inherit, and so the jobs' Python workers."""

    master: str
    directory: Path
    environment: Mapping[str, str]

    def submit(
        self, *arguments: str, driver_path: str = "", timeout_s: float = 240
    ) -> subprocess.CompletedProcess[str]:
        """Run spark-submit in client mode. driver_path: PYTHONPATH of the driver; the workers have none."""
        settings = {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.extraJavaOptions": QUICK_JVM,
            "spark.executor.extraJavaOptions": QUICK_JVM,
            "spark.executor.memory": "512m",
            "spark.executor.cores": "1",
        }
        command = [str(SPARK_HOME / "bin" / "spark-submit"), "--master", self.master]
        for name, value in settings.items():
            command += ["--conf", f"{name}={value}"]
        return subprocess.run(
            [*command, *arguments], cwd=self.directory, env={**self.environment, "PYTHONPATH": driver_path},
            capture_output=True, text=True, timeout=timeout_s,
        )  # fmt: skip


@contextmanager
def start_cluster(directory: Path, workers: int = 2, deadline_s: float = 120) -> Iterator[Cluster]:
    """Run a master and single-core workers until the block ends; they die with this process, however that ends."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "SPARK_HOME": str(SPARK_HOME),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(directory / "local"),
        "SPARK_CONF_DIR": str(ROOT / "infra" / "spark" / "conf"),
        "SPARK_DAEMON_JAVA_OPTS": f"{QUICK_JVM} -Dspark.master.rest.enabled=false",
        "SPARK_DAEMON_MEMORY": "256m",
        "PYSPARK_PYTHON": sys.executable,
    }
    launcher = str(SPARK_HOME / "bin" / "spark-class")
    port, web = free_ports(2)
    master = f"spark://127.0.0.1:{port}"
    address = ["--host", "127.0.0.1", "--port"]
    with ExitStack() as stack, _environment(environment):
        log = directory / "master.log"
        process = spawn(
            [
                launcher,
                "org.apache.spark.deploy.master.Master",
                *address,
                str(port),
                "--webui-port",
                str(web),
            ],
            log,
        )
        stack.callback(end, process)
        for number in range(workers):
            command = [launcher, "org.apache.spark.deploy.worker.Worker", *address, "0", "--webui-port", "0"]
            command += [
                "--cores",
                "1",
                "--memory",
                "1g",
                "--work-dir",
                str(directory / f"worker-{number}"),
                master,
            ]
            stack.callback(end, spawn(command, directory / f"worker-{number}.log"))
        deadline = time.monotonic() + deadline_s
        while _alive_workers(web) < workers:
            if process.poll() is not None or time.monotonic() > deadline:
                logs = [tail(path) for path in sorted(directory.glob("*.log"))]
                raise RuntimeError("the Spark cluster did not start:\n" + "\n".join(logs))
            time.sleep(0.2)
        yield Cluster(master, directory, environment)


def _alive_workers(web_port: int) -> int:
    """The number of workers on the master's page; 0 while there is no page."""
    try:
        with urlopen(f"http://127.0.0.1:{web_port}/json/", timeout=5) as answer:
            return int(json.load(answer)["aliveworkers"])
    except (OSError, json.JSONDecodeError):  # at first there is no page, then briefly an incomplete one
        return 0


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set os.environ to exactly these values for the block; the daemons inherit it."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
