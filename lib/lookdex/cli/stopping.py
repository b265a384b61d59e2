"""Stop a stage on Ctrl-C or SIGTERM: at once, cleanly, with one line on how to continue."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from lookdex.errors import Stopped

INTERRUPTED, TERMINATED = 130, 143  # exit codes, as of a shell: 128 + the signal


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. A KeyboardInterrupt, so that it is handled like Ctrl-C."""


def _stop(number: int, frame: FrameType | None) -> None:
    raise Terminated


@contextmanager
def resumable(how: str = "the same command") -> Iterator[None]:
    """When the block is stopped, print `how` to continue, and exit with 130 or 143."""
    here = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _stop) if here else None
    try:
        yield
    except (KeyboardInterrupt, Stopped) as stop:
        click.echo(f"\nstopped: the live release is unchanged; {how} continues where this left off", err=True)
        code = TERMINATED if isinstance(stop, (Terminated, Stopped)) else INTERRUPTED
        raise click.exceptions.Exit(code) from None
    finally:
        if here:
            signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
