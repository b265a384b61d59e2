"""How fast a client has to send, and to read."""

from __future__ import annotations

from dataclasses import dataclass

GRACE = 5.0  # seconds in which nothing need have moved: a phone that changes its cell


@dataclass(frozen=True, slots=True)
class Pace:
    """rate: bytes a second, on the average, once `grace` seconds have passed. 0: any pace is fine."""

    rate: float
    grace: float = GRACE

    def due(self, begun: float, moved: int) -> float:
        """Until when more has to move, of a transfer that began then and has moved so many bytes."""
        return begun + self.grace + moved / self.rate if self.rate else float("inf")
