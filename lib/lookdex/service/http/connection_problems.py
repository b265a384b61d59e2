"""Problems that end a connection: malformed requests, exceeded limits, a stopping server."""

from __future__ import annotations

from collections.abc import Mapping

from lookdex.service.http.connections import CloseReason
from lookdex.service.http.problems import ProblemKind


class ConnectionProblemError(Exception):
    """End a connection with a problem document."""

    def __init__(
        self, why: CloseReason, kind: ProblemKind, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.why, self.kind, self.detail, self.headers = why, kind, detail, dict(headers or {})


def malformed(detail: str) -> ConnectionProblemError:
    return ConnectionProblemError(CloseReason.MALFORMED, ProblemKind.MALFORMED, detail)


def no_room(why: CloseReason) -> ConnectionProblemError:
    who = "this client" if why is CloseReason.CLIENT_SHARE else "the service"
    detail = f"{who} has too many requests in progress: try again later"
    return ConnectionProblemError(why, ProblemKind.BUSY, detail, {"Retry-After": "1"})


def stopping() -> ConnectionProblemError:
    return ConnectionProblemError(
        CloseReason.STOPPING, ProblemKind.STOPPING, "the service is stopping: try again", {"Retry-After": "1"}
    )


def check_codings(codings: list[bytes], version: str) -> None:
    """Raise ConnectionProblemError for an ambiguous end of the body or another coding (RFC 9112, 6.1 and 7)."""
    if version == "1.0" or codings[-1] != b"chunked" or codings.count(b"chunked") > 1 or b"" in codings:
        detail = "Transfer-Encoding must be chunked, given once, and HTTP/1.1"
        raise malformed(detail)
    if codings != [b"chunked"]:
        raise ConnectionProblemError(
            CloseReason.MALFORMED,
            ProblemKind.TRANSFER_CODING,
            "the only supported Transfer-Encoding is chunked",
        )
