"""Progress of long work: one line on a terminal, occasional lines in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from tqdm import tqdm

LOG_SECONDS = 15.0  # between lines where the output is not a terminal


class _Log:
    """Prints each update as a line of its own."""

    def write(self, text: str) -> None:
        if line := text.strip():
            print(line, file=sys.stderr)

    def flush(self) -> None:
        sys.stderr.flush()


class _Line(tqdm):
    """Shows each count once: tqdm repeats the last one when it closes."""

    _shown: float | None = None

    def display(self, msg: str | None = None, pos: int | None = None) -> bool | None:
        if self._shown == self.n:
            return None
        self._shown = self.n
        drawn: bool | None = super().display(msg, pos)
        return drawn


def _line(total: int, what: str, unit: str) -> tqdm:
    terminal = sys.stderr.isatty()
    return _Line(
        total=total,
        file=sys.stderr if terminal else _Log(),
        desc=what,
        unit=unit,
        dynamic_ncols=terminal,
        mininterval=0.2 if terminal else LOG_SECONDS,
        maxinterval=LOG_SECONDS,
        bar_format="{desc} {n_fmt}/{total_fmt}{unit}, {rate_noinv_fmt}{postfix}, {remaining} left",
    )


@contextmanager
def bar(total: int, what: str, unit: str = " photos") -> Iterator[Callable[..., None]]:
    """Show a progress line. Yields a function to call with the number done so far; further arguments are ignored."""
    with _line(total, what, unit) as line:
        yield lambda done, *_: line.update(done - line.n)


class Progress:
    """The progress line of the index stage: done/total, images/s, rejected, failed, time left.

    Call it with the totals so far. It appears with the first call, after Spark's own output; without images, never.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._line: tqdm | None = None

    def __call__(self, done: int, rejected: int, failed: int) -> None:
        if not self._total:
            return
        if self._line is None:
            self._line = _line(self._total, "index", " images")
        self._line.set_postfix(rejected=rejected, failed=failed, refresh=False)
        self._line.update(done - self._line.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._line is not None:
            self._line.close()
