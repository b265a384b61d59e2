"""A few of the flips of `infra/flip_bits.py`: none answers differently, and none ends in an error that has no type."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import flip_bits as flips
from lookdex.release import ann
from lookdex.storage import open_store


def test_a_flipped_bit_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ann, "EXACT_BELOW", 40)
    monkeypatch.setattr(ann, "PARTITION_ROWS", 32)
    monkeypatch.setattr(flips, "PHOTOS", 24)
    flips.make_catalogs(tmp_path)
    right = flips.answers(open_store(str(tmp_path / flips.LIVE)))
    ends = [
        (flip, flips.attempt(tmp_path, flip, right))
        for states, count in (((flips.INDEXED, flips.BUILT), 4), ((flips.LIVE,), 26))
        for flip in flips.draw(tmp_path, states, count, seed=5)
    ]
    assert [(flip, end) for flip, end in ends if end.how in flips.BAD] == []
    assert {end.how for _, end in ends} == {"harmless", "refused"}
