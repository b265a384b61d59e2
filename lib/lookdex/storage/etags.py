"""ETags as stores give them: strong, weak, of several parts, or none at all.

lookdex keeps an ETag as text without its quotes. A weak one keeps its `W/`; where a listing has none, a substitute is
made of the object's time and size, and begins with `modified-`.
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
    """What stands in for the ETag of an object of `size` bytes that was last modified then (to the second)."""
    return f"{_DATED}{modified.astimezone(UTC):%Y%m%dT%H%M%SZ}-{size}"


def is_strong(etag: str) -> bool:
    """May it be sent as If-Match? That compares strongly: a weak ETag never matches, even itself (RFC 9110, 13.1.1)."""
    return bool(etag) and not etag.startswith((_WEAK, _DATED))


def same(etag: str, header: str | None, modified: datetime | None, size: int | None) -> bool:
    """Is what the store now answers (its ETag header, its time, its size) still the object of `etag`?

    What the answer leaves out is not compared.
    """
    if etag.startswith(_DATED):
        then, _, bytes_ = etag.removeprefix(_DATED).rpartition("-")
        now = dated(modified, 0).removeprefix(_DATED).rpartition("-")[0] if modified else then
        return then == now and size in (None, int(bytes_))
    return header is None or plain(header).removeprefix(_WEAK) == etag.removeprefix(_WEAK)


def md5(etag: str) -> str | None:
    """The MD5 (hex) that an ETag looks like; None for those of several parts, of other stores, weak or made here."""
    return etag if _MD5.fullmatch(etag) else None
