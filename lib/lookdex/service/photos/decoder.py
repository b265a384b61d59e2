"""One process that decodes uploads. It can be lost: what a file does to it, it does to nobody else.

It gets a file, checks it against the limits before it decodes it, and leaves the pixels in another file; both lie in
memory and have no name, so they are gone with the processes that hold them, whatever ends these. Pixels through a pipe
(4 MB) took 25 to 60 ms where a file takes 3.

The kernel keeps the limits: a timer of CPU time, of all threads together, ends the process (SIGPROF), whatever the
decoder is doing; a busy machine makes a photo take longer, not cost more. Nothing but its caller's patience bounds the
time by the clock.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lookdex.imaging import codec, container

# What a process may map besides what it holds when it starts and what `codec.check` lets a photo take: libheif's
# threads, tables, fragments.
_SPARE_BYTES = 256 << 20
# Of pixels: so much memory stays with a process, and need not be cleared for each photo.
_KEPT_BYTES = 16 << 20
# Below the service itself: decoders leave the processor to /healthz and to questions that are further on.
_NICENESS = 5
_OOM_SCORE = 500  # of 1,000: where memory runs out, the kernel ends a decoder rather than the service
_LAST_WORDS_SECONDS = 1.0  # between the end of a process's pipe and its own
_SPAWN = multiprocessing.get_context("spawn")  # a fork of a process with running threads can hang

TOO_MANY_FRAMES = "too_many_frames"
TOO_MUCH_MEMORY = "too_much_memory"


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What an upload may be. seconds: of CPU time for decoding one photo, over all threads."""

    max_bytes: int
    max_pixels: int
    max_frames: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Bad:
    """Why a file gives no pixels. `codec.BadImage`, as a value that crosses processes."""

    reason: str  # a `Reason`, or one of those above
    detail: str


class Loss(StrEnum):
    """How a process was lost."""

    TOO_SLOW = "too_slow"  # the photo took more CPU time than it may
    TOO_LATE = "too_late"  # nobody waits for the pixels any more
    KILLED = "killed"  # from outside: an operator, or the kernel for want of memory
    CRASHED = "crashed"  # the decoder ended it


class Lost(Exception):
    """The process ended instead of answering. how: TOO_SLOW, KILLED or CRASHED."""

    def __init__(self, exitcode: int | None):
        how = {-signal.SIGPROF: Loss.TOO_SLOW, -signal.SIGKILL: Loss.KILLED, -signal.SIGTERM: Loss.KILLED}
        self.how = how.get(exitcode or 0, Loss.CRASHED)
        super().__init__(f"{self.how} (exit code {exitcode})")


_Shape = tuple[int, int, int]


class Decoder:
    """One process, used by one thread at a time. folder: where its files lie."""

    def __init__(self, folder: str | None, limits: UploadLimits) -> None:
        self._upload, self._pixels = _Shared.made(folder), _Shared.made(folder)
        self._pipe, theirs = _SPAWN.Pipe()
        arguments = (theirs, self._upload, self._pixels, limits)
        self._process = _SPAWN.Process(target=_work, args=arguments, name="decoder", daemon=True)
        self._process.start()
        theirs.close()
        with contextlib.suppress(OSError):  # it is gone already
            niceness = os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS
            os.setpriority(os.PRIO_PROCESS, self._process.pid or 0, niceness)
        self.started = False

    @property
    def alive(self) -> bool:
        return not wait([self._process.sentinel], 0)

    def await_start(self, deadline: float) -> None:
        """deadline: of time.monotonic(). Raises TimeoutError; Lost."""
        if not self.started:
            self._hear(deadline)
            self.started = True

    def decode(self, data: bytes | bytearray, deadline: float) -> np.ndarray | Bad:
        """The pixels: uint8 (H, W, 3) RGB, upright.

        Raises TimeoutError: the deadline passed, and the process was killed. Lost: it ended. OSError: there is no room
        for the file or the pixels.
        """
        self._upload.write(data)
        self._upload.file.truncate()
        with contextlib.suppress(OSError):  # it is gone: `_hear` says how
            self._pipe.send("decode")  # short: it never waits for a reader
        try:
            answer: _Shape | Bad | OSError = self._hear(deadline)
        except TimeoutError:
            self.kill()
            raise
        if isinstance(answer, OSError):
            raise answer
        if isinstance(answer, Bad):
            return answer
        pixels, file = np.empty(answer, np.uint8), self._pixels.file
        file.seek(0)
        file.readinto(pixels.data)  # type: ignore[attr-defined]  # of a raw file, which typeshed's BinaryIO does not say
        if pixels.nbytes > _KEPT_BYTES:
            file.truncate(0)
        return pixels

    def _hear(self, deadline: float) -> Any:
        """What it says next. Raises TimeoutError; Lost."""
        ready = wait([self._pipe, self._process.sentinel], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        try:
            return self._pipe.recv()  # raises when there is nothing, and nobody, left
        except (OSError, EOFError):
            self._process.join(_LAST_WORDS_SECONDS)
            exitcode = self._process.exitcode
            self.kill()
            raise Lost(exitcode) from None

    def kill(self) -> None:
        self._process.kill()  # SIGKILL: nothing that a file did can hold it up
        self._process.join()
        for held in (self._pipe, self._upload.file, self._pixels.file):
            held.close()


@dataclass(frozen=True, slots=True)
class _Shared:
    """An unbuffered file for two processes that take turns. The second gets it as it is spawned."""

    file: BinaryIO

    @classmethod
    def made(cls, folder: str | None) -> _Shared:
        return cls(tempfile.TemporaryFile(dir=folder, buffering=0))  # until its process is killed

    def __reduce__(self) -> tuple[Any, ...]:
        return _handed_over, (DupFd(self.file.fileno()),)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """From the start, over what was there."""
        self.file.seek(0)
        left = memoryview(data).cast("B")
        while left:
            left = left[self.file.write(left) :]


def _handed_over(descriptor: Any) -> _Shared:
    return _Shared(open(descriptor.detach(), "r+b", buffering=0))


# ── in the process ───────────────────────────────────────────────────────────────────────────────────────────


def _work(pipe: Connection, upload: _Shared, pixels: _Shared, limits: UploadLimits) -> None:
    """Decode what was uploaded, again and again, until the pipe ends."""
    _settle()
    pipe.send("started")
    while True:
        try:
            pipe.recv()
        except EOFError:  # the service is gone
            return
        upload.file.seek(0)
        signal.setitimer(signal.ITIMER_PROF, limits.seconds)
        found = _decode(upload.file, limits)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if isinstance(found, Bad):
            pipe.send(found)
            continue
        try:
            pixels.write(found.data)
            pipe.send(found.shape)
        except OSError as error:  # no space is left
            pipe.send(error)


def _settle() -> None:
    """Bound what a hostile file can make of this process, and leave it nothing to read from its environment."""
    # A terminal's Ctrl-C reaches every process; this one ends when the service does, which may still need it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # a parent that ignores it would be inherited from
    for name in [name for name in os.environ if name.startswith(("AWS_", "LOOKDEX_"))]:
        del os.environ[name]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold the photo
    if sys.platform == "linux":  # elsewhere the limit counts other things, or nothing
        most = _held() + codec.MEMORY + _SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        with contextlib.suppress(OSError):  # a sandbox may have no /proc that can be written to
            score = Path("/proc/self/oom_score_adj")
            score.write_text(str(min(1000, int(score.read_text()) + _OOM_SCORE)))


def _held() -> int:
    """Bytes of private memory that this process has mapped by now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) << 10
    return 1 << 30


def _decode(upload: BinaryIO, limits: UploadLimits) -> np.ndarray | Bad:
    """The pixels: uint8 (H, W, 3)."""
    try:
        data = upload.read()
        header = codec.check(data, limits.max_bytes, limits.max_pixels)
        frames = container.frames(data, header)
        if frames > limits.max_frames:
            return Bad(TOO_MANY_FRAMES, f"an animation of {frames:,} frames is not a photo")
        return codec.decode_checked(data, header)
    except codec.BadImage as error:
        return Bad(error.reason, str(error).partition(": ")[2])
    except MemoryError:
        return Bad(TOO_MUCH_MEMORY, "its decoder needs more memory than it may have")
