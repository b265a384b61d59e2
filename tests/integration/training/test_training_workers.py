"""Batches that worker processes draw."""

from __future__ import annotations

import itertools

from lookdex.training.ahead import prefetch


def test_the_batches_of_workers_alternate() -> None:
    with prefetch(itertools.count, 2) as drawn:
        assert list(itertools.islice(drawn, 6)) == [0, 1, 1, 2, 2, 3]
