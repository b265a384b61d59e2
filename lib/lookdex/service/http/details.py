"""Sanitize error details for clients: hide paths, hosts and buckets, and shorten long values.

Only messages written for clients get here (`ProblemError`, `BadQuery`). Of other errors clients see only the kind. This
is the last check of every message, whoever wrote it.
"""

from __future__ import annotations

import re

MAX_VALUE = 200  # characters of a quoted value
MAX_DETAIL = 2000  # characters of a message; it may list many columns
HIDDEN = "…"

# Paths of this service.
_OWN_PATH = re.compile(r"/(?:v1/|page/|(?:healthz|readyz|metrics|openapi\.json)\Z)")
_LOCATION = re.compile(
    r"""
      [a-zA-Z][\w+.-]*://[^\s'"`“”<>)\]]+                        # s3://bucket/key, http://endpoint:9000
    | (?<![\w./~])(?:~|[A-Za-z]:)?[/\\](?:[\w.@+~=%{}-]+[/\\])*[\w.@+~=%{}-]*\w  # /var/lib/x, ~/x, C:\x
    | (?<![\w/])[\w.=-]+/(?:[\w.=-]+/)*[\w=-]+\.(?:lance|manifest|idx|parquet|arrow|bin|json|toml|py|rs)\b
    | (?<![\w.@])(?:\d{1,3}(?:\.\d{1,3}){3}|localhost|[\w-]+(?:\.[\w-]+)+):\d{2,5}\b
    | (?<![\w.])\d{1,3}(?:\.\d{1,3}){3}\b
    | \b[\w.-]*amazonaws\.com(?:\.cn)?\b
    """,
    re.VERBOSE,
)
_LONG = f"{{{MAX_VALUE + 1},}}"
_QUOTED = re.compile(rf"""(?<!\w)(?:'[^']{_LONG}'|"[^"]{_LONG}"|`[^`]{_LONG}`|“[^“”]{_LONG}”)(?!\w)""")
_UNBROKEN = re.compile(rf"[^\s'\"`“”]{_LONG}")


def to_public(detail: str) -> str:
    """Prepare a message for clients: long values shortened, paths and hosts hidden, each cut marked by an ellipsis."""
    return hide_locations(shorten(detail))


def shorten(detail: str) -> str:
    """Cut quoted or unbroken values to `MAX_VALUE` characters, and the message to `MAX_DETAIL`."""
    detail = _QUOTED.sub(lambda found: f"{found[0][: MAX_VALUE - 2]}…{found[0][-1]}", detail)
    detail = _UNBROKEN.sub(lambda found: f"{found[0][: MAX_VALUE - 1]}…", detail)
    return detail if len(detail) <= MAX_DETAIL else f"{detail[: MAX_DETAIL - 1]}…"


def hide_locations(detail: str) -> str:
    """Hide URIs, endpoints and paths other than the service's own. Shorten `detail` first: that bounds the time."""
    return _LOCATION.sub(lambda found: found[0] if _OWN_PATH.match(found[0]) else HIDDEN, detail)
