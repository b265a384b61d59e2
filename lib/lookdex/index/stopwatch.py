"""Where a shard's time goes."""

from __future__ import annotations

import time
from collections import defaultdict


class Stopwatch:
    """Busy seconds by step."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._begin = self._lap = time.perf_counter()

    def add(self, step: str, seconds: float) -> None:
        self.seconds[step] += seconds

    def lap(self, step: str) -> None:
        """Add the time since the last lap to `step`."""
        now = time.perf_counter()
        self.add(step, now - self._lap)
        self._lap = now

    def stop(self) -> dict[str, float]:
        return {
            step: round(value, 4)
            for step, value in sorted({**self.seconds, "total": time.perf_counter() - self._begin}.items())
        }
