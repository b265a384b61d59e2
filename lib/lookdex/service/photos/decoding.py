"""A pool of decoder processes that are replaced when they are lost.

Why not a library's pool: concurrent.futures' breaks for good when one process dies, and so did Pebble's (5.2) when an
idle process was killed, as the kernel does when memory runs out.
"""

from __future__ import annotations

import collections
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lookdex.imaging import codec
from lookdex.imaging.formats import AND_FORMATS
from lookdex.records import Reason
from lookdex.service.http.hints import find_hint
from lookdex.service.http.problems import ProblemError, ProblemKind
from lookdex.service.photos.decoder import (
    DecodeFailure,
    DecoderLostError,
    DecoderProcess,
    LossCause,
    UploadLimits,
)

TOO_SLOW = "too_slow"
_MAX_TOTAL = 2  # pixels of all photos of a question, as a multiple of the limit for one photo
_START_SECONDS = 30.0
_STARTS = 3  # attempts to start a process for one photo
_MEMORY = Path("/dev/shm")
logger = logging.getLogger("lookdex.service")


@dataclass(slots=True)
class _Worker:
    """A member of the pool, whose process may be replaced."""

    process: DecoderProcess


class DecoderPool:
    """A thread-safe pool of decoder processes, running between `start` and `close`.

    It has one spare process, so that no photo waits while a lost process is replaced.

    lost: called for each process lost while decoding.
    """

    def __init__(
        self, processes: int, limits: UploadLimits, lost: Callable[[LossCause], None] = lambda how: None
    ) -> None:
        self._processes, self._limits, self._lost, self._closed = processes, limits, lost, False
        self._free: collections.deque[_Worker] = collections.deque()  # the most recently used last
        self._available = threading.Condition()

    def start(self) -> None:
        """Start all processes and wait for them. Raises OSError, DecoderLostError if one fails."""
        count = self._processes + 1
        self._folder = _memory_folder(count, self._limits)
        started = [_Worker(self._spawn()) for _ in range(count)]
        for worker in started:
            worker.process.await_start(time.monotonic() + _START_SECONDS)
            self._free.append(worker)

    def decode_all(
        self, photos: Sequence[bytes | bytearray], deadline: float | None = None
    ) -> list[np.ndarray]:
        """Decode a question's photos. Raises ProblemError as `decode` does, and 413 for too many pixels in total."""
        found: list[np.ndarray] = []
        max_pixels = _MAX_TOTAL * self._limits.max_pixels
        for photo in photos:
            found.append(self.decode(photo, deadline))
            if (pixels := sum(photo_pixels.size // 3 for photo_pixels in found)) > max_pixels:
                raise ProblemError(
                    ProblemKind.TOO_LARGE,
                    f"the photos of one question may have {max_pixels:,} pixels in total, but {len(found)} of these "
                    f"{len(photos)} have {pixels:,}: send fewer or smaller ones",
                    reason=Reason.TOO_MANY_PIXELS,
                )
        return found

    def decode(self, data: bytes | bytearray, deadline: float | None = None) -> np.ndarray:
        """Decode a file to uint8 (H, W, 3) RGB, upright. deadline: of time.monotonic().

        Raises ProblemError: 413 over a limit; 415 unsupported format; 422 corrupt, too small or too costly to decode;
        503 the deadline passed or no process stayed alive.
        """
        end = time.monotonic() + _START_SECONDS if deadline is None else deadline
        worker = self._take(end)
        try:
            try:
                answer = self._decode_in(worker.process, data, end)
            except DecoderLostError:
                # Perhaps not the photo's fault: the process may have been killed, or broken by an earlier photo.
                worker.process = self._replace(worker.process)
                self._await_start(worker, end)
                answer = self._decode_in(worker.process, data, end)
        except DecoderLostError as lost:
            raise _given_up(lost) from None
        except TimeoutError:
            raise _too_late() from None
        except OSError as error:
            logger.error("cannot decode photos: %s", error)
            raise ProblemError(
                ProblemKind.BUSY, "there is no space to decode the photo: try again later", retry_after=5
            ) from None
        finally:
            self._give_back(worker)
        if isinstance(answer, DecodeFailure):
            raise _refusal(answer, self._limits, data)
        return answer

    def close(self) -> None:
        """End all processes. Busy ones end when they are done."""
        with self._available:
            self._closed = True
            while self._free:
                self._free.pop().process.kill()

    def _decode_in(
        self, process: DecoderProcess, data: bytes | bytearray, end: float
    ) -> np.ndarray | DecodeFailure:
        """Decode in `process`. Raises DecoderLostError, TimeoutError, or ProblemError if it takes too much CPU time."""
        try:
            return process.decode(data, end)
        except TimeoutError:
            self._lost(LossCause.TOO_LATE)
            raise
        except DecoderLostError as lost:
            self._lost(lost.how)
            if lost.how is LossCause.TOO_SLOW:
                raise ProblemError(
                    ProblemKind.BAD_PHOTO,
                    f"the photo takes more than {self._limits.seconds:g} s of CPU time to decode: save it again, or "
                    "make it smaller",
                    reason=TOO_SLOW,
                ) from None
            logger.warning("a decoder was lost: %s", lost)
            raise

    def _take(self, end: float) -> _Worker:
        """Take a worker whose process is running. Raises ProblemError."""
        with self._available:
            if not self._available.wait_for(lambda: self._free, max(0.0, end - time.monotonic())):
                raise _too_late()
            worker = self._free.pop()
        try:
            self._await_start(worker, end)
        except OSError:
            self._give_back(worker)
            raise _too_late() from None
        return worker

    def _await_start(self, worker: _Worker, end: float) -> None:
        """Wait for the worker's process, replacing it if needed. Raises OSError, TimeoutError."""
        for _ in range(_STARTS):
            if not worker.process.alive:  # killed while idle
                worker.process = self._replace(worker.process)
            try:
                return worker.process.await_start(end)
            except DecoderLostError as lost:
                logger.warning("a decoder was lost while starting: %s", lost)
        raise OSError("no decoder stays alive")

    def _give_back(self, worker: _Worker) -> None:
        warm = worker.process.alive and worker.process.started
        if not worker.process.alive:
            try:
                worker.process = self._replace(worker.process)
            except OSError as error:  # the worker stays in the pool: whoever takes it next tries again
                logger.warning("cannot start a decoder: %s", error)
        with self._available:
            if self._closed:
                worker.process.kill()
                return
            self._free.append(worker) if warm else self._free.appendleft(worker)
            self._available.notify()

    def _replace(self, dead: DecoderProcess) -> DecoderProcess:
        """Start a new process for a dead one. Raises OSError: out of resources."""
        dead.kill()
        return self._spawn()

    def _spawn(self) -> DecoderProcess:
        return DecoderProcess(self._folder, self._limits)


def _too_late() -> ProblemError:
    return ProblemError(ProblemKind.TOO_LATE, "the answer took too long: try again", retry_after=1)


def _given_up(lost: DecoderLostError) -> ProblemError:
    """The refusal of a photo whose second process was lost too."""
    if lost.how is LossCause.KILLED:
        return ProblemError(
            ProblemKind.BUSY,
            "the photo's decoder was killed, perhaps because memory ran out: try again",
            retry_after=5,
        )
    return ProblemError(
        ProblemKind.BAD_PHOTO, "the photo crashes the decoder: save it again", reason=Reason.CORRUPT
    )


def _refusal(bad: DecodeFailure, limits: UploadLimits, data: bytes | bytearray) -> ProblemError:
    kinds: dict[str, ProblemKind] = {
        Reason.TOO_MANY_BYTES: ProblemKind.TOO_LARGE,
        Reason.TOO_MANY_PIXELS: ProblemKind.TOO_LARGE,
        Reason.UNKNOWN_FORMAT: ProblemKind.UNKNOWN_FORMAT,
    }
    detail = (bad.reason == Reason.UNKNOWN_FORMAT and find_hint(data)) or bad.detail
    why = f"{bad.reason}: {detail}" if detail else bad.reason
    return ProblemError(
        kinds.get(bad.reason, ProblemKind.BAD_PHOTO),
        f"the photo cannot be used ({why}). Supported are {AND_FORMATS}, up to "
        f"{limits.max_bytes:,} bytes, {limits.max_pixels:,} pixels and {limits.max_frames} frames, with at least "
        f"{codec.MIN_SIDE} pixels on the shorter side",
        reason=bad.reason,
    )


def _memory_folder(processes: int, limits: UploadLimits) -> str | None:
    """/dev/shm if it has space for the largest photos of all processes, else None: the default temporary folder.

    Containers have 64 MB of /dev/shm by default.
    """
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK):
        return None
    needed = (3 * limits.max_pixels + limits.max_bytes) * processes
    return str(_MEMORY) if shutil.disk_usage(_MEMORY).free > needed else None
