"""Uploads become pixels in a few processes that can be lost, and are replaced.

Why this is no pool of a library: concurrent.futures' is broken for good by one death, and so was Pebble's (5.2) where
an idle process was killed, as the kernel does for want of memory.
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
from lookdex.service.http.hints import hint_of
from lookdex.service.http.problems import Kind, Refused
from lookdex.service.photos.decoder import Bad, Decoder, Loss, Lost, UploadLimits

TOO_SLOW = "too_slow"
_TOGETHER = 2  # photos of the largest size whose pixels one question may hold, all its photos together
_START_SECONDS = 30.0
_STARTS = 3  # tries to start a process for one photo, where each is killed meanwhile
_MEMORY = Path("/dev/shm")
logger = logging.getLogger("lookdex.service")


@dataclass(slots=True)
class _Place:
    """Where a process is at home, whichever it is at the moment."""

    process: Decoder


class Decoders:
    """So many decoding processes, and a spare one, so that none waits while another starts. Safe among threads; from
    `start` to `close`.

    lost: called for each process that was lost while it decoded.
    """

    def __init__(self, processes: int, limits: UploadLimits, lost: Callable[[Loss], None] = lambda how: None):
        self._processes, self._limits, self._lost, self._closed = processes, limits, lost, False
        self._free: collections.deque[_Place] = collections.deque()  # the warmest last
        self._some = threading.Condition()

    def start(self) -> None:
        """Return when every process has started. Raises OSError, Lost: one did not."""
        count = self._processes + 1
        self._folder = _roomy(count, self._limits)
        started = [_Place(self._new()) for _ in range(count)]
        for place in started:
            place.process.await_start(time.monotonic() + _START_SECONDS)
            self._free.append(place)

    def decode_all(
        self, photos: Sequence[bytes | bytearray], deadline: float | None = None
    ) -> list[np.ndarray]:
        """`decode` for the photos of one question. Raises Refused, also: 413, they have too many pixels together."""
        found: list[np.ndarray] = []
        most = _TOGETHER * self._limits.max_pixels
        for photo in photos:
            found.append(self.decode(photo, deadline))
            if (pixels := sum(shown.size // 3 for shown in found)) > most:
                raise Refused(
                    Kind.TOO_LARGE,
                    f"the photos of one question may have {most:,} pixels together, and {len(found)} of these "
                    f"{len(photos)} have {pixels:,}: send fewer, or smaller ones",
                    reason=Reason.TOO_MANY_PIXELS,
                )
        return found

    def decode(self, data: bytes | bytearray, deadline: float | None = None) -> np.ndarray:
        """The pixels of a file: uint8 (H, W, 3) RGB, upright. deadline: of time.monotonic().

        Raises Refused: 413 over a limit, 415 no format of ours, 422 broken, too small, or too much work to decode; 503
        no pixels before the deadline, or no process that could live so long.
        """
        end = time.monotonic() + _START_SECONDS if deadline is None else deadline
        place = self._take(end)
        try:
            try:
                answer = self._ask(place.process, data, end)
            except Lost:
                # Not the photo's fault so far: somebody may have killed the process, or an earlier photo spoilt it.
                place.process = self._anew(place.process)
                self._await_start(place, end)
                answer = self._ask(place.process, data, end)
        except Lost as lost:
            raise _given_up(lost) from None
        except TimeoutError:
            raise _too_late() from None
        except OSError as error:
            logger.error("no photo can be decoded: %s", error)
            raise Refused(
                Kind.BUSY, "there is no room to decode the photo: ask again later", retry_after=5
            ) from None
        finally:
            self._give_back(place)
        if isinstance(answer, Bad):
            raise _refusal(answer, self._limits, data)
        return answer

    def close(self) -> None:
        """End every process, once those at work are done."""
        with self._some:
            self._closed = True
            while self._free:
                self._free.pop().process.kill()

    def _ask(self, process: Decoder, data: bytes | bytearray, end: float) -> np.ndarray | Bad:
        """Raises Lost: killed or crashed. Refused: too much work. TimeoutError: too late."""
        try:
            return process.decode(data, end)
        except TimeoutError:
            self._lost(Loss.TOO_LATE)
            raise
        except Lost as lost:
            self._lost(lost.how)
            if lost.how is Loss.TOO_SLOW:
                raise Refused(
                    Kind.BAD_PHOTO,
                    f"the photo takes more than {self._limits.seconds:g} s of computing to decode: save it again, or "
                    "smaller",
                    reason=TOO_SLOW,
                ) from None
            logger.warning("a decoder was lost: %s", lost)
            raise

    def _take(self, end: float) -> _Place:
        """A place whose process has started and lives. Raises Refused."""
        with self._some:
            if not self._some.wait_for(lambda: self._free, max(0.0, end - time.monotonic())):
                raise _too_late()
            place = self._free.pop()
        try:
            self._await_start(place, end)
        except OSError:
            self._give_back(place)
            raise _too_late() from None
        return place

    def _await_start(self, place: _Place, end: float) -> None:
        """Raises OSError: no process can be started, or not in time (TimeoutError)."""
        for _ in range(_STARTS):
            if not place.process.alive:  # killed while it was idle
                place.process = self._anew(place.process)
            try:
                return place.process.await_start(end)
            except Lost as lost:
                logger.warning("a decoder was lost as it started: %s", lost)
        raise OSError("no decoder stays alive")

    def _give_back(self, place: _Place) -> None:
        warm = place.process.alive and place.process.started
        if not place.process.alive:
            try:
                place.process = self._anew(place.process)
            except OSError as error:  # its place is kept: the next one who takes it tries again
                logger.warning("no decoder could be started: %s", error)
        with self._some:
            if self._closed:
                place.process.kill()
                return
            self._free.append(place) if warm else self._free.appendleft(place)
            self._some.notify()

    def _anew(self, dead: Decoder) -> Decoder:
        """One in its stead. Raises OSError: the machine has no room for one."""
        dead.kill()
        return self._new()

    def _new(self) -> Decoder:
        return Decoder(self._folder, self._limits)


def _too_late() -> Refused:
    return Refused(Kind.TOO_LATE, "the answer took longer than it may: ask again", retry_after=1)


def _given_up(lost: Lost) -> Refused:
    """What to say of a photo whose second process was lost, too."""
    if lost.how is Loss.KILLED:
        return Refused(
            Kind.BUSY, "the photo's decoder was killed, as when memory runs out: ask again", retry_after=5
        )
    return Refused(Kind.BAD_PHOTO, "the photo makes its decoder crash: save it again", reason=Reason.CORRUPT)


def _refusal(bad: Bad, limits: UploadLimits, data: bytes | bytearray) -> Refused:
    kinds: dict[str, Kind] = {
        Reason.TOO_MANY_BYTES: Kind.TOO_LARGE,
        Reason.TOO_MANY_PIXELS: Kind.TOO_LARGE,
        Reason.UNKNOWN_FORMAT: Kind.UNKNOWN_FORMAT,
    }
    detail = (bad.reason == Reason.UNKNOWN_FORMAT and hint_of(data)) or bad.detail
    why = f"{bad.reason}: {detail}" if detail else bad.reason
    return Refused(
        kinds.get(bad.reason, Kind.BAD_PHOTO),
        f"the photo cannot be used ({why}). {AND_FORMATS} are read, up to "
        f"{limits.max_bytes:,} bytes, {limits.max_pixels:,} pixels and {limits.max_frames} frames, at least "
        f"{codec.MIN_SIDE} pixels on the shorter side",
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
