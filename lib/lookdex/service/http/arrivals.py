"""Uploads while they arrive: how many, whose, and how fast."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Message, Receive

from lookdex.service.http.pace import Pace
from lookdex.service.http.problems import Kind, Refused

SMALL = (
    64 << 10
)  # bytes of an upload that needs no place: so that those which only trickle take none from others
YOUNG = 2.0  # seconds in which an upload keeps its place, however slow it is
_SLOW = 10.0  # times the least rate: below it, an upload makes room for another


class Upload:
    """One that arrives. client: whose it is. places: where it takes one, once it is larger than SMALL."""

    def __init__(self, client: str, places: Arrivals, pace: Pace):
        self.client = client
        self._places, self._pace = places, pace
        self._begun, self._arrived = asyncio.get_running_loop().time(), 0
        self._displaced = False
        self._waiting: asyncio.Timeout | None = None

    def rate(self) -> float:
        """Bytes a second until now."""
        return self._arrived / max(1e-3, self.age())

    def age(self) -> float:
        """Seconds."""
        return asyncio.get_running_loop().time() - self._begun

    def displace(self) -> None:
        """End it in favour of another."""
        self._displaced = True
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def paced(self, receive: Receive) -> Receive:
        """ASGI's `receive`, which raises Refused when the upload is too slow, or there is no place for it."""

        async def received() -> Message:
            if self._displaced:
                raise self._refused()
            due = self._pace.due(self._begun, self._arrived)
            try:
                async with asyncio.timeout_at(due if math.isfinite(due) else None) as self._waiting:
                    message = await receive()
            except TimeoutError:
                raise self._refused() from None
            finally:
                self._waiting = None
            small = self._arrived <= SMALL
            self._arrived += len(message.get("body", b""))
            if small and self._arrived > SMALL:
                self._places.take(self)
            return message

        return received

    def _refused(self) -> Refused:
        detail = f"an upload must arrive at {self._pace.rate:g} bytes a second: send a smaller photo"
        if self._displaced:
            detail = "the upload was slow, and others needed its place: try again, with a smaller photo"
        return Refused(Kind.SLOW_UPLOAD, detail, headers={"Connection": "close"})  # the rest is not read


class Arrivals:
    """Places for uploads, which take memory while they arrive; small ones need none. Of one event loop.

    most, share: places, of all clients and of one. Where they are taken, the slowest upload of the client that has the
    most makes room, once it is older than YOUNG and if it is slow.
    """

    def __init__(self, most: int, share: int, pace: Pace):
        self._most, self._share, self._pace = most, share, pace
        self._large: dict[Upload, None] = {}

    @contextmanager
    def upload(self, client: str) -> Iterator[Upload]:
        """While an upload of the client arrives."""
        upload = Upload(client, self, self._pace)
        try:
            yield upload
        finally:
            self._large.pop(upload, None)

    def take(self, upload: Upload) -> None:
        """Give a place to an upload. Raises Refused: there is none."""
        counts = Counter(other.client for other in self._large)
        if counts[upload.client] >= self._share:
            self._make_room(upload.client, "too many uploads of this client arrive at a time")
        elif len(self._large) >= self._most:
            self._make_room(counts.most_common(1)[0][0], "too many uploads arrive at a time")
        self._large[upload] = None

    def _make_room(self, client: str, detail: str) -> None:
        slow = [
            upload
            for upload in self._large
            if upload.client == client and upload.age() > YOUNG and upload.rate() < _SLOW * self._pace.rate
        ]
        if not slow:
            raise Refused(Kind.BUSY, f"{detail}: ask again later", retry_after=1)
        slowest = min(slow, key=Upload.rate)
        slowest.displace()
        del self._large[slowest]
