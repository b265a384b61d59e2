"""A process that decodes uploads, isolated so that a hostile file can crash only this process.

The process reads a file, checks it against the limits, decodes it, and writes the pixels to another file. Both files
are in memory and unnamed, so they vanish with the processes that hold them. Sending pixels (4 MB) through a pipe took
25 to 60 ms, through a file 3 ms.

The kernel enforces the limits: a timer on the CPU time of all threads ends the process (SIGPROF), whatever the decoder
is doing. CPU time does not depend on how busy the machine is. Only the caller's deadline limits wall-clock time.
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

# Memory beyond what the process holds at start and what `codec.check` allows a photo: libheif's threads, tables,
# fragmentation.
_SPARE_BYTES = 256 << 20
# Pixel memory that a process keeps, so that the kernel need not clear it for each photo.
_KEPT_BYTES = 16 << 20
# Lower priority than the service: /healthz and questions past decoding come first.
_NICENESS = 5
_OOM_SCORE = 500  # of 1,000: when memory runs out, the kernel kills a decoder rather than the service
_EXIT_SECONDS = 1.0  # from the end of a process's pipe to its exit
_SPAWN = multiprocessing.get_context("spawn")  # forking a process with threads can hang

TOO_MANY_FRAMES = "too_many_frames"
TOO_MUCH_MEMORY = "too_much_memory"


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """Limits of an upload."""

    max_bytes: int
    max_pixels: int
    max_frames: int
    seconds: float
    """CPU time for decoding one photo, all threads together."""


@dataclass(frozen=True, slots=True)
class DecodeFailure:
    """Why a file cannot be decoded: `codec.BadImage` as a picklable value."""

    reason: str  # a `Reason`, or one of the two above
    detail: str


class LossCause(StrEnum):
    """Why a process was lost."""

    TOO_SLOW = "too_slow"  # the photo exceeded the CPU time limit
    TOO_LATE = "too_late"  # the deadline passed
    KILLED = "killed"  # from outside: by an operator, or by the kernel when memory ran out
    CRASHED = "crashed"  # in the decoder


class DecoderLostError(Exception):
    """The process ended without a result. how: TOO_SLOW, KILLED or CRASHED."""

    def __init__(self, exitcode: int | None) -> None:
        how = {
            -signal.SIGPROF: LossCause.TOO_SLOW,
            -signal.SIGKILL: LossCause.KILLED,
            -signal.SIGTERM: LossCause.KILLED,
        }
        self.how = how.get(exitcode or 0, LossCause.CRASHED)
        super().__init__(f"{self.how} (exit code {exitcode})")


_Shape = tuple[int, int, int]


class DecoderProcess:
    """A decoder process, used by one thread at a time. folder: for its files."""

    def __init__(self, folder: str | None, limits: UploadLimits) -> None:
        self._upload, self._pixels = _SharedFile.create(folder), _SharedFile.create(folder)
        self._pipe, child_pipe = _SPAWN.Pipe()
        arguments = (child_pipe, self._upload, self._pixels, limits)
        self._process = _SPAWN.Process(target=_work, args=arguments, name="decoder", daemon=True)
        self._process.start()
        child_pipe.close()
        with contextlib.suppress(OSError):  # the process has ended
            niceness = os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS
            os.setpriority(os.PRIO_PROCESS, self._process.pid or 0, niceness)
        self.started = False

    @property
    def alive(self) -> bool:
        return not wait([self._process.sentinel], 0)

    def await_start(self, deadline: float) -> None:
        """Wait until the process is ready. deadline: of time.monotonic(). Raises TimeoutError, DecoderLostError."""
        if not self.started:
            self._receive(deadline)
            self.started = True

    def decode(self, data: bytes | bytearray, deadline: float) -> np.ndarray | DecodeFailure:
        """Decode a file to uint8 (H, W, 3) RGB, upright.

        Raises:
            TimeoutError: the deadline passed, and the process was killed.
            DecoderLostError: the process ended.
            OSError: no space for the file or the pixels.
        """
        self._upload.write(data)
        self._upload.file.truncate()
        with contextlib.suppress(OSError):  # the process has ended: `_receive` says how
            self._pipe.send("decode")  # short, so it never blocks
        try:
            answer: _Shape | DecodeFailure | OSError = self._receive(deadline)
        except TimeoutError:
            self.kill()
            raise
        if isinstance(answer, OSError):
            raise answer
        if isinstance(answer, DecodeFailure):
            return answer
        pixels, file = np.empty(answer, np.uint8), self._pixels.file
        file.seek(0)
        file.readinto(pixels.data)  # type: ignore[attr-defined]  # a raw file has it, but not typeshed's BinaryIO
        if pixels.nbytes > _KEPT_BYTES:
            file.truncate(0)
        return pixels

    def _receive(self, deadline: float) -> Any:
        """Receive the process's next message. Raises TimeoutError, DecoderLostError."""
        ready = wait([self._pipe, self._process.sentinel], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        try:
            return self._pipe.recv()  # raises once the pipe is empty and closed
        except (OSError, EOFError):
            self._process.join(_EXIT_SECONDS)
            exitcode = self._process.exitcode
            self.kill()
            raise DecoderLostError(exitcode) from None

    def kill(self) -> None:
        self._process.kill()  # SIGKILL: nothing a file did can block it
        self._process.join()
        for held in (self._pipe, self._upload.file, self._pixels.file):
            held.close()


@dataclass(frozen=True, slots=True)
class _SharedFile:
    """An unbuffered file shared by two processes in turn. The second inherits it when spawned."""

    file: BinaryIO

    @classmethod
    def create(cls, folder: str | None) -> _SharedFile:
        return cls(tempfile.TemporaryFile(dir=folder, buffering=0))  # open until the process is killed

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (DupFd(self.file.fileno()),)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Overwrite the file from its start."""
        self.file.seek(0)
        left = memoryview(data).cast("B")
        while left:
            left = left[self.file.write(left) :]


def _reopen(descriptor: Any) -> _SharedFile:
    return _SharedFile(open(descriptor.detach(), "r+b", buffering=0))


# ── in the process ───────────────────────────────────────────────────────────────────────────────────────────


def _work(pipe: Connection, upload: _SharedFile, pixels: _SharedFile, limits: UploadLimits) -> None:
    """Decode uploads until the pipe is closed."""
    _harden()
    pipe.send("started")
    while True:
        try:
            pipe.recv()
        except EOFError:  # the service has ended
            return
        upload.file.seek(0)
        signal.setitimer(signal.ITIMER_PROF, limits.seconds)
        found = _decode(upload.file, limits)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if isinstance(found, DecodeFailure):
            pipe.send(found)
            continue
        try:
            pixels.write(found.data)
            pipe.send(found.shape)
        except OSError as error:  # no space left
            pipe.send(error)


def _harden() -> None:
    """Limit what a hostile file can do in this process, and remove secrets from the environment."""
    # Ctrl-C reaches all processes of the terminal. This one ends with the service, which may still need it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # an ignored signal would be inherited
    for name in [name for name in os.environ if name.startswith(("AWS_", "LOOKDEX_"))]:
        del os.environ[name]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would contain the photo
    if sys.platform == "linux":  # elsewhere the limit counts other memory, or none
        limit = _mapped_bytes() + codec.MEMORY + _SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        with contextlib.suppress(OSError):  # /proc may be read-only in a sandbox
            score = Path("/proc/self/oom_score_adj")
            score.write_text(str(min(1000, int(score.read_text()) + _OOM_SCORE)))


def _mapped_bytes() -> int:
    """Bytes of private memory that this process has mapped."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) << 10
    return 1 << 30


def _decode(upload: BinaryIO, limits: UploadLimits) -> np.ndarray | DecodeFailure:
    """Decode to uint8 (H, W, 3), within the limits."""
    try:
        data = upload.read()
        header = codec.check(data, limits.max_bytes, limits.max_pixels)
        frames = container.count_frames(data, header)
        if frames > limits.max_frames:
            return DecodeFailure(TOO_MANY_FRAMES, f"an animation of {frames:,} frames is too long")
        return codec.decode_checked(data, header)
    except codec.BadImage as error:
        return DecodeFailure(error.reason, str(error).partition(": ")[2])
    except MemoryError:
        return DecodeFailure(TOO_MUCH_MEMORY, "decoding it needs too much memory")
