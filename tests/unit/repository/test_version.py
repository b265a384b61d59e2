"""The version is the same wherever it is written."""

from __future__ import annotations

import re

import pytest

import lookdex
from tests.support.paths import ROOT


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("infra/docker/jobs.Dockerfile", r'image\.version="([^"]+)"'),
        ("infra/docker/service.Dockerfile", r'image\.version="([^"]+)"'),
        ("infra/kubernetes/night.yaml", r"image: \S+/lookdex-jobs:(\S+)"),
        ("infra/kubernetes/service.yaml", r"image: \S+/lookdex-service:(\S+)"),
        ("CHANGELOG.md", r"^## (?:Unreleased \()?(\d+\.\d+\.\d+)"),
    ],
)
def test_versions_agree(file: str, pattern: str) -> None:
    found = re.search(pattern, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    assert found[1] == lookdex.__version__


def test_ci_checks_every_python_that_has_a_lock() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    matrix = re.search(r"python: \[(.+)\]", workflow)
    locked = re.search(
        r"^# python: (.+)$", (ROOT / "infra/lock/jobs.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert matrix
    assert locked
    assert re.findall(r"[\d.]+", matrix[1]) == locked[1].split()
