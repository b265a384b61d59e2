"""Errors as problem documents (RFC 9457): `application/problem+json`, whatever went wrong and wherever."""

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
STORE_RETRY_SECONDS = 2  # a store that is lost is looked at every second


class Kind(Enum):
    """The kinds of problem: the name in their type, the status, the title."""

    MALFORMED = ("malformed", 400, "The request cannot be read")
    UNAUTHORIZED = ("unauthorized", 401, "A token is needed")
    CROSS_ORIGIN = ("cross-origin", 403, "Pages of this origin may not send this request")
    NOT_FOUND = ("not-found", 404, "There is no such thing")
    METHOD = ("method", 405, "Another method is needed")
    SLOW_REQUEST = ("slow-request", 408, "The request took too long")
    RELEASE_CHANGED = ("release-changed", 409, "Another release answers now")
    SLOW_UPLOAD = ("slow-upload", 408, "The upload took too long")
    TOO_LARGE = ("too-large", 413, "The upload is too large")
    UNKNOWN_FORMAT = ("unknown-format", 415, "This kind of content is not read")
    EXPECTATION = ("expectation", 417, "The expectation cannot be met")
    BAD_PHOTO = ("bad-photo", 422, "The photo cannot be used")
    BAD_QUESTION = ("bad-question", 422, "The question cannot be answered as asked")
    HEADER_TOO_LARGE = ("header-too-large", 431, "The header is too large")
    CLIENT_GONE = ("client-gone", 499, "The client went away")  # nginx's status: nobody reads it but the log
    INTERNAL = ("internal", 500, "The service failed")
    TRANSFER_CODING = ("transfer-coding", 501, "This transfer coding is not read")
    BUSY = ("busy", 503, "The service is busy")
    TOO_LATE = ("too-late", 503, "The answer would have come too late")
    STORE_UNAVAILABLE = ("store-unavailable", 503, "The catalogue's store does not answer")
    STOPPING = ("stopping", 503, "The service is stopping")

    def __init__(self, slug: str, status: int, title: str):
        self.slug, self.status, self.title = slug, status, title

    @property
    def type(self) -> str:
        return PREFIX + self.slug


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="The kind of problem, a name for programs.", examples=[Kind.BAD_PHOTO.type])
    title: str = Field(description="The kind of problem, for people.", examples=[Kind.BAD_PHOTO.title])
    status: int = Field(description="The HTTP status.", examples=[Kind.BAD_PHOTO.status])
    detail: str = Field(description="What happened here, and what to do about it.")
    reason: str | None = Field(
        None,
        description="Of a photo that cannot be used, why, a name for programs: corrupt, too_small, too_many_pixels, "
        "too_many_bytes, too_many_frames, too_much_memory, too_slow, empty, unknown_format.",
    )


class Refused(Exception):
    """Ends a request with a problem document. retry_after: seconds."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
        reason: str | None = None,
    ):
        super().__init__(detail)
        self.kind, self.detail, self.headers, self.reason = kind, detail, dict(headers or {}), reason
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)


def store_unavailable() -> Refused:
    """The log says what is wrong with it, once."""
    return Refused(
        Kind.STORE_UNAVAILABLE,
        "the store that holds the catalogue does not answer: ask again later",
        retry_after=STORE_RETRY_SECONDS,
    )


def response_of(
    kind: Kind, detail: str, headers: Mapping[str, str] | None = None, reason: str | None = None
) -> JSONResponse:
    """The problem as a response. Of the detail only what is `public`.

    Where that hides a place from the client, the log names it, unless the fault is the question's: those quote what
    clients sent, which the log does not hold.
    """
    short = details.shortened(detail)
    public = details.hidden(short)
    if public != short and kind.status >= 500:
        logger.warning("a problem named a place, which was left out", extra={"fields": {"detail": detail}})
    problem = Problem(type=kind.type, title=kind.title, status=kind.status, detail=public, reason=reason)
    return JSONResponse(problem.model_dump(exclude_none=True), kind.status, dict(headers or {}), MEDIA_TYPE)


def refusal_of(scope: Scope, refused: Refused) -> JSONResponse:
    """The response to a request that is refused, of which its log line and the metrics have the kind."""
    scope["state"]["fields"]["problem"] = refused.kind.slug
    return response_of(refused.kind, refused.detail, refused.headers, refused.reason)


def responses(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's responses of an operation that may end with these problems."""
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
        request: Request, kind: Kind, detail: str, headers: Mapping[str, str] | None = None
    ) -> JSONResponse:
        return refusal_of(request.scope, Refused(kind, detail, headers=headers))

    async def refused(request: Request, error: Refused) -> JSONResponse:
        return refusal_of(request.scope, error)

    async def bad_query(request: Request, error: BadQuery) -> JSONResponse:
        kind = Kind.NOT_FOUND if isinstance(error, ProductNotFound) else Kind.BAD_QUESTION
        kind = Kind.RELEASE_CHANGED if isinstance(error, ReleaseChanged) else kind
        return answer(request, kind, str(error))

    async def too_slow(request: Request, error: TooSlow) -> JSONResponse:
        logger.error("%s", error)
        return answer(
            request, Kind.TOO_LATE, "the catalogue was not read in time: try again", {"Retry-After": "1"}
        )

    async def unavailable(request: Request, error: Unavailable) -> JSONResponse:
        return await refused(request, store_unavailable())

    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(request, Kind.BAD_QUESTION, told(error.errors()))

    async def http(request: Request, error: HTTPException) -> JSONResponse:
        kind = _BY_STATUS.get(error.status_code, Kind.INTERNAL)
        if kind is Kind.METHOD:
            return answer(request, kind, *_another_method(request))
        words = {404: "there is no such path: /openapi.json lists those that exist"}
        detail = words.get(error.status_code, f"{request.method} {request.url.path}: {error.detail}")
        return answer(request, kind, detail, error.headers)

    for kind, handler in (
        (Refused, refused),
        (BadQuery, bad_query),
        (TooSlow, too_slow),
        (Unavailable, unavailable),
        (RequestValidationError, invalid),
        (HTTPException, http),
    ):
        app.add_exception_handler(kind, handler)  # type: ignore[arg-type]


_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def _another_method(request: Request) -> tuple[str, dict[str, str]]:
    """What to say of a wrong method, and the header that names those of the path: of all its routes, not the first."""
    allowed = [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.router.routes
        )
    ]
    detail = f"{request.method} is not for {request.url.path}: use {' or '.join(allowed)}"
    return detail, {"Allow": ", ".join(allowed)}


_BY_STATUS = {kind.status: kind for kind in (Kind.MALFORMED, Kind.UNAUTHORIZED, Kind.NOT_FOUND, Kind.METHOD,
                                             Kind.TOO_LARGE, Kind.UNKNOWN_FORMAT, Kind.BAD_QUESTION)}  # fmt: skip


def told(errors: Any) -> str:
    """pydantic's errors in one sentence: where, and what. The values themselves are not repeated."""
    return "; ".join(f"{'.'.join(map(str, error['loc'])) or 'the value'}: {error['msg']}" for error in errors)
