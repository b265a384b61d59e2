"""Uploads while they arrive: how many, whose, and how fast."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Message, Receive

from lookdex.service.pace import Pace
from lookdex.service.problems import Kind, Refused

YOUNG = 2.0  # seconds in which an upload keeps its place, however slow it is
_SLOW = 10.0  # times the least rate: below it, an upload makes room for another


class Upload:
    """One that arrives. client: whose it is."""

    def __init__(self, client: str, pace: Pace):
        self.client = client
        self._pace, self._begun = pace, asyncio.get_running_loop().time()
        self._arrived, self._displaced = 0, False
        self._waiting: asyncio.Timeout | None = None

    def rate(self) -> float:
        """Bytes a second until now."""
        return self._arrived / max(1e-3, self.age())

    def age(self) -> float:
        return asyncio.get_running_loop().time() - self._begun

    def displace(self) -> None:
        """End it in favour of another."""
        self._displaced = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def paced(self, receive: Receive) -> Receive:
        """ASGI's `receive`, which raises Refused once the upload is too slow, or has to make room."""

        async def received() -> Message:
            if self._displaced:
                raise self._refused()
            try:
                async with asyncio.timeout_at(self._pace.due(self._begun, self._arrived)) as self._waiting:
                    message = await receive()
            except TimeoutError:
                raise self._refused() from None
            finally:
                self._waiting = None
            self._arrived += len(message.get("body", b""))
            return message

        return received

    def _refused(self) -> Refused:
        close = {"Connection": "close"}  # the rest of the body is not read
        if self._displaced:
            detail = "the upload was slow, and others needed its place: try again, with a smaller photo"
            return Refused(Kind.SLOW_UPLOAD, detail, headers=close)
        detail = f"an upload must arrive at {self._pace.rate:g} bytes a second: send a smaller photo"
        return Refused(Kind.SLOW_UPLOAD, detail, headers=close)


class Arrivals:
    """Places for uploads. Of one event loop.

    most, share: uploads at a time, of all clients and of one. Where they are taken, the slowest one of the client that
    has the most makes room, once it is older than YOUNG and if it is slow.
    """

    def __init__(self, most: int, share: int, pace: Pace):
        self._most, self._share, self._pace = most, share, pace
        self._here: dict[Upload, None] = {}

    def __len__(self) -> int:
        return len(self._here)

    @contextmanager
    def place(self, client: str) -> Iterator[Upload]:
        """While an upload of the client arrives. Raises Refused, before any of it is read, when there is no place."""
        self._make_room(client)
        upload = Upload(client, self._pace)
        self._here[upload] = None
        try:
            yield upload
        finally:
            self._here.pop(upload, None)

    def _make_room(self, client: str) -> None:
        counts = Counter(upload.client for upload in self._here)
        if counts[client] >= self._share:
            whose, detail = client, "too many uploads of this client arrive at a time"
        elif len(self._here) >= self._most:
            whose, detail = counts.most_common(1)[0][0], "too many uploads arrive at a time"
        else:
            return
        slow = [
            upload
            for upload in self._here
            if upload.client == whose and upload.age() > YOUNG and upload.rate() < _SLOW * self._pace.rate
        ]
        if not slow:
            raise Refused(Kind.BUSY, f"{detail}: ask again later", retry_after=1)
        slowest = min(slow, key=Upload.rate)
        slowest.displace()
        del self._here[slowest]
