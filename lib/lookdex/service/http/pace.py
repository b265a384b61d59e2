"""The minimum rate at which clients must send and read."""

from __future__ import annotations

from dataclasses import dataclass

GRACE = 5.0  # seconds without progress that are allowed: a phone may be changing cells


@dataclass(frozen=True, slots=True)
class MinimumRate:
    """The minimum rate of a transfer."""

    rate: float
    """Average bytes per second, after `grace` seconds. 0: no minimum."""
    grace: float = GRACE

    def due(self, start: float, moved: int) -> float:
        """When a transfer that began at `start` and has moved `moved` bytes must have made progress."""
        return start + self.grace + moved / self.rate if self.rate else float("inf")
