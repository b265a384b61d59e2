"""When the question that is being answered must have its answer, for all that works on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

DEADLINE: ContextVar[float | None] = ContextVar("deadline", default=None)  # of time.monotonic()


@contextmanager
def until(deadline: float | None) -> Iterator[None]:
    """What runs in here is for a question with this deadline."""
    token = DEADLINE.set(deadline)
    try:
        yield
    finally:
        DEADLINE.reset(token)


def seconds_left() -> float | None:
    """Until the deadline, at least 0; None: there is none."""
    deadline = DEADLINE.get()
    return None if deadline is None else max(0.0, deadline - time.monotonic())
