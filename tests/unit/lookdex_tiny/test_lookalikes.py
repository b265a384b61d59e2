"""Look-alikes are drawn together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lookdex_tiny import lookalikes
from lookdex_tiny.lookalikes import Lookalikes


def names(count: int) -> list[str]:
    return [f"P{n:04d}" for n in range(count)]


@given(st.integers(0, 1000), st.integers(1, 30), st.integers(1, 8), st.integers(1, 12))
def test_those_beside_a_thing_are_its_nearest(seed: int, things: int, most: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((things, 4))
    found = Lookalikes.of(names(things), vectors, most)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for n, name in enumerate(names(things)):
        beside = found.beside(name, count, rng)
        assert len(beside) == len(set(beside)) == min(count, most, things - 1)
        assert name not in beside
        nearest = sorted((other for other in range(things) if other != n), key=lambda o: -unit[n] @ unit[o])
        assert set(beside) <= {names(things)[o] for o in nearest[:most]}


def test_nearer_ones_come_more_often() -> None:
    angles = np.linspace(0, 1.5, 30)
    found = Lookalikes.of(names(30), np.stack([np.cos(angles), np.sin(angles)], axis=1), 20)
    rng = np.random.default_rng(0)
    drawn = [found.beside("P0000", 1, rng)[0] for _ in range(600)]
    assert drawn.count("P0001") > 2 * drawn.count("P0020") > 0


def test_blocks_change_nothing(monkeypatch) -> None:
    vectors = np.random.default_rng(0).standard_normal((40, 6))
    whole = Lookalikes.of(names(40), vectors, 5)
    monkeypatch.setattr(lookalikes, "_BLOCK", 7)
    parts = Lookalikes.of(names(40), vectors, 5)
    for name in names(40):
        assert set(whole.beside(name, 5, np.random.default_rng(0))) == set(
            parts.beside(name, 5, np.random.default_rng(0))
        )


def test_they_are_kept_and_a_stranger_has_none(tmp_path: Path) -> None:
    Lookalikes.of(names(9), np.random.default_rng(0).standard_normal((9, 3))).save(
        tmp_path / "run" / "kept.npz"
    )
    kept = Lookalikes.load(tmp_path / "run" / "kept.npz")
    assert len(kept.beside("P0003", 4, np.random.default_rng(0))) == 4
    assert kept.beside("P9999", 4, np.random.default_rng(0)) == []
