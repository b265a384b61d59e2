"""What clients may read of an error: nothing of where files, servers and buckets are, and no long value of their own.

Only messages that were written for clients get here (`Refused`, `BadQuery`); other errors are told by their kind alone.
This is the last look at all of them, whoever wrote them.
"""

from __future__ import annotations

import re

MAX_VALUE = 200  # characters of a value
MAX_DETAIL = 2000  # characters of a message: the columns of a shop may be many
HIDDEN = "…"

# Paths of the service itself.
_OURS = re.compile(r"/(?:v1/|page/|(?:healthz|readyz|metrics|openapi\.json)\Z)")
_ELSEWHERE = re.compile(
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


def public(detail: str) -> str:
    """The message as it may be sent: values and the whole shortened, places hidden, each cut marked by an ellipsis."""
    return hidden(shortened(detail))


def shortened(detail: str) -> str:
    """With at most `MAX_VALUE` characters of a value in quotes or without a space, and `MAX_DETAIL` in all."""
    detail = _QUOTED.sub(lambda found: f"{found[0][: MAX_VALUE - 2]}…{found[0][-1]}", detail)
    detail = _UNBROKEN.sub(lambda found: f"{found[0][: MAX_VALUE - 1]}…", detail)
    return detail if len(detail) <= MAX_DETAIL else f"{detail[: MAX_DETAIL - 1]}…"


def hidden(detail: str) -> str:
    """Without URIs, endpoints and paths other than the service's own. detail: shortened, for the time that it takes."""
    return _ELSEWHERE.sub(lambda found: found[0] if _OURS.match(found[0]) else HIDDEN, detail)
