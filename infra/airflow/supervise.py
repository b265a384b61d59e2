"""Run a command; on Ctrl-C or SIGTERM end it with everything that it started. Standard library only.

`airflow dags test` takes a signal for the failure of the running task, and goes on to retry it; a task's own
commands lie in sessions of their own, which a terminal's Ctrl-C never reaches.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from types import FrameType

GRACE_SECONDS = 10.0  # for servers that end their children themselves
STUBBORN = ["dags", "test"]  # goes on after SIGTERM, and has nothing to put in order


class Stop(Exception):
    pass


def main(command: list[str]) -> int:
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(number: int, frame: FrameType | None) -> None:
        for later in signals:  # one is enough; a second must not interrupt the tidying
            signal.signal(later, signal.SIG_IGN)
        raise Stop(number)

    for number in signals:
        signal.signal(number, stop)
    child = subprocess.Popen(
        command, start_new_session=True
    )  # the terminal's Ctrl-C comes to this process alone
    try:
        code = child.wait()
    except Stop as told:
        end(child, 1.0 if command[1:3] == STUBBORN else GRACE_SECONDS)
        return 128 + int(told.args[0])
    return 128 - code if code < 0 else code


def end(child: subprocess.Popen[bytes], grace: float) -> None:
    """SIGTERM to the child and all its descendants, SIGKILL to those that are left after `grace` seconds."""
    family = [*descendants(child.pid), child.pid]
    send(family, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.1)
    # Some may have been started meanwhile, others have lost their parent: both lists count.
    send({*family, *descendants(child.pid)}, signal.SIGKILL)
    child.wait()


def send(processes: list[int] | set[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process, number)


def descendants(root: int) -> list[int]:
    """Process ids below `root`, the youngest generation first."""
    listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True).stdout
    children: dict[int, list[int]] = {}
    for line in listing.splitlines():
        process, parent = map(int, line.split())
        children.setdefault(parent, []).append(process)
    found, generation = [], children.get(root, [])
    while generation:
        found.append(generation)
        generation = [child for parent in generation for child in children.get(parent, [])]
    return [process for generation in reversed(found) for process in generation]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
