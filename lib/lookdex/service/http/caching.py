"""What caches may keep of an answer, and how they ask whether it has changed (RFC 9110, 13.1.2; RFC 9111).

Pictures never change under their address, so caches need not ask again. An answer to a GET is the same until another
release answers: caches keep it, ask each time with its tag, and learn without any search that it is still so.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass

from starlette.requests import Request
from starlette.responses import Response

from lookdex import __version__
from lookdex.search.query.options import Options

DAY = 86_400  # seconds
# A list of entity tags, whose elements may be empty (RFC 9110, 5.6.1.2 and 8.8.3). Possessive: linear in its length.
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*+")')
_TAGS = re.compile(rf"[ \t]*+(?:{_TAG.pattern}[ \t]*+)?+(?:,[ \t]*+(?:{_TAG.pattern}[ \t]*+)?+)*+")


@dataclass(frozen=True, slots=True)
class Caching:
    """shared: caches that serve several clients, such as a CDN, may keep responses too."""

    shared: bool = False

    @property
    def pictures(self) -> str:
        """The Cache-Control of what never changes: an item's id is made of what its picture shows."""
        return f"{self._who}, max-age={DAY}, immutable"

    @property
    def answers(self) -> str:
        """The Cache-Control of what changes with the release. A CDN asks with the client's own token, each time."""
        return f"{self._who}, no-cache"

    @property
    def _who(self) -> str:
        return "public" if self.shared else "private"


def tag_of_bytes(body: bytes) -> str:
    """A strong ETag: of these very bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def weak_tag_of_bytes(body: bytes) -> str:
    """A weak ETag: of these bytes in any coding."""
    return f"W/{tag_of_bytes(body)}"


def tag_of_answer(release_id: str, options: Options, counted: tuple[str, ...]) -> str:
    """A weak ETag: the products are the same, while the times that were taken, and the coding, may differ.

    counted: the columns that the service counts.
    """
    question = json.dumps([__version__, release_id, asdict(options), counted], sort_keys=True)
    return weak_tag_of_bytes(question.encode())


def unchanged(request: Request, tag: str, *, exists: bool = True) -> bool:
    """The client has what has this tag, so that 304 is the answer. exists: known to, as `If-None-Match: *` asks.

    A header that breaks the grammar names nothing that the client has.
    """
    asked = ",".join(request.headers.getlist("if-none-match"))
    if asked.strip() == "*":
        return exists
    return bool(_TAGS.fullmatch(asked)) and tag.removeprefix("W/") in _TAG.findall(asked)


def not_modified(tag: str, cache_control: str) -> Response:
    return Response(status_code=304, headers=tagged(tag, cache_control))


def tagged(tag: str, cache_control: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": cache_control}
