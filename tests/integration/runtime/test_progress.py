"""Progress output: one updated line on a terminal, complete lines in a log."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from lookdex.runtime.progress import Progress, bar
from lookdex.storage import open_store
from tests.support import photos
from tests.support.paths import ROOT
from tests.support.terminals import Terminal
from tests.support.verbs import FAKES

ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'lib'}{os.pathsep}{ROOT}"}


def test_log_has_complete_lines_without_repeated_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(12) as progress:
        for done in (0, 6, 12, 12):
            progress(done, done // 6, 0)
    with bar(3, "render") as advance:
        for done in range(4):
            advance(done, 3)
    log = capsys.readouterr().err
    assert "\r" not in log
    counts = [re.match(r"(index|render) +(\d+)/(\d+) (images|photos)", line) for line in log.splitlines()]
    assert all(counts), log
    assert [found.groups()[:3] for found in counts if found] == [
        ("index", "0", "12"), ("index", "12", "12"), ("render", "0", "3"), ("render", "3", "3"),
    ]  # fmt: skip
    assert "failed=0, rejected=2, 00:00 left\n" in log


def test_nothing_is_printed_without_photos(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(0) as progress:
        progress(0, 0, 0)
    with Progress(5):
        assert capsys.readouterr().err == ""  # nothing before the first call
    assert capsys.readouterr().err == ""


def test_progress_of_a_night_on_a_terminal(tmp_path: Path) -> None:
    """Messages of the starting JVM are not mixed in, and the last count appears once."""
    photos.fill(open_store(str(tmp_path / "photos")), 4)
    command = [
        sys.executable, "-m", "lookdex.cli.main", "reindex", "--source", str(tmp_path / "photos"),
        "--catalog", str(tmp_path / "shop"), *FAKES, "--master", "local[1,1]",
    ]  # fmt: skip
    code, output = Terminal().run(command, ENVIRONMENT, 600)
    assert code == 0, output
    (line,) = [line for line in output.split("\n") if "images/s" in line]
    shown = [part for part in line.split("\r") if part]
    assert all(re.fullmatch(r"index [04]/4 images, .* left *", part) for part in shown), line
    assert [part.startswith("index 4/4") for part in shown] == [False, True]
