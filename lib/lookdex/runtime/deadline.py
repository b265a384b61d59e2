"""Until when a question must be answered. Work on one that nobody waits for any more ends at the next check.

The deadline belongs to the context: a thread that works on behalf of another gets it with `contextvars.copy_context`.
"""

from __future__ import annotations

import time
from contextvars import ContextVar

from lookdex.errors import TooSlow

DEADLINE: ContextVar[float | None] = ContextVar(
    "deadline", default=None
)  # of time.monotonic(); None: there is none


def left() -> float | None:
    """Seconds until the deadline, more than 0; None without a deadline.

    Raises TooSlow: it has passed.
    """
    deadline = DEADLINE.get()
    if deadline is None:
        return None
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TooSlow("the question's deadline has passed: ask again")
    return seconds


def check() -> None:
    """Raises TooSlow once the deadline has passed. To be called between stages and in long loops."""
    left()
