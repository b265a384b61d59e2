"""Unread request bodies: drain them, or close the connection."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DRAIN_SECONDS = 2.0


class RequestBody:
    """A request body. uninvited: the client waits for `100 Continue` before it sends it."""

    def __init__(self, receive: Receive, uninvited: bool):
        self._receive, self.uninvited, self._ended = receive, uninvited, False

    async def receive(self) -> Message:
        """ASGI's `receive`. The server sends `100 Continue` on the first call."""
        self.uninvited = False
        message = await self._receive()
        self._ended = message["type"] != "http.request" or not message.get("more_body")
        return message

    async def drain(self, most: int) -> None:
        """Read and drop up to `most` bytes: many clients read no response before they have sent their body.

        Does nothing if the client waits for `100 Continue`.
        """
        if self.uninvited:
            return
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._ended and most >= 0:
                    most -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            pass


class BodyTracker:
    """Middleware that keeps each request's body as `state["body"]`.

    A client that is answered before `100 Continue` may or may not send its body. Bytes that follow could be the body or
    another request, so the connection is closed (RFC 9110, 10.1.1).
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = scope["state"]["body"] = RequestBody(receive, "expect" in Headers(scope=scope))

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and body.uninvited:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, body.receive, sent)
