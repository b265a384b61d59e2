"""ETags: strong, weak, multipart or missing.

lookdex stores an ETag without its quotes. A weak one keeps its `W/`. If a listing has none, a substitute that begins
with `modified-` is made of the object's time and size.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

_MD5 = re.compile(r"[0-9a-f]{32}")
_WEAK = "W/"
_DATED = "modified-"


def plain(header: str) -> str:
    """`"abc"` → `abc`, `W/"abc"` → `W/abc`."""
    weak = _WEAK if header.startswith(_WEAK) else ""
    return weak + header.removeprefix(_WEAK).strip('"')


def dated(modified: datetime, size: int) -> str:
    """The substitute for a missing ETag, of the time of modification (to the second) and the size."""
    return f"{_DATED}{modified.astimezone(UTC):%Y%m%dT%H%M%SZ}-{size}"


def is_strong(etag: str) -> bool:
    """Whether it can be sent as If-Match: a weak ETag never matches, even itself (RFC 9110, 13.1.1)."""
    return bool(etag) and not etag.startswith((_WEAK, _DATED))


def same(etag: str, header: str | None, modified: datetime | None, size: int | None) -> bool:
    """Whether a response (ETag header, time, size) is for the object of `etag`. Missing values are not compared."""
    if etag.startswith(_DATED):
        then, _, bytes_ = etag.removeprefix(_DATED).rpartition("-")
        now = dated(modified, 0).removeprefix(_DATED).rpartition("-")[0] if modified else then
        return then == now and size in (None, int(bytes_))
    return header is None or plain(header).removeprefix(_WEAK) == etag.removeprefix(_WEAK)


def md5(etag: str) -> str | None:
    """The MD5 (hex) in an ETag that looks like one; None for multipart, weak, substitute and other ETags."""
    return etag if _MD5.fullmatch(etag) else None
