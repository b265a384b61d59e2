"""Problem documents (RFC 9457) for every error: `application/problem+json`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from enum import Enum
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from lookdex.errors import BadQuery, ProductNotFound, ReleaseChanged, TooSlow, Unavailable
from lookdex.service.http import details

logger = logging.getLogger("lookdex.service")
MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:lookdex:problem:"
STORE_RETRY_SECONDS = 2  # a lost store is probed every second


class ProblemKind(Enum):
    """Kinds of problem: the name in the type URN, the HTTP status and the title."""

    MALFORMED = ("malformed", 400, "Malformed request")
    UNAUTHORIZED = ("unauthorized", 401, "Unauthorized")
    CROSS_ORIGIN = ("cross-origin", 403, "Origin not allowed")
    NOT_FOUND = ("not-found", 404, "Not found")
    METHOD = ("method", 405, "Method not allowed")
    SLOW_REQUEST = ("slow-request", 408, "Request too slow")
    RELEASE_CHANGED = ("release-changed", 409, "Release changed")
    SLOW_UPLOAD = ("slow-upload", 408, "Upload too slow")
    TOO_LARGE = ("too-large", 413, "Upload too large")
    UNKNOWN_FORMAT = ("unknown-format", 415, "Unsupported media type")
    EXPECTATION = ("expectation", 417, "Expectation failed")
    BAD_PHOTO = ("bad-photo", 422, "Unusable photo")
    BAD_QUESTION = ("bad-question", 422, "Invalid question")
    HEADER_TOO_LARGE = ("header-too-large", 431, "Header too large")
    CLIENT_GONE = ("client-gone", 499, "Client closed the connection")  # nginx's status, for the log only
    INTERNAL = ("internal", 500, "Internal error")
    TRANSFER_CODING = ("transfer-coding", 501, "Unsupported transfer coding")
    BUSY = ("busy", 503, "Service busy")
    TOO_LATE = ("too-late", 503, "Deadline exceeded")
    STORE_UNAVAILABLE = ("store-unavailable", 503, "Catalogue store unavailable")
    STOPPING = ("stopping", 503, "Service stopping")

    def __init__(self, slug: str, status: int, title: str) -> None:
        self.slug, self.status, self.title = slug, status, title

    @property
    def type(self) -> str:
        return PREFIX + self.slug


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(description="The kind of problem, for programs.", examples=[ProblemKind.BAD_PHOTO.type])
    title: str = Field(description="The kind of problem, for people.", examples=[ProblemKind.BAD_PHOTO.title])
    status: int = Field(description="The HTTP status.", examples=[ProblemKind.BAD_PHOTO.status])
    detail: str = Field(description="What went wrong, and what to do about it.")
    reason: str | None = Field(
        None,
        description="Why a photo cannot be used, for programs: corrupt, too_small, too_many_pixels, "
        "too_many_bytes, too_many_frames, too_much_memory, too_slow, empty, unknown_format.",
    )


class ProblemError(Exception):
    """End a request with a problem document. retry_after: seconds."""

    def __init__(
        self,
        kind: ProblemKind,
        detail: str,
        *,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.headers, self.reason = kind, detail, dict(headers or {}), reason
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)


def store_unavailable() -> ProblemError:
    """The refusal while the store does not answer. The log names the cause once."""
    return ProblemError(
        ProblemKind.STORE_UNAVAILABLE,
        "the store of the catalogue does not answer: try again later",
        retry_after=STORE_RETRY_SECONDS,
    )


def build_response(
    kind: ProblemKind, detail: str, headers: Mapping[str, str] | None = None, reason: str | None = None
) -> JSONResponse:
    """Build the response of a problem, with the public part of its detail.

    If paths or hosts are hidden from the client, the log has the full detail of 5xx errors. Details of 4xx errors quote
    what the client sent, which is not logged.
    """
    short = details.shorten(detail)
    public = details.hide_locations(short)
    if public != short and kind.status >= 500:
        logger.warning("a path or host was removed from a problem", extra={"fields": {"detail": detail}})
    problem = Problem(type=kind.type, title=kind.title, status=kind.status, detail=public, reason=reason)
    return JSONResponse(problem.model_dump(exclude_none=True), kind.status, dict(headers or {}), MEDIA_TYPE)


def build_refusal(scope: Scope, refused: ProblemError) -> JSONResponse:
    """Build the response to a refused request. Its kind goes to the request's log line and the metrics."""
    scope["state"]["fields"]["problem"] = refused.kind.slug
    return build_response(refused.kind, refused.detail, refused.headers, refused.reason)


def responses(*kinds: ProblemKind) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for an operation that may end with these problems."""
    schema = {"$ref": "#/components/schemas/Problem"}
    by_status: dict[int | str, list[str]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind.title)
    return {
        status: {"description": "; ".join(titles), "content": {MEDIA_TYPE: {"schema": schema}}}
        for status, titles in by_status.items()
    }


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""

    def answer(
        request: Request, kind: ProblemKind, detail: str, headers: Mapping[str, str] | None = None
    ) -> JSONResponse:
        return build_refusal(request.scope, ProblemError(kind, detail, headers=headers))

    async def refused(request: Request, error: ProblemError) -> JSONResponse:
        return build_refusal(request.scope, error)

    async def bad_query(request: Request, error: BadQuery) -> JSONResponse:
        kind = ProblemKind.NOT_FOUND if isinstance(error, ProductNotFound) else ProblemKind.BAD_QUESTION
        kind = ProblemKind.RELEASE_CHANGED if isinstance(error, ReleaseChanged) else kind
        return answer(request, kind, str(error))

    async def too_slow(request: Request, error: TooSlow) -> JSONResponse:
        logger.error("%s", error)
        return answer(
            request,
            ProblemKind.TOO_LATE,
            "reading the catalogue took too long: try again",
            {"Retry-After": "1"},
        )

    async def unavailable(request: Request, error: Unavailable) -> JSONResponse:
        return await refused(request, store_unavailable())

    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(request, ProblemKind.BAD_QUESTION, _join_errors(error.errors()))

    async def http(request: Request, error: HTTPException) -> JSONResponse:
        kind = _BY_STATUS.get(error.status_code, ProblemKind.INTERNAL)
        if kind is ProblemKind.METHOD:
            return answer(request, kind, *_method_not_allowed(request))
        known = {404: "no such path: see /openapi.json for all paths"}
        detail = known.get(error.status_code, f"{request.method} {request.url.path}: {error.detail}")
        return answer(request, kind, detail, error.headers)

    for kind, handler in (
        (ProblemError, refused),
        (BadQuery, bad_query),
        (TooSlow, too_slow),
        (Unavailable, unavailable),
        (RequestValidationError, invalid),
        (HTTPException, http),
    ):
        app.add_exception_handler(kind, handler)  # type: ignore[arg-type]  # each takes its own kind of error only


_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def _method_not_allowed(request: Request) -> tuple[str, dict[str, str]]:
    """The detail and the `Allow` header: the methods of all routes of the path, not only of the first."""
    allowed = [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.router.routes
        )
    ]
    detail = f"{request.url.path} does not allow {request.method}: use {' or '.join(allowed)}"
    return detail, {"Allow": ", ".join(allowed)}


_BY_STATUS = {
    kind.status: kind
    for kind in (
        ProblemKind.MALFORMED,
        ProblemKind.UNAUTHORIZED,
        ProblemKind.NOT_FOUND,
        ProblemKind.METHOD,
        ProblemKind.TOO_LARGE,
        ProblemKind.UNKNOWN_FORMAT,
        ProblemKind.BAD_QUESTION,
    )
}


def _join_errors(errors: Any) -> str:
    """Join pydantic's errors into one message: location and reason, without the values."""
    return "; ".join(f"{'.'.join(map(str, error['loc'])) or 'the value'}: {error['msg']}" for error in errors)
