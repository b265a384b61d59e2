"""The body of a request that is refused: whether its client may be left sending it."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

DRAIN_SECONDS = 2.0


class Body:
    """A body as far as it has arrived. uninvited: its client sends it only after `100 Continue`."""

    def __init__(self, receive: Receive, uninvited: bool):
        self._receive, self.uninvited, self._ended = receive, uninvited, False

    async def receive(self) -> Message:
        """ASGI's `receive`. The server invites the client when it is first called."""
        self.uninvited = False
        message = await self._receive()
        self._ended = message["type"] != "http.request" or not message.get("more_body")
        return message

    async def drain(self, most: int) -> None:
        """Take in and drop what the client is still sending, since until then it does not read its answer.

        most: bytes. One that waits for an invitation gets none.
        """
        if self.uninvited:
            return
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._ended and most >= 0:
                    most -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            pass


class Bodies:
    """Keeps each request's body as `state["body"]`.

    A client whose request is answered without having been invited (`Expect: 100-continue`) may send its body or not, so
    what follows on its connection could not be told from another request: the connection ends (RFC 9110, 10.1.1).
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = scope["state"]["body"] = Body(receive, "expect" in Headers(scope=scope))

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and body.uninvited:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, body.receive, sent)
