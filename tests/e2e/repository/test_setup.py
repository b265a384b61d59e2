"""The set-up: what it says on a machine that lacks something, what its locks hold, and what make lists."""

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
TOOLS = ("sh", "sed", "dirname", "cat", "env")  # all that the set-up may take for granted
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A PATH of its own: a folder with the common tools, no Python and no Java."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without environments: setting this one up would take minutes."""
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


def test_no_python_at_all(checkout: Path, machine: Path) -> None:
    told = set_up(checkout, machine)
    assert told.returncode == 1
    assert "no python3 on the PATH" in told.stderr
    assert "apt-get install python3" in told.stderr
    assert " ".join(LOCKED) in told.stderr


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.99"])
def test_python_without_a_lock_names_those_that_have_one(checkout: Path, machine: Path, version: str) -> None:
    program(machine, "python3", f"echo {version}")
    told = set_up(checkout, machine)
    assert told.returncode == 1
    assert f"python3 is {version}" in told.stderr
    assert " ".join(LOCKED) in told.stderr
    assert "PYTHON=" in told.stderr


def test_takes_the_python_that_has_a_lock(checkout: Path, machine: Path) -> None:
    program(machine, "python3", "echo 3.99")
    program(machine, "python3.12", 'case "$1" in -c) echo 3.12 ;; *) echo took "$@" ;; esac')
    told = set_up(checkout, machine, "jobs")
    assert told.stdout == "took infra/environments.py jobs\n"


def test_no_java(checkout: Path, machine: Path) -> None:
    real_python(machine)
    told = set_up(checkout, machine)
    assert told.returncode == 1
    assert "there is no java on the PATH" in told.stderr
    assert "apt-get install openjdk-17-jre-headless" in told.stderr
    assert not (checkout / ".venv").exists(), "nothing is installed before the machine is found fit"


def test_java_home_without_a_java(checkout: Path, machine: Path, tmp_path: Path) -> None:
    real_python(machine)
    java(machine, "17.0.15")
    told = set_up(checkout, machine, JAVA_HOME=str(tmp_path / "gone"))
    assert told.returncode == 1
    assert f"there is none at JAVA_HOME={tmp_path / 'gone'}" in told.stderr


@pytest.mark.parametrize(("version", "major"), [("1.8.0_392", 8), ("11.0.2", 11), ("25", 25)])
def test_wrong_java(checkout: Path, machine: Path, version: str, major: int) -> None:
    real_python(machine)
    java(machine, version)
    told = set_up(checkout, machine)
    assert told.returncode == 1
    assert f"is Java {major}" in told.stderr
    assert "17 or 21" in told.stderr


def test_java_that_does_not_run(checkout: Path, machine: Path) -> None:
    real_python(machine)
    program(machine, "java", "echo 'No Java runtime present' >&2; exit 1")  # macOS's placeholder
    told = set_up(checkout, machine)
    assert told.returncode == 1
    assert "no Java that runs" in told.stderr


def test_cut_down_java(checkout: Path, machine: Path) -> None:
    real_python(machine)
    java(machine, "17.0.15", modules="java.logging@17")
    told = set_up(checkout, machine)
    assert told.returncode == 1
    assert "jdk.incubator.vector" in told.stderr


def stamped(checkout: Path, name: str) -> Path:
    """A stand-in for a whole environment, with the stamp that the set-up would write."""
    code = f"import sys; sys.path.insert(0, 'infra'); import environments as e; print(e.stamp_of({name!r}), end='')"
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
    """An install that is started ends at once with this message."""
    module = checkout / "infra" / "environments.py"
    module.write_text(
        module.read_text().replace(
            "def install(name: str) -> None:\n",
            "def install(name: str) -> None:\n    raise Missing(f'would install {name}')\n",
        )
    )


@pytest.mark.usefixtures("no_installs")
class TestWhatIsInstalled:
    def test_a_second_run_does_nothing(self, checkout: Path, machine: Path) -> None:
        real_python(machine), java(machine, "17.0.15")
        stamped(checkout, "jobs"), stamped(checkout, "airflow")
        told = set_up(checkout, machine)
        assert (told.returncode, told.stdout, told.stderr) == (0, "", "")

    def test_only_what_is_asked_for(self, checkout: Path, machine: Path) -> None:
        real_python(machine), java(machine, "21.0.1")
        stamped(checkout, "jobs")
        assert set_up(checkout, machine, "jobs").returncode == 0
        assert "would install airflow" in set_up(checkout, machine).stderr

    def test_an_interrupted_install_is_not_taken_for_whole(self, checkout: Path, machine: Path) -> None:
        real_python(machine), java(machine, "17.0.15")
        (stamped(checkout, "jobs") / "lookdex-stamp").unlink()
        assert "would install jobs" in set_up(checkout, machine).stderr

    @pytest.mark.parametrize("changed", ["infra/lock/jobs.txt", "infra/lock/dev.txt", "setup.py"])
    def test_other_pins_are_another_environment(self, checkout: Path, machine: Path, changed: str) -> None:
        real_python(machine), java(machine, "17.0.15")
        stamped(checkout, "jobs")
        with (checkout / changed).open("a") as file:
            file.write("# changed\n")
        assert "would install jobs" in set_up(checkout, machine).stderr

    def test_a_python_that_is_gone(self, checkout: Path, machine: Path) -> None:
        real_python(machine), java(machine, "17.0.15")
        python = stamped(checkout, "jobs") / "bin" / "python"
        python.unlink()
        python.symlink_to("/nowhere/python")
        assert "would install jobs" in set_up(checkout, machine).stderr

    def test_two_at_once_take_turns(self, checkout: Path, machine: Path) -> None:
        real_python(machine), java(machine, "17.0.15")
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


def test_ctrl_c_ends_the_step_that_runs(checkout: Path, machine: Path) -> None:
    """The first step of an install, `python -m venv`, is made to hang; SIGTERM ends both, and leaves no stamp."""
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
def test_locks_hold_exact_pins_and_no_addresses(lock: Path) -> None:
    lines = [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[0-9][A-Za-z0-9.+!]*( ; .+)?", line), line
    assert "://" not in lock.read_text()
    assert f"# python: {' '.join(LOCKED)}\n" in lock.read_text()


def test_there_is_a_lock_for_the_jobs_and_one_for_airflow() -> None:
    names = {lock.stem for lock in LOCKS}
    assert names == {"jobs", "dev", "airflow"}
    assert "pyspark-client" not in (ROOT / "infra/lock/jobs.txt").read_text(), (
        "it overwrites files of pyspark"
    )


def test_the_environment_is_the_locked_one() -> None:
    from importlib.metadata import version

    pins = re.findall(r"^([a-z0-9._-]+)==(\S+)$", (ROOT / "infra/lock/jobs.txt").read_text(), re.MULTILINE)
    differing = {name: (pin, version(name)) for name, pin in pins if version(name) != pin}
    assert not differing


def test_make_lists_its_verbs() -> None:
    for command in (["make"], ["make", "help"]):
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert re.findall(r"^  make ([\w-]+)", told, re.MULTILINE) == [
            "help", "demo", "test", "check", "lint", "bench", "bench-serve"
        ]  # fmt: skip


def test_make_passes_values_as_they_are(checkout: Path, tmp_path: Path) -> None:
    (checkout / "infra" / "setup").write_text("#!/bin/sh\n")
    python = checkout / ".venv" / "jobs" / "bin" / "python"
    python.parent.mkdir(parents=True)
    program(python.parent, "python", 'for argument in "$@"; do echo "<$argument>"; done')
    source = 's3://bucket/a b\'; touch "pwned" #'
    told = subprocess.run(
        ["make", "demo", "LIMIT=5"], cwd=checkout, env={**os.environ, "SOURCE": source}, capture_output=True,
        text=True, check=True,
    ).stdout  # fmt: skip
    assert told.splitlines() == ["<-m>", "<infra.demo>", "<--source>", f"<{source}>", "<--limit>", "<5>"]


def test_ci_runs_make_test() -> None:
    assert "exec make test" in (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
