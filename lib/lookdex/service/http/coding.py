"""The coding of an answer: gzip for clients that accept it (RFC 9110, 12.5.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipResponder, IdentityResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

GZIP_BYTES, GZIP_LEVEL = 1024, 5  # from how many on; 40 kB of an answer become 9 kB in 0.5 ms
_MEMBER = re.compile(
    r"([\w!#$%&'*+.^`|~-]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?", re.A | re.I
)


@dataclass(frozen=True, slots=True)
class Accepted:
    """gzip: the client accepts it, and prefers nothing else. identity: it accepts what is not compressed."""

    gzip: bool = False
    identity: bool = True


@lru_cache(maxsize=64)  # browsers send one of a few headers
def accepted(header: str) -> Accepted:
    """What an Accept-Encoding asks for. A member that breaks the grammar counts for nothing."""
    weights: dict[str, float] = {}
    for member in header.split(","):
        if found := _MEMBER.fullmatch(member.strip(" \t")):
            weights[found[1].lower().removeprefix("x-")] = float(found[2] or 1)
    others = weights.get("*")
    gzip, identity = weights.get("gzip", others) or 0.0, weights.get("identity", others)
    return Accepted(0 < gzip >= (identity or 0.0), identity != 0)


class Compressed:
    """Compresses answers as their clients accept it, pictures excepted.

    Where neither coding is acceptable, the answer is sent as it is, which RFC 9110 permits.
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                _vary(MutableHeaders(scope=message))
            await send(message)

        client = accepted(", ".join(Headers(scope=scope).getlist("accept-encoding")))
        least = GZIP_BYTES if client.identity else 1
        responder = (
            GZipResponder(self._app, least, GZIP_LEVEL)
            if client.gzip
            else IdentityResponder(self._app, GZIP_BYTES)
        )
        await responder(scope, receive, sent)


def _vary(headers: MutableHeaders) -> None:
    """A weak ETag is that of an answer in any coding: Vary has to say so whatever was sent, 304 too."""
    if headers.get("etag", "").startswith("W/") and "Accept-Encoding" not in headers.get("vary", ""):
        headers.add_vary_header("Accept-Encoding")
