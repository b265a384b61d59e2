"""The marked code blocks of the documents run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import nodejs
from tests.support.documents import BLOCKS
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a checkout, in which the commands write their files."""
    root = tmp_path_factory.mktemp("readme")
    for name in (".venv", "dags", "infra", "jobs", "lib", "sql"):
        (root / name).symlink_to(ROOT / name)
    return root


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "LOOKDEX_", "SPARK_"))
    }
    kept.pop("PYTHONPATH", None)
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


# In this order: each block uses what earlier ones created.
@pytest.mark.parametrize("name", list(BLOCKS))
def test_block_runs(name: str, folder: Path, environment: dict[str, str]) -> None:
    language, text = BLOCKS[name]
    if name == "node":
        nodejs.install()
        environment = environment | {"PATH": f"{nodejs.NODE.parent}{os.pathsep}{environment['PATH']}"}
    command = [sys.executable, "-c", text] if language == "python" else ["bash", "-euc", text]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    if name == "walkthrough":
        assert (folder / "answer.png").stat().st_size > 10_000
        assert "live     release" in done.stdout
    if name == "example":
        assert "P0000" in done.stdout
    if name == "report":
        assert (folder / "report.html").stat().st_size > 100_000
    if name == "node":
        objects = json.loads(done.stdout)["objects"]
        assert objects
        assert all(len({match["product_id"] for match in found["matches"]}) == 3 for found in objects)
