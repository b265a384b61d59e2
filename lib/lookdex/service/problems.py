"""Errors as problem documents (RFC 9457): `application/problem+json`, whatever went wrong and wherever."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from lookdex.errors import BadQuery, LookdexError

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(
        "about:blank", description="A name for the kind of problem; about:blank: the status says all."
    )
    title: str = Field(description="The kind of problem, in a few words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened here, and what to do about it.")


class Refused(Exception):
    """Ends a request with a problem document."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None):
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def response_of(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The problem as a response."""
    problem = Problem(type="about:blank", title=_title(status), status=status, detail=detail)
    return JSONResponse(problem.model_dump(), status, dict(headers or {}), MEDIA_TYPE)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's responses of an endpoint that may end with these statuses."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _title(status), "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""

    async def refused(request: Request, error: Refused) -> JSONResponse:
        return response_of(error.status, error.detail, error.headers)

    async def bad_query(request: Request, error: BadQuery) -> JSONResponse:
        return response_of(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))

    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return response_of(HTTPStatus.UNPROCESSABLE_ENTITY, told(error.errors()))

    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return response_of(error.status_code, str(error.detail), error.headers)

    async def lookdex_error(request: Request, error: LookdexError) -> JSONResponse:
        return response_of(
            HTTPStatus.INTERNAL_SERVER_ERROR, "the question could not be answered; the log says why"
        )

    for kind, handler in (
        (Refused, refused),
        (BadQuery, bad_query),
        (RequestValidationError, invalid),
        (HTTPException, http),
        (LookdexError, lookdex_error),
    ):
        app.add_exception_handler(kind, handler)  # type: ignore[arg-type]


def told(errors: Any) -> str:
    """pydantic's errors in one sentence: where, and what. The values themselves are not repeated."""
    return "; ".join(f"{'.'.join(map(str, error['loc'])) or 'the value'}: {error['msg']}" for error in errors)


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
