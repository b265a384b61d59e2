"""Measure busy seconds by step."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable


class Stopwatch:
    """Seconds by step.

    Args:
        after_lap: called at the end of each lap; it may raise, to stop the work.
    """

    def __init__(self, after_lap: Callable[[], None] = lambda: None) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._after_lap = after_lap
        self._begin = self._lap = time.perf_counter()

    def add(self, step: str, seconds: float) -> None:
        self.seconds[step] += seconds

    def lap(self, step: str) -> None:
        """Add the time since the last lap to `step`."""
        now = time.perf_counter()
        self.add(step, now - self._lap)
        self._lap = now
        self._after_lap()

    def skip(self) -> None:
        """Do not count the time since the last lap."""
        self._lap = time.perf_counter()

    def stop(self) -> dict[str, float]:
        """The seconds of each step, and `total` since the start."""
        return {
            step: round(value, 4)
            for step, value in sorted({**self.seconds, "total": time.perf_counter() - self._begin}.items())
        }
