"""Middleware for every request: request id, log line, metrics, CORS, tokens and client limits."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections import Counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lookdex.service.http import problems
from lookdex.service.http.clients import client_key
from lookdex.service.http.observe import Metrics
from lookdex.service.http.prefix import path_within
from lookdex.service.http.problems import ProblemError, ProblemKind
from lookdex.service.http.tokens import Tokens

OPEN = ("/", "/healthz", "/readyz", "/openapi.json")  # no token needed; the page's files need none either
_REQUEST_ID = re.compile(r"[\w.:-]{1,64}")
logger = logging.getLogger("lookdex.service")


class RequestObserver:
    """Log and measure each request, and turn exceptions into problem documents."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        given = Headers(scope=scope).get("x-request-id", "")
        state = scope.setdefault("state", {})
        name = state["request"] = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        fields: dict[str, object] = {}
        state["fields"] = fields
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = name
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ProblemError as refused:
            await problems.build_refusal(scope, refused)(scope, receive, send_with_headers)
        except Exception:
            logger.exception("a request failed", extra={"fields": {"request": name}})
            if status:
                raise  # the response has begun: only closing the connection is left
            detail = f"the request failed; see the log for request {name}"
            response = problems.build_refusal(scope, ProblemError(ProblemKind.INTERNAL, detail))
            await response(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path_format", None) or "other"
            self._metrics.observe_request(route, _method(scope), status, seconds)
            if problem := fields.get("problem"):
                self._metrics.count_problem(str(problem))
            if route not in OPEN and route != "/metrics":
                line = {"request": name, "method": scope["method"], "route": route, "status": status}
                logger.info("request", extra={"fields": {**line, "ms": round(seconds * 1000, 1), **fields}})


class Cors(CORSMiddleware):
    """Starlette's CORS middleware, which refuses preflights with problem documents. Raises ProblemError."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        if self.is_allowed_origin(request_headers["origin"]):
            methods, names = ", ".join(self.allow_methods), ", ".join(self.allow_headers)
            detail = f"other origins may use the methods {methods} and the headers {names}"
        else:
            detail = "this origin is not allowed: add it to the setting cors"
        kept = {
            name: value
            for name, value in response.headers.items()
            if name == "vary" or name.startswith("access-control-")
        }
        raise ProblemError(ProblemKind.CROSS_ORIGIN, detail, headers=kept)


class RequireToken:
    """Require a token, if tokens are configured, before any of the body is stored."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app, self._tokens = app, tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._tokens.needed or _is_open(path_within(scope)):
            await self._app(scope, receive, send)
            return
        name = self._tokens.find_name(Headers(scope=scope).getlist("authorization"))
        state = scope["state"]
        if name is not None:
            state["fields"]["client"] = name
            await self._app(scope, receive, send)
            return
        refused = ProblemError(
            ProblemKind.UNAUTHORIZED,
            "send the header `Authorization: Bearer <token>` with a valid token",
            headers={"WWW-Authenticate": 'Bearer realm="lookdex"'},
        )
        await problems.build_refusal(scope, refused)(scope, receive, send)


class ClientShareLimit:
    """Limit each client's concurrent requests behind a proxy, whose connections carry many clients."""

    def __init__(self, app: ASGIApp, share: int) -> None:
        self._app, self._share = app, share
        self._in_progress: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["client"]:
            await self._app(scope, receive, send)
            return
        client = client_key(scope["client"][0])
        if self._in_progress[client] >= self._share:
            detail = "this client has too many requests in progress: try again later"
            refused = ProblemError(ProblemKind.BUSY, detail, retry_after=1)
            await problems.build_refusal(scope, refused)(scope, receive, send)
            return
        self._in_progress[client] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_progress[client] -= 1
            if not self._in_progress[client]:
                del self._in_progress[client]


def _is_open(path: str) -> bool:
    return path in OPEN or path.startswith("/page/")


def _method(scope: Scope) -> str:
    """The method as a label. Unknown methods share one: each label value is a time series."""
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in known else "other"
