"""What `make demo` runs, small: with rendered photos, and with a folder of photos."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.support.paths import ROOT

AIRFLOW = ROOT / ".venv" / "airflow" / "bin" / "python"
needs_airflow = pytest.mark.skipif(not AIRFLOW.exists(), reason="no .venv/airflow: infra/setup makes it")


def demo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.demo", *arguments],
        capture_output=True,
        text=True,
        timeout=500,
        cwd=ROOT,
    )


@needs_airflow
def test_demo_with_rendered_photos_and_with_a_folder(tmp_path: Path) -> None:
    done = demo("--products", "14", "--looks", "2", "--out", tmp_path / "demo")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    report = json.loads((tmp_path / "demo/report.json").read_text())
    assert report["looks"] == 2
    assert report["objects"] > 0
    assert 0 <= report["objects_found"] <= 1
    assert 0 <= report["right_product_top1"] <= 1
    assert report["items"] >= report["images"] >= 14
    assert {"render", "plan", "index", "build", "audit", "promote", "query"} <= set(report["seconds"])
    with Image.open(tmp_path / "demo/answer.png") as picture:
        assert picture.width > 500
    shown = [line.strip() for line in done.stdout.splitlines() if line.startswith("         ")]
    stages = ["plan", "index", "build", "audit", "promote"]
    assert [line for line in shown if line in stages] == stages
    assert any(line.startswith("index 0/") for line in shown)
    assert "Type next:" in done.stdout

    from_folder = demo("--source", tmp_path / "demo/looks", "--out", tmp_path / "own")
    assert from_folder.returncode == 0, from_folder.stdout[-2000:] + from_folder.stderr[-2000:]
    report = json.loads((tmp_path / "own/report.json").read_text())
    assert (report["images"], report["objects"]) == (2, None)
    assert (tmp_path / "own/answer.png").stat().st_size > 10_000


def test_only_an_earlier_demo_is_removed(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    photos = out / "photos"
    photos.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(photos / "a.jpg")
    other = demo("--out", out)
    assert other.returncode == 1
    assert "is not a demo folder" in other.stderr
    (out / "report.json").write_text("{}")
    inside = demo("--source", photos, "--out", out)
    assert inside.returncode == 1
    assert "move it elsewhere" in inside.stderr
    assert (photos / "a.jpg").exists()


def test_missing_photos_are_reported_before_anything_is_removed(tmp_path: Path) -> None:
    out, empty = tmp_path / "demo", tmp_path / "empty"
    out.mkdir()
    empty.mkdir()
    (out / "report.json").write_text("{}")
    for source, words in ((empty, "has no photos"), (tmp_path / "nowhere", "does not exist")):
        done = demo("--source", source, "--out", out)
        assert done.returncode == 1
        assert words in done.stderr
        assert (out / "report.json").exists()
