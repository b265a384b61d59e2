"""Some of the bit flips of `infra/flip_bits.py`: each is harmless or ends in a typed error."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra import flip_bits as flips
from lookdex.release import ann
from lookdex.storage import open_store


def test_flipped_bit_never_gives_a_wrong_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ann, "EXACT_BELOW", 40)
    monkeypatch.setattr(ann, "PARTITION_ROWS", 32)
    monkeypatch.setattr(flips, "PHOTOS", 24)
    flips.make_catalogs(tmp_path)
    expected = flips.answers(open_store(str(tmp_path / flips.LIVE)))
    outcomes = [
        (flip, flips.attempt(tmp_path, flip, expected))
        for states, count in (((flips.INDEXED, flips.BUILT), 4), ((flips.LIVE,), 26))
        for flip in flips.draw(tmp_path, states, count, seed=5)
    ]
    assert [(flip, outcome) for flip, outcome in outcomes if outcome.how in flips.BAD] == []
    assert {outcome.how for _, outcome in outcomes} == {"harmless", "refused"}
