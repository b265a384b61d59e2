"""The nightly DAG in Airflow's own environment: its structure, its commands, and real runs."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from lookdex.catalog import promotion_log, runs
from lookdex.cli.main import main as lookdex
from lookdex.storage import open_store
from lookdex_sample import write_sample
from tests.support.paths import ROOT

AIRFLOW = ROOT / ".venv" / "airflow" / "bin" / "python"
RUN = ROOT / "infra" / "airflow" / "run"
STAGES = ["plan", "index", "build", "audit", "promote"]
RUN_ID = "scheduled__2026-11-22T02:00:00+00:00"
HOSTILE = "s3://bucket/a b'\"; touch pwned $(reboot) `id` {{ 7 * 7 }} #"

pytestmark = pytest.mark.skipif(not AIRFLOW.exists(), reason="no .venv/airflow: infra/setup makes it")

# Run by Airflow's Python. Prints what the tests check of the DAG, as JSON; `commands` are what its operators would
# start, rendered by their own code.
DESCRIBE = """
import json, sys
from types import SimpleNamespace
import airflow.sdk
import airflow.providers.apache.spark.operators.spark_submit, airflow.providers.standard.hooks.subprocess
sys.path.insert(0, sys.argv[1] + "/dags")
given, variables = json.loads(sys.argv[2]), json.loads(sys.argv[3])
import nightly_reindex
dag = nightly_reindex.dag
params = dag.params.dump() | given
context = {"params": params, "run_id": "%s", "var": SimpleNamespace(value=variables)}
commands = {}
for task in dag.topological_sort():
    task.render_template_fields(context)
    if task.task_id in ("plan", "index", "build"):
        task.application_args = [argument for argument in task.application_args if argument]
        commands[task.task_id] = task._get_hook()._build_spark_submit_command(task.application)
    else:
        commands[task.task_id] = ["lookdex", *(argument for argument in task.arguments if argument)]
print("DESCRIBED", json.dumps({
    "commands": commands,
    "order": [task.task_id for task in dag.topological_sort()],
    "downstream": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
    "retries": {task.task_id: task.retries for task in dag.tasks},
    "backoff": [bool(task.retry_exponential_backoff) for task in dag.tasks],
    "timeouts": [task.execution_timeout.total_seconds() for task in dag.tasks],
    "outlets": {task.task_id: [asset.name for asset in task.outlets] for task in dag.tasks},
    "schedule": str(dag.schedule), "catchup": dag.catchup, "max_active_runs": dag.max_active_runs,
    "doc": dag.doc_md, "params": {name: dag.params.get_param(name).schema for name in dag.params},
    "loaded": sorted({"lookdex", "torch", "pyspark", "lancedb"} & sys.modules.keys()),
}))
""".replace("%s", RUN_ID)


def describe(
    home: Path, params: dict[str, Any] | None = None, variables: dict[str, str] | None = None
) -> dict[str, Any]:
    """What DESCRIBE prints about the DAG, with these form values and Airflow Variables."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_SPARK_DEFAULT": '{"conn_type": "spark", "host": "local[2,4]"}',
    }
    ran = subprocess.run(
        [AIRFLOW, "-c", DESCRIBE, ROOT, json.dumps(params or {}), json.dumps(variables or {})],
        env=environment, cwd=home, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    description: dict[str, Any] = json.loads(ran.stdout.partition("DESCRIBED ")[2])
    return description


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("airflow")


@pytest.fixture(scope="module")
def described(home: Path) -> dict[str, Any]:
    return describe(
        home, variables={"lookdex_source": "s3://shop/photos", "lookdex_catalog": "s3://shop/lookdex"}
    )


def test_stages_follow_each_other(described: dict[str, Any]) -> None:
    assert described["order"] == STAGES
    assert described["downstream"] == {stage: [later] for stage, later in itertools.pairwise(STAGES)} | {
        "promote": []
    }


def test_schedule_retries_and_timeouts(described: dict[str, Any]) -> None:
    assert (described["max_active_runs"], described["catchup"]) == (1, False)
    assert len(described["schedule"].split()) == 5
    assert all(tries >= 1 for tries in described["retries"].values())
    assert all(described["backoff"])
    assert all(seconds > 0 for seconds in described["timeouts"])


def test_promote_announces_the_release(described: dict[str, Any]) -> None:
    assert described["outlets"] == {stage: [] for stage in STAGES} | {"promote": ["lookdex_release"]}


def test_form_has_the_settings_and_the_doc_names_each_stage(described: dict[str, Any]) -> None:
    assert {"source", "catalog", "products", "limit", "full", "allow_mass_change"} <= described[
        "params"
    ].keys()
    for stage in STAGES:
        assert f"| {stage} |" in described["doc"]
    assert "lookdex rollback" in described["doc"]
    assert "lookdex resume" in described["doc"]


def test_parsing_loads_no_heavy_package(described: dict[str, Any]) -> None:
    assert described["loaded"] == []


def parse(command: list[str]) -> dict[str, Any]:
    """Parse a task's command as the job itself does. Returns the values of its options."""
    if command[0] == "lookdex":
        name, arguments = command[1], command[2:]
        verb = lookdex.commands[name]
    else:
        job = next(i for i, word in enumerate(command) if word.endswith(".py"))
        name, arguments = Path(command[job]).name, command[job + 1 :]
        names = runpy.run_path(command[job])
        (verb,) = (value for value in names.values() if isinstance(value, click.Command))
    values: dict[str, Any] = verb.make_context(name, list(arguments)).params
    return values


def test_settings_come_from_airflow_variables(described: dict[str, Any]) -> None:
    parsed = {stage: parse(command) for stage, command in described["commands"].items()}
    assert parsed["plan"]["source"] == "s3://shop/photos"
    assert {values["catalog"] for values in parsed.values()} == {"s3://shop/lookdex"}
    assert {values["run_id"] for values in parsed.values()} == {RUN_ID}
    assert parsed["plan"]["limit"] is None
    assert not parsed["plan"]["full"]


def test_spark_submit_uses_the_airflow_connection(described: dict[str, Any]) -> None:
    for stage in ("plan", "index", "build"):
        assert described["commands"][stage][:3] == ["spark-submit", "--master", "local[2,4]"]


def test_form_overrides_variables_and_values_are_not_interpreted_by_a_shell(home: Path) -> None:
    form = {
        "source": HOSTILE, "catalog": "--evil", "products": "s3://shop/products.parquet",
        "pattern": "{product_id}/{name}.jpg", "limit": 7, "full": True, "allow_mass_change": True, "device": "cuda:1",
    }  # fmt: skip
    dag = describe(home, form, {"lookdex_source": "s3://not/this"})
    parsed = {stage: parse(command) for stage, command in dag["commands"].items()}
    assert parsed["plan"]["source"] == HOSTILE
    assert {values["catalog"] for values in parsed.values()} == {"--evil"}
    assert parsed["plan"]["pattern"] == form["pattern"]
    assert (parsed["plan"]["limit"], parsed["plan"]["full"]) == (7, True)
    assert parsed["index"]["device"] == parsed["audit"]["device"] == "cuda:1"
    for stage in ("plan", "index", "build", "audit"):
        assert parsed[stage]["allow_mass_change"]


# ── real runs ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the photos of a few products."""
    folder = tmp_path_factory.mktemp("shop")
    write_sample(open_store(str(folder)), products=6, looks=1, seed=5)
    return folder


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of `infra/airflow/run`: a new AIRFLOW_HOME, free ports, no retries."""
    ports = {}
    with contextlib.ExitStack() as stack:  # all open at once, so that no two are the same
        for name in ("API__PORT", "LOGGING__WORKER_LOG_SERVER_PORT", "LOGGING__TRIGGER_LOG_SERVER_PORT"):
            port = stack.enter_context(socket.socket())
            port.bind(("127.0.0.1", 0))
            ports[f"AIRFLOW__{name}"] = str(port.getsockname()[1])
    return {
        **os.environ,
        **ports,
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow-runs")),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW_CONN_SPARK_DEFAULT": '{"conn_type": "spark", "host": "local[1,2]"}',
        "SPARK_LOCAL_IP": "127.0.0.1",
        "LOOKDEX_RETRIES": "0",
    }


def dags_test(environment: dict[str, str], conf: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [RUN, "dags", "test", "nightly_reindex", "--conf", json.dumps(conf)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=540,
    )  # fmt: skip


def test_manual_run_publishes_and_scheduled_run_finds_nothing_to_do(
    shop: Path, runner: dict[str, str]
) -> None:
    catalog = str(shop / "catalog")
    settings = {
        "source": str(shop / "photos"),
        "products": str(shop / "products.parquet"),
        "pattern": "{product_id}/{name}.jpg",
        "catalog": catalog,
    }
    ran = dags_test(runner, settings)
    assert ran.returncode == 0, ran.stdout[-6000:]
    entry = promotion_log.current(open_store(catalog))
    assert entry is not None
    assert entry.release_id.startswith("manual__")

    # A running scheduler starts the night that is due, with the settings of Airflow Variables.
    variables = {f"AIRFLOW_VAR_LOOKDEX_{name.upper()}": value for name, value in settings.items()}
    with standalone({**runner, **variables}) as state:
        assert state() == "success"
    assert promotion_log.current(open_store(catalog)) == entry, "nothing changed, so nothing was published"
    run_folders = {Path(key).parts[1] for key in (item.key for item in open_store(catalog).list("runs/"))}
    assert len(run_folders) == 2
    assert any(name.startswith(runs.run_slug("scheduled__")[:11]) for name in run_folders)


@contextlib.contextmanager
def standalone(environment: dict[str, str]) -> Iterator[Callable[[], str]]:
    """Run `airflow standalone`. Yields a function that waits for its first run to end and returns the run's state."""
    log = Path(environment["AIRFLOW_HOME"]) / "standalone.log"
    base = f"http://127.0.0.1:{environment['AIRFLOW__API__PORT']}"
    deadline = time.monotonic() + 400

    def get(path: str, token: str | None = None) -> Any:
        request = urllib.request.Request(
            base + path, headers={"Authorization": f"Bearer {token}"} if token else {}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    with log.open("wb") as sink:
        server = subprocess.Popen([RUN, "standalone"], env=environment, stdout=sink, stderr=subprocess.STDOUT)

        def first_run() -> str:
            while time.monotonic() < deadline:
                assert server.poll() is None, log.read_text(errors="replace")[-4000:]
                with contextlib.suppress(OSError, urllib.error.URLError, KeyError, IndexError):
                    token = get("/auth/token")["access_token"]
                    found = get("/api/v2/dags/nightly_reindex/dagRuns?run_type=scheduled", token)["dag_runs"]
                    if found[0]["state"] in ("success", "failed"):
                        return str(found[0]["state"])
                time.sleep(1)
            raise AssertionError("no run ended in time:\n" + log.read_text(errors="replace")[-4000:])

        try:
            yield first_run
        finally:
            server.send_signal(signal.SIGINT)
            assert server.wait(timeout=60) == 130
    assert not family(environment["AIRFLOW_HOME"]), "Ctrl-C left processes behind"


def family(home: str) -> list[str]:
    """Command lines of the processes with this AIRFLOW_HOME in their environment (Linux only)."""
    mark, found = f"AIRFLOW_HOME={home}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_invalid_setting_fails_without_retries(shop: Path, runner: dict[str, str]) -> None:
    ran = dags_test(
        {**runner, "LOOKDEX_RETRIES": "2"},  # exit code 2 is not retried
        {"source": str(shop / "photos"), "catalog": str(shop / "none"), "pattern": "{no_such_field}.jpg"},
    )
    assert ran.returncode == 1
    assert "AirflowFailException" in ran.stdout
    assert "up_for_retry" not in ran.stdout
    assert not (shop / "none" / "live").exists()


def test_ctrl_c_during_a_run_leaves_no_process(shop: Path, runner: dict[str, str], tmp_path: Path) -> None:
    """SIGINT while Spark runs. Retries are left, and must not start."""
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    mark = tmp_path / "started"
    (jobs / "plan_changes.py").write_text(
        "import pathlib, time\n"
        "from pyspark.sql import SparkSession\n"
        "SparkSession.builder.getOrCreate().range(1).count()\n"
        f"pathlib.Path({str(mark)!r}).touch()\n"
        "time.sleep(300)\n"
    )
    environment = {**runner, "LOOKDEX_RETRIES": "2", "LOOKDEX_JOBS": str(jobs)}
    log = tmp_path / "log"
    with log.open("wb") as sink:
        night = subprocess.Popen(
            [RUN, "dags", "test", "nightly_reindex", "--conf", '{"source": "a", "catalog": "b"}'],
            env=environment, stdout=sink, stderr=subprocess.STDOUT,
        )  # fmt: skip
    deadline = time.monotonic() + 180
    while not mark.exists():
        assert night.poll() is None, log.read_text(errors="replace")[-4000:]
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert (
        any("plan_changes.py" in line for line in family(runner["AIRFLOW_HOME"])) or sys.platform != "linux"
    )
    night.send_signal(signal.SIGINT)
    assert night.wait(timeout=60) == 130
    deadline = time.monotonic() + 20
    while family(runner["AIRFLOW_HOME"]) and time.monotonic() < deadline:
        time.sleep(0.2)  # Spark's Python workers end after their JVM
    assert family(runner["AIRFLOW_HOME"]) == []
