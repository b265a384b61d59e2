"""ETags: strong, weak, multipart or missing.

lookdex stores an ETag without its quotes. A weak one keeps its `W/`. If a listing has none, a substitute that begins
with `modified-` is made of the object's time and size.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_MD5 = re.compile(r"[0-9a-f]{32}")
_WEAK = "W/"
_SUBSTITUTE = "modified-"


def unquote(header: str) -> str:
    """`"abc"` → `abc`, `W/"abc"` → `W/abc`."""
    weak = _WEAK if header.startswith(_WEAK) else ""
    return weak + header.removeprefix(_WEAK).strip('"')


def make_substitute(modified: datetime, size: int) -> str:
    """The substitute for a missing ETag, of the time of modification (to the second) and the size."""
    return f"{_SUBSTITUTE}{modified.astimezone(UTC):%Y%m%dT%H%M%SZ}-{size}"


def is_strong(etag: str) -> bool:
    """Whether it can be sent as If-Match: a weak ETag never matches, even itself (RFC 9110, 13.1.1)."""
    return bool(etag) and not etag.startswith((_WEAK, _SUBSTITUTE))


def matches(etag: str, header: str | None, modified: datetime | None, size: int | None) -> bool:
    """Whether a response (ETag header, time, size) is for the object of `etag`. Missing values are not compared."""
    if etag.startswith(_SUBSTITUTE):
        then, _, bytes_ = etag.removeprefix(_SUBSTITUTE).rpartition("-")
        now = make_substitute(modified, 0).removeprefix(_SUBSTITUTE).rpartition("-")[0] if modified else then
        return then == now and size in (None, int(bytes_))
    return header is None or unquote(header).removeprefix(_WEAK) == etag.removeprefix(_WEAK)


def find_md5(etag: str) -> str | None:
    """The MD5 (hex) in an ETag that looks like one; None for multipart, weak, substitute and other ETags."""
    return etag if _MD5.fullmatch(etag) else None
