"""Pace of uploads, and the slots that large ones need."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive

from lookdex.service.http.arrivals import SMALL, UploadSlots
from lookdex.service.http.pace import MinimumRate
from lookdex.service.http.problems import ProblemError, ProblemKind


class Clock:
    """An event loop clock that the test advances."""

    def __init__(self, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead, now = 0.0, loop.time
        monkeypatch.setattr(loop, "time", lambda: now() + self.ahead)


async def settle() -> None:
    """Let the loop's due timers and tasks run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def never() -> Message:
    message: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    return await message


def piece(size: int, more: bool = True) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"a" * size, "more_body": more}

    return receive


def test_an_upload_below_the_minimum_rate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        clock = Clock(asyncio.get_running_loop(), monkeypatch)
        with UploadSlots(1, 1, MinimumRate(1000.0, grace=5.0)).upload("a") as upload:
            await upload.limit_receive(piece(1000))()
            waiting = asyncio.ensure_future(upload.limit_receive(never)())
            clock.ahead = 5.9
            await settle()
            assert not waiting.done()
            clock.ahead = 6.1
            with pytest.raises(ProblemError, match="1000 bytes per second") as refused:
                await waiting
            assert (refused.value.kind, refused.value.headers["Connection"]) == (
                ProblemKind.SLOW_UPLOAD,
                "close",
            )

    asyncio.run(run())


def test_without_a_minimum_rate_uploads_may_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        clock = Clock(asyncio.get_running_loop(), monkeypatch)
        with UploadSlots(1, 1, MinimumRate(0.0)).upload("a") as upload:
            waiting = asyncio.ensure_future(upload.limit_receive(never)())
            clock.ahead = 1e6
            await settle()
            assert not waiting.done()
            waiting.cancel()
            assert len((await upload.limit_receive(piece(7))())["body"]) == 7

    asyncio.run(run())


def test_a_new_upload_displaces_a_slow_one_but_no_fast_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        clock = Clock(asyncio.get_running_loop(), monkeypatch)
        arrivals, large = UploadSlots(3, 2, MinimumRate(2000.0)), SMALL + 1
        with arrivals.upload("a") as slow, arrivals.upload("a") as fast, arrivals.upload("b") as third:
            for upload in (slow, fast):
                await upload.limit_receive(piece(large))()
            with arrivals.upload("a") as small:  # a small upload needs no slot
                await small.limit_receive(piece(SMALL))()
                with pytest.raises(ProblemError, match="this client") as refused:
                    await small.limit_receive(piece(SMALL))()
            assert (refused.value.kind, refused.value.headers["Retry-After"]) == (ProblemKind.BUSY, "1")
            await third.limit_receive(piece(large))()
            await fast.limit_receive(piece(10 * large))()
            waiting = asyncio.ensure_future(slow.limit_receive(never)())
            await asyncio.sleep(0)
            clock.ahead = 4.0
            with arrivals.upload("c") as newcomer:  # ends the slow upload of the client with the most uploads
                await newcomer.limit_receive(piece(large))()
                with pytest.raises(ProblemError, match="the upload was slow"):
                    await waiting
                await fast.limit_receive(piece(1))()
        assert not arrivals._large

    asyncio.run(run())
