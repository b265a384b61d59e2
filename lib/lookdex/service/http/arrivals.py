"""Limit uploads in progress: how many, how many per client, and how slow."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Message, Receive

from lookdex.service.http.pace import MinimumRate
from lookdex.service.http.problems import ProblemError, ProblemKind

SMALL = 64 << 10  # bytes: smaller uploads need no slot, so a trickling one takes none
YOUNG = 2.0  # seconds: a younger upload keeps its slot however slow it is
_SLOW = 10.0  # times the minimum rate: a slower upload may lose its slot


class Upload:
    """An upload in progress. It takes one of `slots` once it is larger than SMALL."""

    def __init__(self, client: str, slots: UploadSlots, pace: MinimumRate) -> None:
        self.client = client
        self._slots, self._pace = slots, pace
        self._begun, self._arrived = asyncio.get_running_loop().time(), 0
        self._displaced = False
        self._waiting: asyncio.Timeout | None = None

    def rate(self) -> float:
        """Bytes per second so far."""
        return self._arrived / max(1e-3, self.age())

    def age(self) -> float:
        """Seconds since the upload began."""
        return asyncio.get_running_loop().time() - self._begun

    def displace(self) -> None:
        """End this upload to free its slot."""
        self._displaced = True
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def limit_receive(self, receive: Receive) -> Receive:
        """Wrap ASGI's `receive` to raise ProblemError if the upload is too slow or there is no slot for it."""

        async def limited_receive() -> Message:
            if self._displaced:
                raise self._build_refusal()
            due = self._pace.due(self._begun, self._arrived)
            try:
                async with asyncio.timeout_at(due if math.isfinite(due) else None) as self._waiting:
                    message = await receive()
            except TimeoutError:
                raise self._build_refusal() from None
            finally:
                self._waiting = None
            small = self._arrived <= SMALL
            self._arrived += len(message.get("body", b""))
            if small and self._arrived > SMALL:
                self._slots.take(self)
            return message

        return limited_receive

    def _build_refusal(self) -> ProblemError:
        detail = f"the upload was slower than {self._pace.rate:g} bytes per second: send a smaller photo"
        if self._displaced:
            detail = "the upload was slow and the service is busy: try again with a smaller photo"
        return ProblemError(
            ProblemKind.SLOW_UPLOAD, detail, headers={"Connection": "close"}
        )  # the rest is not read


class UploadSlots:
    """Slots for uploads in progress, which take memory. Small uploads need none. For one event loop.

    When all slots are taken, the slowest upload of the client with the most uploads is ended, if it is older than YOUNG
    and slow.

    Args:
        slots: for all clients.
        share: slots for one client.
    """

    def __init__(self, slots: int, share: int, pace: MinimumRate) -> None:
        self._slots, self._share, self._pace = slots, share, pace
        self._large: dict[Upload, None] = {}

    @contextmanager
    def upload(self, client: str) -> Iterator[Upload]:
        """Track an upload of the client while it arrives."""
        upload = Upload(client, self, self._pace)
        try:
            yield upload
        finally:
            self._large.pop(upload, None)

    def take(self, upload: Upload) -> None:
        """Give the upload a slot. Raises ProblemError if there is none."""
        counts = Counter(other.client for other in self._large)
        if counts[upload.client] >= self._share:
            self._make_room(upload.client, "this client has too many uploads in progress")
        elif len(self._large) >= self._slots:
            self._make_room(counts.most_common(1)[0][0], "too many uploads are in progress")
        self._large[upload] = None

    def _make_room(self, client: str, detail: str) -> None:
        slow = [
            upload
            for upload in self._large
            if upload.client == client and upload.age() > YOUNG and upload.rate() < _SLOW * self._pace.rate
        ]
        if not slow:
            raise ProblemError(ProblemKind.BUSY, f"{detail}: try again later", retry_after=1)
        slowest = min(slow, key=Upload.rate)
        slowest.displace()
        del self._large[slowest]
