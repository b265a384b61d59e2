"""The deadline of a question. Work on a question that is too late ends at the next check.

The deadline is a context variable: a thread that works for another gets it with `contextvars.copy_context`.
"""

from __future__ import annotations

import time
from contextvars import ContextVar

from lookdex.errors import TooSlow

# In seconds of time.monotonic(); None: no deadline.
DEADLINE: ContextVar[float | None] = ContextVar("deadline", default=None)


def seconds_left() -> float | None:
    """Seconds until the deadline, more than 0; None without a deadline. Raises TooSlow when it has passed."""
    deadline = DEADLINE.get()
    if deadline is None:
        return None
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TooSlow("the question's deadline has passed: ask again")
    return seconds


def check() -> None:
    """Raise TooSlow when the deadline has passed. To be called between stages and in long loops."""
    seconds_left()
