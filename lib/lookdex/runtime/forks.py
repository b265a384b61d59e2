"""Refuse to use a catalogue across a fork.

A forked child does not have the threads of Lance, torch and OpenVINO, and locks that they held are never released.
Lance recreates its threads, but does not guarantee that this suffices. torch crashed in one of six children that loaded
a model again, and OpenVINO hung in all of them. So opening a catalogue in such a child raises at once.
"""

from __future__ import annotations

import os

from lookdex.errors import ForkedProcess

REMEDY = (
    "Open the first catalogue after the fork: in gunicorn's post_fork, Celery's worker_process_init or "
    "multiprocessing's initializer; or start processes by spawn or forkserver"
)
_first: int | None = None  # the process, or the ancestor, in which a catalogue was first opened


def check_opening() -> None:
    """Raise ForkedProcess if a catalogue was opened before this process was forked."""
    global _first
    if _first is None:
        _first = os.getpid()
    elif _first != os.getpid():
        raise ForkedProcess(
            f"no catalogue can be opened in process {os.getpid()}: it was forked from process {_first}, which had "
            f"opened one, and its threads are missing here. {REMEDY}"
        )


class Owner:
    """Remembers the process in which an object was opened: no other may use it."""

    __slots__ = ("_process", "_what")

    def __init__(self, what: str) -> None:
        self._process, self._what = os.getpid(), what

    def check(self) -> None:
        """Raise ForkedProcess in any other process."""
        if os.getpid() != self._process:
            raise ForkedProcess(
                f"{self._what} was opened in process {self._process} and cannot be used in {os.getpid()}, which was "
                f"forked from it: its threads are missing here. {REMEDY}"
            )
