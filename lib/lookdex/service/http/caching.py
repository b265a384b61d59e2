"""Cache-Control and ETags of answers (RFC 9110, 13.1.2; RFC 9111).

The picture at a URL never changes, so caches need not revalidate it. The answer to a GET stays the same until the
release changes: caches revalidate it with its ETag, which costs no search.
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
# A list of entity tags; elements may be empty (RFC 9110, 5.6.1.2 and 8.8.3). Possessive, hence linear time.
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*+")')
_TAGS = re.compile(rf"[ \t]*+(?:{_TAG.pattern}[ \t]*+)?+(?:,[ \t]*+(?:{_TAG.pattern}[ \t]*+)?+)*+")


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """Who may store responses."""

    shared: bool = False
    """Shared caches, such as a CDN, may store them too."""

    @property
    def pictures(self) -> str:
        """Cache-Control of pictures. They never change: an item's id is derived from its picture."""
        return f"{self._scope}, max-age={DAY}, immutable"

    @property
    def answers(self) -> str:
        """Cache-Control of answers, which change with the release. A CDN revalidates with the client's token."""
        return f"{self._scope}, no-cache"

    @property
    def _scope(self) -> str:
        return "public" if self.shared else "private"


def strong_etag(body: bytes) -> str:
    """A strong ETag of the bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def weak_etag(body: bytes) -> str:
    """A weak ETag of the bytes, in any content coding."""
    return f"W/{strong_etag(body)}"


def answer_etag(release_id: str, options: Options, facets: tuple[str, ...]) -> str:
    """A weak ETag of an answer: same products, while timings and content coding may differ.

    Args:
        facets: the columns that the service counts.
    """
    question = json.dumps([__version__, release_id, asdict(options), facets], sort_keys=True)
    return weak_etag(question.encode())


def is_unchanged(request: Request, tag: str, *, exists: bool = True) -> bool:
    """Whether `If-None-Match` matches the tag, so that the response is 304. exists: what `*` matches.

    A malformed header matches nothing.
    """
    header = ",".join(request.headers.getlist("if-none-match"))
    if header.strip() == "*":
        return exists
    return bool(_TAGS.fullmatch(header)) and tag.removeprefix("W/") in _TAG.findall(header)


def not_modified(tag: str, cache_control: str) -> Response:
    return Response(status_code=304, headers=etag_headers(tag, cache_control))


def etag_headers(tag: str, cache_control: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Control": cache_control}
