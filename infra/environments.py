"""Install .venv/jobs and .venv/airflow from their locks, once. Standard library only; called by infra/setup.

An environment is complete when its stamp, written last, matches the current locks. Otherwise (interrupted, other pins,
another Python, moved checkout) it is rebuilt from scratch.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".venv"
LOCKS = ROOT / "infra" / "lock"
ENVIRONMENTS = {"jobs": ("jobs", "dev"), "airflow": ("airflow",)}  # environment → its locks, in order
GIGABYTES = {"jobs": 8.0, "airflow": 1.0}
JAVA_MAJORS = (17, 21)
JAVA_MODULE = (
    "jdk.incubator.vector"  # Spark's launcher requires it; trimmed runtimes lack it and do not start
)
STAMP = "lookdex-stamp"

JAVA_HELP = """\
  Debian, Ubuntu   apt-get install openjdk-17-jre-headless
  macOS            brew install openjdk@17
  elsewhere        https://adoptium.net (a full JRE or JDK, 17 or 21)
Then run the same command again; JAVA_HOME, where set, comes before the PATH."""


class SetupError(Exception):
    """Something that this machine lacks, with instructions."""


def main(names: list[str]) -> int:
    unknown = set(names) - set(ENVIRONMENTS)
    if unknown:
        print(
            f"unknown environment {', '.join(sorted(unknown))}; choose from {', '.join(ENVIRONMENTS)}",
            file=sys.stderr,
        )
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        check_java()
        wanted = [name for name in names or ENVIRONMENTS if not is_ready(name)]
        if wanted:
            check_venv()
            with_lock(wanted)
    except SetupError as missing:
        print(missing, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nset-up interrupted: run the same command again to rebuild the unfinished environment",
            file=sys.stderr,
        )
        return 130
    return 0


def check_java() -> None:
    """Refuse a Java on which Spark 4 does not start, before installing anything."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(os.path.join(home, "bin", "java")) if home else shutil.which("java")
    if java is None:
        where = f"there is none at JAVA_HOME={home}" if home else "there is no java on the PATH"
        raise SetupError(f"Spark needs a full Java 17 or 21: {where}{installed_javas()}\n{JAVA_HELP}")
    probe = subprocess.run([java, "-version"], capture_output=True, text=True)
    version = re.search(r'version "(?:1\.)?(\d+)', probe.stderr + probe.stdout)
    major = int(version.group(1)) if version else 0
    if major not in JAVA_MAJORS:
        raise SetupError(
            f"Spark needs a full Java 17 or 21: {java} is {f'Java {major}' if major else 'no Java that runs'}"
            f"{installed_javas()}\n{JAVA_HELP}"
        )
    modules = subprocess.run([java, "--list-modules"], capture_output=True, text=True).stdout
    if not re.search(rf"^{re.escape(JAVA_MODULE)}(@|$)", modules, re.MULTILINE):
        raise SetupError(
            f"Spark needs a full Java 17 or 21: {java} is a cut-down Java {major} without the module "
            f"{JAVA_MODULE}, on which Spark does not start{installed_javas()}\n{JAVA_HELP}"
        )


def installed_javas() -> str:
    """Suitable Javas in the usual place that are not on the PATH."""
    homes = [
        p.parent.parent
        for p in sorted(Path("/usr/lib/jvm").glob("*/bin/java"))
        if not p.parent.parent.is_symlink()
    ]
    usable = [str(home) for home in homes if any(str(major) in home.name for major in JAVA_MAJORS)]
    return f"\n  (installed, but not the one found: try JAVA_HOME={usable[0]})" if usable else ""


def check_venv() -> None:
    try:
        import ensurepip  # noqa: F401  (Debian ships Python without it)
        import venv  # noqa: F401
    except ImportError as error:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise SetupError(
            f"{sys.executable} cannot make virtual environments: it lacks {error.name}\n"
            f"  Debian, Ubuntu   apt-get install python{version}-venv\nThen run the same command again."
        ) from error


def make_stamp(name: str) -> str:
    """Contents of the environment's stamp. The project is installed editable, so its code is not part of it."""
    digest = hashlib.sha256()
    for lock in ENVIRONMENTS[name]:
        digest.update((LOCKS / f"{lock}.txt").read_bytes())
    if name == "jobs":
        digest.update((ROOT / "setup.py").read_bytes())
    return f"{digest.hexdigest()} python{sys.version_info[0]}.{sys.version_info[1]} {VENVS / name}\n"


def is_ready(name: str) -> bool:
    try:
        stamped = (VENVS / name / STAMP).read_text()
    except OSError:
        return False
    return stamped == make_stamp(name) and (VENVS / name / "bin" / "python").exists()


def with_lock(wanted: list[str]) -> None:
    VENVS.mkdir(exist_ok=True)
    with open(
        VENVS / "setup.lock", "w"
    ) as handle:  # the kernel releases it when this process ends, however it ends
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another set-up in this checkout", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        for name in wanted:
            if not is_ready(name):  # the other set-up may have installed it
                install(name)


def install(name: str) -> None:
    home = VENVS / name
    free = shutil.disk_usage(VENVS).free / 1e9
    if not home.exists() and free < GIGABYTES[name]:
        raise SetupError(
            f"{home} takes up to {GIGABYTES[name]:.0f} GB; only {free:.1f} GB are free on that disk"
        )
    print(
        f"installing {home.relative_to(ROOT)} (up to {GIGABYTES[name]:.0f} GB, some minutes, once)",
        flush=True,
    )
    started = time.monotonic()
    (home / STAMP).unlink(missing_ok=True)
    run([sys.executable, "-m", "venv", "--clear", str(home)])
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    quiet = [] if sys.stdout.isatty() else ["--quiet", "--quiet", "--progress-bar=off"]  # errors only
    for lock in ENVIRONMENTS[name]:  # locks are complete, so nothing is resolved and nothing can differ
        run([*pip, "install", *quiet, "--no-deps", "--requirement", str(LOCKS / f"{lock}.txt")])
    if name == "jobs":
        run([*pip, "install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)], quiet=True)
    run([*pip, "check"], quiet=True)
    (home / f"{STAMP}.tmp").write_text(make_stamp(name))
    os.replace(home / f"{STAMP}.tmp", home / STAMP)
    print(f"installed {home.relative_to(ROOT)} in {time.monotonic() - started:.0f} s", flush=True)


def run(command: list[str], quiet: bool = False) -> None:
    """Run a command; on Ctrl-C or SIGTERM it is ended before this process."""
    environment = {
        k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET")
    }
    out, err = (subprocess.PIPE, subprocess.STDOUT) if quiet else (None, None)  # quiet: shown only on failure
    step = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=err, text=True)
    try:
        output, _ = step.communicate()
    except BaseException:
        step.terminate()
        step.wait()
        raise
    if step.returncode:
        details = f"\n{output.strip()}" if output else ""
        raise SetupError(
            f"set-up stopped: exit code {step.returncode} from\n  {' '.join(command)}{details}\n"
            "Its own message is above. Fix its cause (often the network, or pip's configuration) and run the "
            "same command again."
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
