"""Uploads become pixels in processes that can be lost: a decoder that hangs or crashes takes nobody else with it.

A process gets a file's bytes, checks them against the limits before it decodes, and leaves the pixels in a file of
shared memory (through a pipe, 4 MB of pixels took 25 to 60 ms on a busy machine; so they take 3). One that takes too
long is killed, one that died is replaced, both by the pool.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import CancelledError, TimeoutError
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pebble import ProcessExpired, ProcessPool

from lookdex import imagefile, images
from lookdex.records import Reason
from lookdex.service.problems import Kind, Refused

_SPARE_BYTES = 512 << 20  # what a decoder may hold beside the pixels: the file, its rows, its tables
_BYTES_A_PIXEL = 16  # decoded, turned, its alpha split off and laid over white
_MEMORY = Path("/dev/shm")


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

    reason: str  # a `Reason`, or too_many_frames
    detail: str


class Decoders:
    """A pool of decoding processes. Safe among threads; `close` ends them.

    lost: called with 'killed' or 'crashed' for each process that a file cost.
    """

    def __init__(self, processes: int, limits: UploadLimits, lost: Callable[[str], None] = lambda why: None):
        self._limits, self._lost = limits, lost
        self._folder = Path(
            tempfile.mkdtemp(prefix="lookdex-pixels-", dir=_roomy(processes, limits.max_pixels))
        )
        self._numbers = itertools.count()
        self._pool = ProcessPool(
            max_workers=processes,
            initializer=_settle,
            initargs=(limits,),
            context=multiprocessing.get_context("spawn"),  # a fork of a process with running threads can hang
        )

    def warm(self) -> None:
        """Return when the first process is ready."""
        self._pool.schedule(_nothing).result()

    def decode(self, data: bytes) -> np.ndarray:
        """The pixels of a file: uint8 (H, W, 3) RGB, upright.

        Raises Refused: 413 over a limit, 415 no format of ours, 422 broken, too small, or too slow to decode.
        """
        path = self._folder / str(next(self._numbers))
        try:
            answer = self._pool.schedule(
                _decode, args=(data, str(path), self._limits), timeout=self._limits.seconds
            ).result()
            if isinstance(answer, _Bad):
                raise _refusal(answer, self._limits)
            return np.fromfile(path, np.uint8).reshape(answer)
        except TimeoutError:
            self._lost("killed")
            raise Refused(
                Kind.BAD_PHOTO,
                f"the photo takes longer than {self._limits.seconds:g} s to decode: save it anew",
            ) from None
        except (ProcessExpired, MemoryError):
            self._lost("crashed")
            raise Refused(Kind.BAD_PHOTO, "the photo's decoder gave up on it: save it anew") from None
        except CancelledError:
            raise Refused(Kind.STOPPING, "the service is stopping: ask again", retry_after=1) from None
        finally:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        self._pool.stop()
        self._pool.join()
        shutil.rmtree(self._folder, ignore_errors=True)


def _refusal(bad: _Bad, limits: UploadLimits) -> Refused:
    kinds: dict[str, Kind] = {
        Reason.TOO_MANY_BYTES: Kind.TOO_LARGE,
        Reason.TOO_MANY_PIXELS: Kind.TOO_LARGE,
        Reason.UNKNOWN_FORMAT: Kind.UNKNOWN_FORMAT,
    }
    return Refused(
        kinds.get(bad.reason, Kind.BAD_PHOTO),
        f"the photo cannot be used ({bad.reason}: {bad.detail}). JPEG, PNG, WebP and GIF are read, up to "
        f"{limits.max_bytes:,} bytes, {limits.max_pixels:,} pixels and {limits.max_frames} frames, at least "
        f"{images.MIN_SIDE} pixels on the shorter side",
    )


def _roomy(processes: int, max_pixels: int) -> str | None:
    """Where the largest photos of all processes fit into memory; None, the folder for temporary files, elsewhere.

    A container has 64 MB of /dev/shm unless it is told otherwise.
    """
    if not _MEMORY.is_dir() or not os.access(_MEMORY, os.W_OK):
        return None
    return str(_MEMORY) if shutil.disk_usage(_MEMORY).free > 3 * max_pixels * processes else None


# ── in the processes ─────────────────────────────────────────────────────────────────────────────────────────


def _settle(limits: UploadLimits) -> None:
    """Bound what a hostile file can make of this process, and leave it nothing to read from its environment."""
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


def _nothing() -> None: ...


def _decode(data: bytes, path: str, limits: UploadLimits) -> tuple[int, int, int] | _Bad:
    """Write the pixels to `path`; their shape."""
    try:
        header = images.check(data, limits.max_bytes, limits.max_pixels)
        frames = imagefile.frames(data, header)
        if frames > limits.max_frames:
            return _Bad("too_many_frames", f"an animation of {frames:,} frames is no photo")
        pixels = images.decode_checked(data, header)
    except images.BadImage as error:
        return _Bad(error.reason, str(error).partition(": ")[2] or str(error.reason))
    height, width = pixels.shape[:2]
    pixels.tofile(path)
    return height, width, 3
