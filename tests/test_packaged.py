"""The package out of a zip, as spark-submit --py-files gives it to the workers, finds its own weights."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from lookdex.models import digests

LIB = Path(__file__).parents[1] / "lib"
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
