"""Imports: the rules in pyproject.toml, and what those cannot express."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.paths import ROOT

MODULES = sorted((ROOT / "lib").rglob("*.py"))
HEAVY = (
    "PIL", "boto3", "botocore", "duckdb", "fastapi", "lance", "lancedb", "numpy", "open_clip", "openvino", "pandas",
    "pi_heif", "prometheus_client", "pyarrow", "pydantic", "pyspark", "simplejpeg", "starlette", "timm", "torch",
    "torchvision", "transformers", "uvicorn",
)  # fmt: skip


def imported(path: Path) -> set[str]:
    """The packages that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)


def test_the_import_rules_hold() -> None:
    """The rules of pyproject.toml: imports go one way, without cycles, and each heavy package has one owner."""
    linter = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([linter, "--no-cache"], capture_output=True, text=True, timeout=120, cwd=ROOT,
                         env={"PYTHONPATH": str(ROOT / "lib"), "COLUMNS": "120"})  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_package_is_in_the_layers() -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = {name for line in rules["contracts"][0]["layers"] for name in line.split(" | ")}
    packages = {f"lookdex.{path.relative_to(ROOT / 'lib/lookdex').parts[0].removesuffix('.py')}" for path in MODULES
            if path.is_relative_to(ROOT / "lib/lookdex")} - {"lookdex.__init__"}  # fmt: skip
    assert packages | {"lookdex_sample", "lookdex_tiny"} == layers


def test_no_module_is_longer_than_400_lines() -> None:
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES
    }
    assert not {path: count for path, count in lines.items() if count > 400}


@pytest.mark.parametrize(
    "code",
    [
        "import lookdex",
        "from lookdex.cli.main import main\nmain(['--help'], standalone_mode=False)",
        "from lookdex.cli.main import main\nmain(['index', '--help'], standalone_mode=False)",
    ],
    ids=["import", "help", "command-help"],
)
def test_importing_lookdex_and_its_help_load_no_heavy_package(code: str) -> None:
    check = f"\nimport sys; print('LOADED', *sorted(set({HEAVY!r}) & sys.modules.keys()))"
    ran = subprocess.run(
        [sys.executable, "-c", code + check], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    assert ran.stdout.splitlines()[-1] == "LOADED"


@pytest.mark.parametrize("path", sorted((ROOT / "dags").glob("*.py")), ids=lambda p: p.name)
def test_dags_import_only_airflow_and_the_standard_library(path: Path) -> None:
    assert imported(path) <= {"airflow"}


@pytest.mark.parametrize("path", sorted((ROOT / "jobs").glob("*.py")), ids=lambda p: p.name)
def test_jobs_are_short_and_import_only_lookdex(path: Path) -> None:
    assert imported(path) <= {"lookdex"}
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 45
