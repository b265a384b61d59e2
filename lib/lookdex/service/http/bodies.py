"""Bodies that nobody reads: a request is often refused before its body has arrived.

A client that is still sending may not read its answer, and a connection that is closed with unread data is reset, which
can take the answer with it (RFC 9112, 9.6).
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DRAIN_SECONDS = 5.0
DRAIN_BYTES = (
    64 << 20
)  # of a body whose length is known: a photo sent to a mistyped address, or twice too large
DRAIN_CHUNKED_BYTES = 4 << 20  # of one that may never end


class Body:
    """The body of a request.

    uninvited: its client sends it only after `100 Continue`. unread: some of it may still arrive.
    """

    def __init__(self, receive: Receive, headers: Headers):
        self._receive = receive
        self.uninvited = "expect" in headers
        length = int(headers.get("content-length", "0"))  # digits, as the parser has checked
        chunked = "transfer-encoding" in headers
        self.unread = chunked or length > 0
        self._drained = DRAIN_CHUNKED_BYTES if chunked else length if length <= DRAIN_BYTES else 0

    async def receive(self) -> Message:
        """ASGI's `receive`. The server invites the client when it is first called."""
        self.uninvited = False
        message = await self._receive()
        self.unread = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read and drop the rest, for DRAIN_SECONDS at most."""
        size = 0
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while self.unread and size < self._drained:
                    size += len((await self.receive()).get("body", b""))
        except TimeoutError:
            pass

    def give_up(self) -> None:
        """Read no more of it: its client is too slow."""
        self.unread = False


class Bodies:
    """Keeps each request's body as `state["body"]`, and drains it before the request is answered.

    A client that was not invited (`Expect: 100-continue`) may send its body after its answer or not, so what follows on
    its connection could not be told from another request: the connection ends (RFC 9110, 10.1.1).
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = scope["state"]["body"] = Body(receive, Headers(scope=scope))

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                if body.uninvited:
                    MutableHeaders(scope=message)["Connection"] = "close"
                else:
                    await body.drain()
            await send(message)

        await self._app(scope, body.receive, sent)
