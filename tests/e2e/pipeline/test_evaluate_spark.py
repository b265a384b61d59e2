"""`lookdex evaluate --spark` on local Spark gives the same figures as in one process."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lookdex.cli.evaluate import evaluate
from lookdex.pipeline import spark
from tests.integration.evaluate.test_evaluate_commands import plain, run, scene
from tests.integration.evaluate.test_evaluate_end_to_end import shop
from tests.support.paths import ROOT
from tests.support.verbs import FAKES

__all__ = ["plain", "shop"]  # fixtures


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[SparkSession]:
    with spark.session() as session:
        yield session


def figures(folder: Path, verb: str, *arguments: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures of this verb, computed in this process and on Spark."""
    results: list[dict[str, Any]] = []
    for name, more in (("here", ()), ("spark", ("--spark", "--shard-images", "4"))):
        done = run(verb, *arguments, "--json", folder / f"{name}.json", *more)
        assert done.exit_code == 0, done.output
        results.append(json.loads((folder / f"{name}.json").read_text()))
    here, on_spark = results
    return here, on_spark


def test_retrieval_figures_are_the_same_on_spark(plain: Path) -> None:
    (plain / "images/1.png").write_bytes(b"not a photo")
    here, on_spark = figures(
        plain, "retrieval", "--images", plain / "images", "--items", plain / "items.csv", "--crop", "detected", *FAKES
    )  # fmt: skip
    assert here == on_spark
    assert here["gallery"] == 5


def test_detection_figures_are_the_same_on_spark(tmp_path: Path) -> None:
    boxes = []
    for n in range(6):
        scene(tmp_path / f"images/{n}.png", ("red", 10, 10, 50 + n, 50))
        boxes.append({"image_id": n, "category_id": 1, "bbox": [10, 10, 40, 40]})
    photos = [{"id": n, "file_name": f"{n}.png", "width": 100, "height": 100} for n in range(6)]
    coco = {"images": photos, "categories": [{"id": 1, "name": "shirt"}], "annotations": boxes}
    (tmp_path / "boxes.json").write_text(json.dumps(coco))
    here, on_spark = figures(
        tmp_path, "detection", "--images", tmp_path / "images", "--coco", tmp_path / "boxes.json", *FAKES[:2]
    )
    assert here == on_spark
    assert here["found"] == 1.0


def test_end_to_end_figures_are_the_same_on_spark(shop: Path) -> None:
    here, on_spark = figures(
        shop, "end-to-end", "--catalog", shop / "catalog", "--queries", shop / "queries.csv"
    )
    assert here == on_spark
    assert here["objects"] == 4


def test_evaluate_job_runs_on_spark(
    session: SparkSession, plain: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = session.sparkContext.statusTracker().getJobIdsForGroup
    before = len(jobs())
    verb = ["retrieval", "--images", str(plain / "images"), "--items", str(plain / "items.csv"), *FAKES]
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *verb])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "jobs/evaluate.py"), run_name="__main__")
    assert end.value.code == 0
    assert len(jobs()) == before + 1
    assert "| Recall@1 " in capsys.readouterr().out
    assert set(evaluate.commands) == {"retrieval", "detection", "end-to-end", "zero-shot", "text"}
