"""Uploads become pixels in processes that can be lost: a decoder that hangs or crashes takes nobody else with it.

A process gets a file, checks it against the limits before it decodes it, and leaves the pixels in another file; both
lie in memory, and have no name: they are gone with the processes that hold them, whatever ends these. One that takes
too long is killed, and one that died is replaced. Why this is no pool of a library:
concurrent.futures' is broken for good by one death, and so was Pebble's (5.2) where an idle process was killed, as the
kernel does for want of memory; and pixels through a pipe (4 MB) took 25 to 60 ms where a file takes 3.
"""

from __future__ import annotations

import collections
import logging
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lookdex import imagefile, images
from lookdex.formats import AND_FORMATS
from lookdex.records import Reason
from lookdex.service.problems import Kind, Refused

_SPARE_BYTES = 512 << 20  # what a decoder may hold beside the pixels: the file, its rows, its tables
_BYTES_A_PIXEL = 16  # decoded, turned, its alpha split off and laid over white
# Of pixels: so much memory stays with a process, and need not be cleared for each photo.
_KEPT_BYTES = 16 << 20
_START_SECONDS = 30.0
_MEMORY = Path("/dev/shm")
logger = logging.getLogger("lookdex.service")
_SPAWN = multiprocessing.get_context("spawn")  # a fork of a process with running threads can hang


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What an upload may be. seconds: of decoding; waiting for a free process is not counted."""

    max_bytes: int
    max_pixels: int
    max_frames: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Bad:
    """Why a file gives no pixels. `images.BadImage`, as a value that crosses processes."""

    reason: str  # a `Reason`, or one of those below
    detail: str


_Shape = tuple[int, int, int]
_TOO_MANY_FRAMES = "too_many_frames"
_TOO_MUCH_MEMORY = "too_much_memory"
_TOO_SLOW = "too_slow"


class Decoders:
    """So many decoding processes, and a spare one, so that none waits while another starts. Safe among threads; from
    `start` to `close`.

    lost: called with 'killed' or 'crashed' for each process that a file cost.
    """

    def __init__(self, processes: int, limits: UploadLimits, lost: Callable[[str], None] = lambda why: None):
        self._processes, self._limits, self._lost, self._closed = processes, limits, lost, False
        self._free: collections.deque[_Process] = collections.deque()  # the warmest last
        self._some = threading.Condition()

    def start(self) -> None:
        """Return when every process has started. Raises OSError, EOFError: one did not."""
        all_of_them = self._processes + 1
        self._folder = _roomy(all_of_them, self._limits)
        started = [self._new() for _ in range(all_of_them)]
        for process in started:
            process.await_start(time.monotonic() + _START_SECONDS)
            self._free.append(process)

    def decode(self, data: bytes, deadline: float | None = None) -> np.ndarray:
        """The pixels of a file: uint8 (H, W, 3) RGB, upright. deadline: of time.monotonic().

        Raises Refused: 413 over a limit, 415 no format of ours, 422 broken, too small, or too slow to decode; 503 no
        process was free before the deadline.
        """
        process = self._take(deadline)
        try:
            answer = process.decode(data, self._limits.seconds)
        except TimeoutError:
            self._lost("killed")
            raise Refused(
                Kind.BAD_PHOTO,
                f"the photo takes longer than {self._limits.seconds:g} s to decode: save it anew",
                reason=_TOO_SLOW,
            ) from None
        except EOFError:
            self._lost("crashed")
            raise Refused(
                Kind.BAD_PHOTO, "the photo's decoder gave up on it: save it anew", reason=Reason.CORRUPT
            ) from None
        finally:
            self._give_back(process)
        if isinstance(answer, _Bad):
            raise _refusal(answer, self._limits)
        return answer

    def close(self) -> None:
        """End every process, once those at work are done."""
        with self._some:
            self._closed = True
            while self._free:
                self._free.pop().kill()

    def _take(self, deadline: float | None) -> _Process:
        """A process that has started and lives."""
        end = time.monotonic() + _START_SECONDS if deadline is None else deadline
        with self._some:
            if not self._some.wait_for(lambda: self._free, max(0.0, end - time.monotonic())):
                raise _too_late()
            process = self._free.pop()
        try:
            if not process.alive:  # killed while it was idle: no file is to blame
                process = self._anew(process)
            process.await_start(end)
        except (OSError, EOFError):  # TimeoutError is an OSError
            self._give_back(process)
            raise _too_late() from None
        return process

    def _give_back(self, process: _Process) -> None:
        warm = process.alive and process.started
        if not process.alive:
            try:
                process = self._anew(process)
            except OSError as error:  # its place is kept: the next one who takes it tries again
                logger.warning("no decoder could be started: %s", error)
        with self._some:
            if self._closed:
                process.kill()
                return
            self._free.append(process) if warm else self._free.appendleft(process)
            self._some.notify()

    def _anew(self, dead: _Process) -> _Process:
        """One in its stead. Raises OSError: the machine has no room for one."""
        dead.kill()
        return self._new()

    def _new(self) -> _Process:
        return _Process(self._folder, self._limits)


def _too_late() -> Refused:
    return Refused(Kind.TOO_LATE, "the answer took longer than it may: ask again", retry_after=1)


@dataclass(frozen=True, slots=True)
class _Shared:
    """An unbuffered file for two processes that take turns. The second gets it as it is spawned."""

    file: BinaryIO

    @classmethod
    def made(cls, folder: str | None) -> _Shared:
        return cls(tempfile.TemporaryFile(dir=folder, buffering=0))  # until its process is killed

    def __reduce__(self) -> tuple[Any, ...]:
        return _handed_over, (DupFd(self.file.fileno()),)

    def write(self, data: bytes | memoryview) -> None:
        """From the start, over what was there."""
        self.file.seek(0)
        left = memoryview(data).cast("B")
        while left:
            left = left[self.file.write(left) :]


def _handed_over(descriptor: Any) -> _Shared:
    return _Shared(open(descriptor.detach(), "r+b", buffering=0))


class _Process:
    """One process, used by one thread at a time. folder: where its files lie."""

    def __init__(self, folder: str | None, limits: UploadLimits) -> None:
        self._upload, self._pixels = _Shared.made(folder), _Shared.made(folder)
        self._pipe, theirs = _SPAWN.Pipe()
        arguments = (theirs, self._upload, self._pixels, limits)
        self._process = _SPAWN.Process(target=_work, args=arguments, name="decoder", daemon=True)
        self._process.start()
        theirs.close()
        self.started = False

    @property
    def alive(self) -> bool:
        return not wait([self._process.sentinel], 0)

    def await_start(self, deadline: float) -> None:
        """Raises TimeoutError; EOFError, OSError: it ended instead."""
        if not self.started:
            self._hear(max(0.0, deadline - time.monotonic()))
            self.started = True

    def decode(self, data: bytes, seconds: float) -> np.ndarray | _Bad:
        """Raises TimeoutError: it took longer, and was killed. EOFError: it died."""
        self._upload.write(data)
        self._upload.file.truncate()
        try:
            self._pipe.send("decode")  # short: it never waits for a reader
            answer: _Shape | _Bad = self._hear(seconds)
        except TimeoutError:
            self.kill()
            raise
        except (OSError, EOFError):
            self.kill()
            raise EOFError from None
        if isinstance(answer, _Bad):
            return answer
        pixels, file = np.empty(answer, np.uint8), self._pixels.file
        file.seek(0)
        file.readinto(pixels.data)  # type: ignore[attr-defined]  # of a raw file, which typeshed's BinaryIO does not say
        if pixels.nbytes > _KEPT_BYTES:
            file.truncate(0)
        return pixels

    def _hear(self, seconds: float) -> Any:
        """What it says next. Raises TimeoutError; EOFError, OSError: it died."""
        ready = wait([self._pipe, self._process.sentinel], seconds)
        if not ready:
            raise TimeoutError
        return self._pipe.recv()  # raises when there is nothing, and nobody, left

    def kill(self) -> None:
        self._process.kill()  # SIGKILL: nothing that a file did can hold it up
        self._process.join()
        for held in (self._pipe, self._upload.file, self._pixels.file):
            held.close()


def _refusal(bad: _Bad, limits: UploadLimits) -> Refused:
    kinds: dict[str, Kind] = {
        Reason.TOO_MANY_BYTES: Kind.TOO_LARGE,
        Reason.TOO_MANY_PIXELS: Kind.TOO_LARGE,
        Reason.UNKNOWN_FORMAT: Kind.UNKNOWN_FORMAT,
    }
    why = f"{bad.reason}: {bad.detail}" if bad.detail else bad.reason
    return Refused(
        kinds.get(bad.reason, Kind.BAD_PHOTO),
        f"the photo cannot be used ({why}). {AND_FORMATS} are read, up to "
        f"{limits.max_bytes:,} bytes, {limits.max_pixels:,} pixels and {limits.max_frames} frames, at least "
        f"{images.MIN_SIDE} pixels on the shorter side",
        reason=bad.reason,
    )


def _roomy(processes: int, limits: UploadLimits) -> str | None:
    """Where the largest photos of all processes fit into memory; None, the folder for temporary files, elsewhere.

    A container has 64 MB of /dev/shm unless it is told otherwise.
    """
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK):
        return None
    needed = (3 * limits.max_pixels + limits.max_bytes) * processes
    return str(_MEMORY) if shutil.disk_usage(_MEMORY).free > needed else None


# ── in the processes ─────────────────────────────────────────────────────────────────────────────────────────


def _work(pipe: Connection, upload: _Shared, pixels: _Shared, limits: UploadLimits) -> None:
    """Decode what was uploaded, again and again, until the pipe ends."""
    _settle(limits)
    pipe.send("started")
    while True:
        try:
            pipe.recv()
        except EOFError:  # the service is gone
            return
        upload.file.seek(0)
        found = _decode(upload.file, limits)
        if isinstance(found, _Bad):
            pipe.send(found)
        else:
            pixels.write(found.data)
            pipe.send(found.shape)


def _settle(limits: UploadLimits) -> None:
    """Bound what a hostile file can make of this process, and leave it nothing to read from its environment."""
    # A terminal's Ctrl-C reaches every process; this one ends when the service does, which may still need it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in [name for name in os.environ if name.startswith(("AWS_", "LOOKDEX_"))]:
        del os.environ[name]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold the photo
    if sys.platform == "linux":  # elsewhere the limit counts other things, or nothing
        most = _held() + _SPARE_BYTES + _BYTES_A_PIXEL * limits.max_pixels
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _held() -> int:
    """Bytes of private memory that this process has mapped by now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) << 10
    return 1 << 30


def _decode(upload: BinaryIO, limits: UploadLimits) -> np.ndarray | _Bad:
    """The pixels: uint8 (H, W, 3)."""
    try:
        data = upload.read()
        header = images.check(data, limits.max_bytes, limits.max_pixels)
        frames = imagefile.frames(data, header)
        if frames > limits.max_frames:
            return _Bad(_TOO_MANY_FRAMES, f"an animation of {frames:,} frames is no photo")
        return images.decode_checked(data, header)
    except images.BadImage as error:
        return _Bad(error.reason, str(error).partition(": ")[2])
    except MemoryError:
        return _Bad(_TOO_MUCH_MEMORY, "its decoder needs more memory than it may have")
