"""Fetch and decode photos in a thread pool, ahead of the models, in order.

The number of photos and of decoded pixels ahead are both bounded, because thumbnails may lie beside 50-megapixel
originals. A photo that alone exceeds the bound is decoded when its turn comes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from lookdex.errors import (
    AccessDenied,
    Archived,
    Changed,
    CredentialsRefused,
    DamagedInTransit,
    NotFound,
    StorageError,
    TooLarge,
)
from lookdex.imaging import codec
from lookdex.imaging.formats import has_picture_suffix
from lookdex.records import ImageRef, Reason, Status
from lookdex.storage import Listed, Store

DENIED_IN_A_ROW = 5  # consecutive photos after which to check whether anything can be read at all
ELSEWHERE = 3  # photos elsewhere in the source to try then, if none of the shard could be read

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """max_bytes, max_pixels: larger photos are rejected. ahead_images, ahead_pixels: bounds on decoding ahead."""

    max_bytes: int
    max_pixels: int
    workers: int = 8
    ahead_images: int = 32
    ahead_pixels: int = 64_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What a photo has cost so far: bytes fetched, busy seconds."""

    bytes: int = 0
    fetch_seconds: float = 0.0
    decode_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo: uint8 (H, W, 3) RGB, upright. content_hash: SHA-256 of the file, hex."""

    ref: ImageRef
    pixels: np.ndarray
    content_hash: str
    cost: Cost

    @property
    def area(self) -> int:
        height, width = self.pixels.shape[:2]
        return int(height * width)


@dataclass(frozen=True, slots=True)
class Bad:
    """A photo that was rejected or failed before the models. Unknown values are None."""

    ref: ImageRef
    status: Status
    reason: Reason
    cost: Cost
    content_hash: str | None = None
    width: int | None = None
    height: int | None = None
    error: str = ""  # message


Fetched = Photo | Bad


class PixelBudget:
    """Bounds the pixels decoded ahead. Turns are positions in the shard; the awaited turn never waits.

    So at most `limit` pixels plus one photo are in use, and no order of threads can deadlock.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._awaited = 0
        self._closed = False
        self._changed = threading.Condition()

    def take(self, turn: int, pixels: int) -> bool:
        """Wait for room. False when the budget was closed meanwhile."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or turn <= self._awaited or self.used + pixels <= self.limit
            )
            if not self._closed:
                self.used += pixels
            return not self._closed

    def give(self, pixels: int) -> None:
        """Return pixels to the budget."""
        with self._changed:
            self.used -= pixels
            self._changed.notify_all()

    def await_turn(self, turn: int) -> None:
        """Let this turn pass without waiting from now on."""
        with self._changed:
            self._awaited = turn
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Denials:
    """Distinguishes a few photos with denied access from lost permissions.

    With lost permissions, each further photo would cost a request and a useless row.
    """

    def __init__(self, source: Store) -> None:
        self._source = source
        self._in_a_row = 0
        self.ahead: ImageRef | None = None  # the photo submitted last
        self._read: ImageRef | Listed | None = None  # the last readable photo
        self._denied: set[str] = set()

    def record(self, fetched: Fetched) -> None:
        """Record the next photo. Raises AccessDenied when no photo can be read any more."""
        if not isinstance(fetched, Bad) or fetched.reason is not Reason.DENIED:
            if isinstance(fetched, Photo) or fetched.status is Status.REJECTED:
                self._read, self._in_a_row = fetched.ref, 0
            return
        self._in_a_row += 1
        self._denied.add(fetched.ref.key)
        if self._in_a_row % DENIED_IN_A_ROW:
            return
        # The best probe is a photo that was readable before, otherwise some from elsewhere in the source.
        others: list[ImageRef | Listed] = [self._read or self.ahead or fetched.ref]
        if self._read is None:
            others += self._elsewhere()
        denial: AccessDenied | None = None
        for other in others:
            try:
                self._source.get_limited(other.key, other.bytes)
            except AccessDenied as error:
                denial = error
            except StorageError as error:  # says nothing about the permissions
                log.info("%s: %s", other.key, error)
                return
            else:
                self._read = other
                return
        raise AccessDenied(
            f"access to {self._in_a_row} photos in a row, the last {fetched.ref.key!r}, was denied, and so was "
            f"{others[-1].key!r}: {denial}. Restore the permissions, then run the same run id again"
        ) from denial

    def _elsewhere(self) -> list[Listed]:
        """Some other photos of the source, from other folders if there are any.

        A shard may have nothing but private photos, which are retried every night.
        """
        try:
            page = next(iter(self._source.pages()), [])
        except StorageError as error:
            log.info("%s: %s", self._source.uri, error)
            return []
        folders = {key.rpartition("/")[0] for key in self._denied}
        photos = [
            p for p in page if p.key not in self._denied and has_picture_suffix(p.key) and not p.archived
        ]
        apart = [photo for photo in photos if photo.key.rpartition("/")[0] not in folders] or photos
        return apart[:: max(1, len(apart) // ELSEWHERE)][:ELSEWHERE]


def fetch(refs: Sequence[ImageRef], source: Store, options: FetchOptions) -> Generator[Fetched]:
    """Yield one `Fetched` for every ref, in order. Closing the iterator stops the threads.

    Bad files and storage errors are yielded as `Bad`; any other error is a bug and raises.

    Raises:
        AccessDenied: the credentials are refused, or no photo can be read.
        ConfigError: there is no such bucket.
    """
    denials = Denials(source)
    budget = PixelBudget(options.ahead_pixels)
    pool = ThreadPoolExecutor(max(1, options.workers), thread_name_prefix="lookdex-fetch")
    waiting: deque[tuple[int, Future[tuple[Fetched, int]]]] = deque()
    todo = iter(enumerate(refs))
    try:
        while True:
            while len(waiting) < max(1, options.ahead_images) and (following := next(todo, None)):
                turn, ref = following
                denials.ahead = ref
                waiting.append((turn, pool.submit(_one, turn, ref, source, options, budget)))
            if not waiting:
                return
            turn, future = waiting.popleft()
            budget.await_turn(turn)
            fetched, taken = future.result()
            del future  # it references the pixels
            budget.give(taken)
            denials.record(fetched)
            yield fetched
            del fetched
    finally:
        budget.close()
        pool.shutdown(wait=True, cancel_futures=True)


def _one(
    turn: int, ref: ImageRef, source: Store, options: FetchOptions, budget: PixelBudget
) -> tuple[Fetched, int]:
    """Fetch and decode one photo. Returns it and the pixels taken from the budget."""
    start = time.perf_counter()
    try:
        data = source.get_limited(ref.key, options.max_bytes, ref.etag, ref.bytes)
        if len(data) != ref.bytes:
            raise DamagedInTransit(f"{len(data):,} of {ref.bytes:,} bytes arrived")
    except MemoryError:
        return Bad(ref, Status.FAILED, Reason.OUT_OF_MEMORY, Cost(0, time.perf_counter() - start)), 0
    except CredentialsRefused:
        raise
    except StorageError as error:
        status, reason = _of_storage(error)
        # There may be many of these; the summary or the error that stops the night reports them.
        quiet = reason in (Reason.ARCHIVED, Reason.DENIED)
        level = logging.INFO if quiet else logging.WARNING
        log.log(level, "%r: %s: %s", ref.key, reason, error)
        return Bad(ref, status, reason, Cost(0, time.perf_counter() - start), error=str(error)), 0
    fetched = time.perf_counter()
    cost = Cost(len(data), fetched - start)
    content_hash = codec.content_hash(data)
    width = height = None
    taken = 0
    try:
        header = codec.check(data, options.max_bytes, options.max_pixels)
        width, height = codec.upright_size(header)
        if not budget.take(turn, width * height):
            return Bad(ref, Status.FAILED, Reason.UNAVAILABLE, cost), 0  # closed: nobody reads this result
        taken = width * height
        begin = time.perf_counter()
        pixels = codec.decode_checked(data, header)
    except codec.BadImage as error:
        log.info("%r: %s", ref.key, error)
        width, height = error.size or (None, None)
        reason = _of_file(ref, error.reason)
        return Bad(ref, Status.REJECTED, reason, cost, content_hash, width, height, str(error)), taken
    except MemoryError:
        log.warning("%r: not enough memory to decode %s × %s pixels", ref.key, width, height)
        return Bad(ref, Status.FAILED, Reason.OUT_OF_MEMORY, cost, content_hash, width, height), taken
    cost = replace(cost, decode_seconds=time.perf_counter() - begin)
    return Photo(ref, pixels, content_hash, cost), taken


def _of_storage(error: StorageError) -> tuple[Status, Reason]:
    """Status and reason of a storage error: the photo failed and is retried; a file that is too large is rejected."""
    if isinstance(error, TooLarge):
        return Status.REJECTED, Reason.TOO_MANY_BYTES
    for kind, reason in (
        (NotFound, Reason.GONE),
        (Changed, Reason.CHANGED),
        (AccessDenied, Reason.DENIED),
        (Archived, Reason.ARCHIVED),
        (DamagedInTransit, Reason.DAMAGED_IN_TRANSIT),
    ):
        if isinstance(error, kind):
            return Status.FAILED, reason
    return Status.FAILED, Reason.UNAVAILABLE


def _of_file(ref: ImageRef, reason: Reason) -> Reason:
    """The reason for a file that cannot be decoded. A file not named as a picture need not be one."""
    unnamed = reason is Reason.UNKNOWN_FORMAT and not has_picture_suffix(ref.key)
    return Reason.NO_PICTURE if unnamed else reason
