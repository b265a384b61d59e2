"""Look-alikes: the nearest things to one, drawn at random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex_tiny import lookalikes
from lookdex_tiny.lookalikes import Lookalikes


def names(count: int) -> list[str]:
    return [f"P{n:04d}" for n in range(count)]


@given(st.integers(0, 1000), st.integers(1, 30), st.integers(1, 8), st.integers(1, 12))
def test_look_alikes_are_drawn_from_the_nearest(seed: int, things: int, most: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((things, 4))
    found = Lookalikes.compute(names(things), vectors, most)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for n, name in enumerate(names(things)):
        beside = found.beside(name, count, rng)
        assert len(beside) == len(set(beside)) == min(count, most, things - 1)
        assert name not in beside
        nearest = sorted((other for other in range(things) if other != n), key=lambda o: -unit[n] @ unit[o])
        assert set(beside) <= {names(things)[o] for o in nearest[:most]}


def test_nearer_look_alikes_are_drawn_more_often() -> None:
    angles = np.linspace(0, 1.5, 30)
    found = Lookalikes.compute(names(30), np.stack([np.cos(angles), np.sin(angles)], axis=1), 20)
    rng = np.random.default_rng(0)
    drawn = [found.beside("P0000", 1, rng)[0] for _ in range(600)]
    assert drawn.count("P0001") > 2 * drawn.count("P0020") > 0


def test_look_alikes_do_not_depend_on_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.random.default_rng(0).standard_normal((40, 6))
    in_one_block = Lookalikes.compute(names(40), vectors, 5)
    monkeypatch.setattr(lookalikes, "_BLOCK", 7)
    in_blocks = Lookalikes.compute(names(40), vectors, 5)
    for name in names(40):
        assert set(in_one_block.beside(name, 5, np.random.default_rng(0))) == set(
            in_blocks.beside(name, 5, np.random.default_rng(0))
        )


def test_look_alikes_can_be_saved_and_loaded(tmp_path: Path) -> None:
    found = Lookalikes.compute(names(9), np.random.default_rng(0).standard_normal((9, 3)))
    found.save(tmp_path / "run" / "saved.npz")
    loaded = Lookalikes.load(tmp_path / "run" / "saved.npz")
    for name in names(9):
        assert loaded.beside(name, 4, np.random.default_rng(0)) == found.beside(
            name, 4, np.random.default_rng(0)
        )


def test_an_unknown_thing_has_no_look_alikes() -> None:
    found = Lookalikes.compute(names(9), np.random.default_rng(0).standard_normal((9, 3)))
    assert found.beside("P9999", 4, np.random.default_rng(0)) == []
