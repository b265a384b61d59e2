"""The files that setup.py packages; and the package finds its weights in a zip, as with --py-files."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from lookdex.models import digests
from tests.support.paths import ROOT

LIB = ROOT / "lib"
CODE = """
import lookdex
from lookdex.models import digests
assert ".zip" in lookdex.__file__
print(digests.detector_digest("lookdex-tiny"), digests.embedder_digest("lookdex-tiny"))
"""


def test_weights_are_found_in_a_zip_and_copied_once(tmp_path: Path) -> None:
    archive = tmp_path / "lookdex.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for file in sorted((LIB / "lookdex").rglob("*")):
            if file.suffix in (".py", ".json", ".safetensors"):
                out.write(file, file.relative_to(LIB))
    environment = {**os.environ, "PYTHONPATH": str(archive), "TMPDIR": str(tmp_path)}
    expected = f"{digests.detector_digest('lookdex-tiny')} {digests.embedder_digest('lookdex-tiny')}\n"
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, cwd=tmp_path
        )
        assert (done.stdout, done.stderr) == (expected, "")
    copies = list((tmp_path / f"lookdex-{os.getuid()}").iterdir())
    assert len(copies) == 2  # the detector and the embedder


def test_data_files_are_packaged(tmp_path: Path) -> None:
    command = ["egg_info", "--egg-base", str(tmp_path), "build_py", "--build-lib", str(tmp_path / "lib")]
    subprocess.run(
        [sys.executable, "setup.py", "-q", *command], cwd=LIB.parent, check=True, capture_output=True
    )
    tracked = subprocess.run(
        ["git", "ls-files", "lib/lookdex", "sql"], cwd=LIB.parent, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    expected = {
        "lookdex/sql/" + name.removeprefix("sql/") if name.startswith("sql/") else name.removeprefix("lib/")
        for name in tracked
    }
    packed = {
        file.relative_to(tmp_path / "lib").as_posix()
        for file in (tmp_path / "lib").rglob("*")
        if file.is_file()
    }
    examples = ("lookdex/py.typed", "lookdex/sql/items/checks.sql", "lookdex/search/schemas/answer-2.json")
    assert packed.issuperset(examples)
    assert any(name.startswith("lookdex/service/page/") for name in packed)
    assert expected - packed == set()
