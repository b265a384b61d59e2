"""The table of markers names what exists."""

from __future__ import annotations

from tests.support.markers import MODULES
from tests.support.paths import ROOT


def test_each_place_exists() -> None:
    assert not [place for place in MODULES if not (ROOT / "tests" / place).exists()]
