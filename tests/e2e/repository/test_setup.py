"""`infra/setup`: its errors on machines that lack something, its lock files, and the targets of make."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.paths import ROOT

LOCKS = sorted((ROOT / "infra" / "lock").glob("*.txt"))
LOCKED = ["3.11", "3.12", "3.13"]
TOOLS = ("sh", "sed", "dirname", "cat", "env")  # all that infra/setup may use
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder for PATH with the common tools, without Python and Java."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the checkout without environments."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "infra", folder / "infra")
    shutil.copy(ROOT / "setup.py", folder / "setup.py")
    shutil.copy(ROOT / "Makefile", folder / "Makefile")
    return folder


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def set_up(
    checkout: Path, machine: Path, *names: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "infra" / "setup", *names],
        env={"PATH": str(machine), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def real_python(machine: Path) -> None:
    program(machine, "python3", f'exec "{sys.executable}" "$@"')


def java(machine: Path, version: str, modules: str = "jdk.incubator.vector@17") -> None:
    program(
        machine,
        "java",
        f"""case "$1" in
-version) echo 'openjdk version "{version}" 2025-04-15' >&2 ;;
--list-modules) printf 'java.base@17\\n{modules}\\n' ;;
esac""",
    )


def test_missing_python_is_reported(checkout: Path, machine: Path) -> None:
    done = set_up(checkout, machine)
    assert done.returncode == 1
    assert "no python3 on the PATH" in done.stderr
    assert "apt-get install python3" in done.stderr
    assert " ".join(LOCKED) in done.stderr


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.99"])
def test_unsupported_python_is_reported_with_the_supported_versions(
    checkout: Path, machine: Path, version: str
) -> None:
    program(machine, "python3", f"echo {version}")
    done = set_up(checkout, machine)
    assert done.returncode == 1
    assert f"python3 is {version}" in done.stderr
    assert " ".join(LOCKED) in done.stderr
    assert "PYTHON=" in done.stderr


def test_supported_python_on_the_path_is_used(checkout: Path, machine: Path) -> None:
    program(machine, "python3", "echo 3.99")
    program(machine, "python3.12", 'case "$1" in -c) echo 3.12 ;; *) echo took "$@" ;; esac')
    done = set_up(checkout, machine, "jobs")
    assert done.stdout == "took infra/environments.py jobs\n"


def test_missing_java_is_reported(checkout: Path, machine: Path) -> None:
    real_python(machine)
    done = set_up(checkout, machine)
    assert done.returncode == 1
    assert "there is no java on the PATH" in done.stderr
    assert "apt-get install openjdk-17-jre-headless" in done.stderr
    assert not (checkout / ".venv").exists(), "nothing is installed before all checks have passed"


def test_java_home_without_java_is_reported(checkout: Path, machine: Path, tmp_path: Path) -> None:
    real_python(machine)
    java(machine, "17.0.15")
    done = set_up(checkout, machine, JAVA_HOME=str(tmp_path / "gone"))
    assert done.returncode == 1
    assert f"there is none at JAVA_HOME={tmp_path / 'gone'}" in done.stderr


@pytest.mark.parametrize(("version", "major"), [("1.8.0_392", 8), ("11.0.2", 11), ("25", 25)])
def test_unsupported_java_is_reported(checkout: Path, machine: Path, version: str, major: int) -> None:
    real_python(machine)
    java(machine, version)
    done = set_up(checkout, machine)
    assert done.returncode == 1
    assert f"is Java {major}" in done.stderr
    assert "17 or 21" in done.stderr


def test_java_that_fails_to_run_is_reported(checkout: Path, machine: Path) -> None:
    real_python(machine)
    program(machine, "java", "echo 'No Java runtime present' >&2; exit 1")  # macOS's placeholder
    done = set_up(checkout, machine)
    assert done.returncode == 1
    assert "no Java that runs" in done.stderr


def test_java_without_required_modules_is_reported(checkout: Path, machine: Path) -> None:
    real_python(machine)
    java(machine, "17.0.15", modules="java.logging@17")
    done = set_up(checkout, machine)
    assert done.returncode == 1
    assert "jdk.incubator.vector" in done.stderr


def stamped(checkout: Path, name: str) -> Path:
    """A stand-in for a complete environment, with the stamp that infra/setup would write."""
    code = f"import sys; sys.path.insert(0, 'infra'); import environments as e; print(e.make_stamp({name!r}), end='')"
    stamp = subprocess.run(
        [sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=True
    ).stdout
    home = checkout / ".venv" / name
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").symlink_to(sys.executable)
    (home / "lookdex-stamp").write_text(stamp)
    return home


@pytest.fixture
def no_installs(checkout: Path) -> None:
    """Starting an install fails at once with this message."""
    module = checkout / "infra" / "environments.py"
    module.write_text(
        module.read_text().replace(
            "def install(name: str) -> None:\n",
            "def install(name: str) -> None:\n    raise SetupError(f'would install {name}')\n",
        )
    )


@pytest.mark.usefixtures("no_installs")
class TestInstalls:
    def test_second_run_does_nothing(self, checkout: Path, machine: Path) -> None:
        real_python(machine)
        java(machine, "17.0.15")
        stamped(checkout, "jobs")
        stamped(checkout, "airflow")
        done = set_up(checkout, machine)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_only_the_named_environment_is_installed(self, checkout: Path, machine: Path) -> None:
        real_python(machine)
        java(machine, "21.0.1")
        stamped(checkout, "jobs")
        assert set_up(checkout, machine, "jobs").returncode == 0
        assert "would install airflow" in set_up(checkout, machine).stderr

    def test_interrupted_install_is_repeated(self, checkout: Path, machine: Path) -> None:
        real_python(machine)
        java(machine, "17.0.15")
        (stamped(checkout, "jobs") / "lookdex-stamp").unlink()
        assert "would install jobs" in set_up(checkout, machine).stderr

    @pytest.mark.parametrize("changed", ["infra/lock/jobs.txt", "infra/lock/dev.txt", "setup.py"])
    def test_changed_requirements_are_installed(self, checkout: Path, machine: Path, changed: str) -> None:
        real_python(machine)
        java(machine, "17.0.15")
        stamped(checkout, "jobs")
        with (checkout / changed).open("a") as file:
            file.write("# changed\n")
        assert "would install jobs" in set_up(checkout, machine).stderr

    def test_environment_of_a_removed_python_is_installed_again(self, checkout: Path, machine: Path) -> None:
        real_python(machine)
        java(machine, "17.0.15")
        python = stamped(checkout, "jobs") / "bin" / "python"
        python.unlink()
        python.symlink_to("/nowhere/python")
        assert "would install jobs" in set_up(checkout, machine).stderr

    def test_concurrent_runs_wait_for_each_other(self, checkout: Path, machine: Path) -> None:
        real_python(machine)
        java(machine, "17.0.15")
        (checkout / ".venv").mkdir()
        with open(checkout / ".venv" / "setup.lock", "w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            second = subprocess.Popen(
                [checkout / "infra" / "setup", "jobs"],
                env={"PATH": str(machine)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert second.stdout is not None
            waiting = second.stdout.readline()
            stamped(checkout, "jobs")  # the first one finishes
        out, err = second.communicate(timeout=60)
        assert "waiting for another set-up" in waiting
        assert (second.returncode, out, err) == (0, "", "")


def test_sigterm_ends_the_running_step(checkout: Path, machine: Path) -> None:
    """The first step, `python -m venv`, hangs. SIGTERM ends it and the set-up, and no stamp is written."""
    java(machine, "17.0.15")
    mark = checkout / "hanging"
    step = checkout / "step.py"
    step.write_text(f"import os, time\nopen({str(mark)!r}, 'w').write(str(os.getpid()))\ntime.sleep(99)\n")
    module = checkout / "infra" / "environments.py"
    module.write_text(module.read_text().replace('"-m", "venv", "--clear", str(home)', f'"{step}"'))
    real_python(machine)
    with subprocess.Popen(
        [checkout / "infra" / "setup", "jobs"], env={"PATH": str(machine)}, stderr=subprocess.PIPE, text=True
    ) as running:
        deadline = time.monotonic() + 30
        while not (mark.exists() and mark.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.terminate()
        _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "interrupted" in err
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
    assert not (checkout / ".venv" / "jobs" / "lookdex-stamp").exists()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda p: p.name)
def test_locks_have_exact_pins_and_no_urls(lock: Path) -> None:
    lines = [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[0-9][A-Za-z0-9.+!]*( ; .+)?", line), line
    assert "://" not in lock.read_text()
    assert f"# python: {' '.join(LOCKED)}\n" in lock.read_text()


def test_lock_files() -> None:
    names = {lock.stem for lock in LOCKS}
    assert names == {"jobs", "dev", "airflow"}
    assert "pyspark-client" not in (ROOT / "infra/lock/jobs.txt").read_text(), (
        "it overwrites files of pyspark"
    )


def test_installed_versions_are_the_locked_ones() -> None:
    from importlib.metadata import version

    pins = re.findall(r"^([a-z0-9._-]+)==(\S+)$", (ROOT / "infra/lock/jobs.txt").read_text(), re.MULTILINE)
    differing = {name: (pin, version(name)) for name, pin in pins if version(name) != pin}
    assert not differing


def test_make_help_lists_the_targets() -> None:
    for command in (["make"], ["make", "help"]):
        output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert re.findall(r"^  make ([\w-]+)", output, re.MULTILINE) == [
            "help", "demo", "test", "check", "lint", "bench", "bench-serve"
        ]  # fmt: skip


def test_make_passes_values_unchanged(checkout: Path, tmp_path: Path) -> None:
    (checkout / "infra" / "setup").write_text("#!/bin/sh\n")
    python = checkout / ".venv" / "jobs" / "bin" / "python"
    python.parent.mkdir(parents=True)
    program(python.parent, "python", 'for argument in "$@"; do echo "<$argument>"; done')
    source = 's3://bucket/a b\'; touch "pwned" #'
    output = subprocess.run(
        ["make", "demo", "LIMIT=5"], cwd=checkout, env={**os.environ, "SOURCE": source}, capture_output=True,
        text=True, check=True,
    ).stdout  # fmt: skip
    assert output.splitlines() == ["<-m>", "<infra.demo>", "<--source>", f"<{source}>", "<--limit>", "<5>"]


def test_ci_runs_make_test() -> None:
    assert "exec make test" in (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
