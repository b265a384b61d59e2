"""Drain unread request bodies: a request is often refused before its body has arrived.

A client may read no response while it is still sending. Closing a connection with unread data resets it, which can lose
the response (RFC 9112, 9.6).
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DRAIN_SECONDS = 5.0
DRAIN_BYTES = 64 << 20  # bodies of known length, such as a photo sent to a wrong URL or twice too large
DRAIN_CHUNKED_BYTES = 4 << 20  # chunked bodies, which may never end


class RequestBody:
    """The body of a request."""

    def __init__(self, receive: Receive, headers: Headers) -> None:
        self._receive = receive
        self.uninvited = "expect" in headers
        """The client waits for `100 Continue` before it sends the body."""
        length = int(headers.get("content-length", "0"))  # the parser has checked that it is digits
        chunked = "transfer-encoding" in headers
        self.unread = chunked or length > 0
        """Some of it may still arrive."""
        self._drain_limit = DRAIN_CHUNKED_BYTES if chunked else length if length <= DRAIN_BYTES else 0

    async def receive(self) -> Message:
        """ASGI's `receive`. The server sends `100 Continue` on the first call."""
        self.uninvited = False
        message = await self._receive()
        self.unread = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read and drop the rest, for DRAIN_SECONDS at most."""
        size = 0
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while self.unread and size < self._drain_limit:
                    size += len((await self.receive()).get("body", b""))
        except TimeoutError:
            pass

    def give_up(self) -> None:
        """Read no more: the client is too slow."""
        self.unread = False


class BodyTracker:
    """Middleware that keeps each request's body as `state["body"]` and drains it before the response.

    A client that is answered before `100 Continue` may or may not send its body. Bytes that follow could be the body or
    another request, so the connection is closed (RFC 9110, 10.1.1).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = scope["state"]["body"] = RequestBody(receive, Headers(scope=scope))

        async def send_after_drain(message: Message) -> None:
            if message["type"] == "http.response.start":
                if body.uninvited:
                    MutableHeaders(scope=message)["Connection"] = "close"
                else:
                    await body.drain()
            await send(message)

        await self._app(scope, body.receive, send_after_drain)
