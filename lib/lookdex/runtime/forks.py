"""What is open in a process does not survive a fork of it.

The threads of Lance, torch and OpenVINO are not there in a forked child, and locks that one of them held are never
released. Lance makes its threads anew, but does not promise that this suffices; torch crashed in one of six children
that loaded a model anew, and OpenVINO hung in all. So a child says at once that nothing can be opened in it.
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
    """Before a catalogue is opened: raise ForkedProcess where one was opened before this process was forked."""
    global _first
    if _first is None:
        _first = os.getpid()
    elif _first != os.getpid():
        raise ForkedProcess(
            f"no catalogue can be opened in process {os.getpid()}: it was forked from process {_first} after that had "
            f"opened one, whose threads are missing here. {REMEDY}"
        )


class Owner:
    """The process that something was opened in, and the only one that may use it."""

    __slots__ = ("_process", "_what")

    def __init__(self, what: str):
        self._process, self._what = os.getpid(), what

    def check(self) -> None:
        """Raise ForkedProcess in any other process."""
        if os.getpid() != self._process:
            raise ForkedProcess(
                f"{self._what} was opened in process {self._process} and cannot be used in {os.getpid()}, which was "
                f"forked from it: its threads are missing here. {REMEDY}"
            )
