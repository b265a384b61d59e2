"""Seconds by step."""

from __future__ import annotations

import time

from lookdex.runtime import deadline


class Clock:
    """Counts the time since the last step to the one that ends now; a step that is taken again adds up.

    After a step it raises TooSlow once the deadline has passed.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def step(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now
        deadline.check()
