"""What happens to every request, before and after its route: a name, a token, a line in the log, the metrics."""

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
from lookdex.service.http.problems import Kind, Refused
from lookdex.service.tokens import Tokens

OPEN = ("/", "/healthz", "/readyz", "/openapi.json")  # without a token; and the page's files
_NAME = re.compile(r"[\w.:-]{1,64}")
logger = logging.getLogger("lookdex.service")


class Observed:
    """Measures and logs each request, and answers what was raised beyond the routes: a refusal, or else 500."""

    def __init__(self, app: ASGIApp, metrics: Metrics):
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        given = Headers(scope=scope).get("x-request-id", "")
        state = scope.setdefault("state", {})
        name = state["request"] = given if _NAME.fullmatch(given) else secrets.token_hex(8)
        fields: dict[str, object] = {}
        state["fields"] = fields
        status = 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = name
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except Refused as refused:
            await problems.refusal_of(scope, refused)(scope, receive, sent)
        except Exception:
            logger.exception("a request failed", extra={"fields": {"request": name}})
            if status:
                raise  # half of an answer is out: the connection must break
            detail = f"the question could not be answered; the log says why, at request {name}"
            response = problems.refusal_of(scope, Refused(Kind.INTERNAL, detail))
            await response(scope, receive, sent)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path_format", None) or "other"
            self._metrics.answered(route, _method(scope), status, seconds)
            if problem := fields.get("problem"):
                self._metrics.refused(str(problem))
            if route not in OPEN and route != "/metrics":
                line = {"request": name, "method": scope["method"], "route": route, "status": status}
                logger.info("request", extra={"fields": {**line, "ms": round(seconds * 1000, 1), **fields}})


class Cors(CORSMiddleware):
    """Starlette's, with preflights refused by problem documents. Raises Refused."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        if self.is_allowed_origin(request_headers["origin"]):
            methods, names = ", ".join(self.allow_methods), ", ".join(self.allow_headers)
            detail = f"pages of other origins may use the methods {methods} and set the headers {names}"
        else:
            detail = "this origin is not among those that may send requests: the setting cors names them"
        kept = {
            name: value
            for name, value in response.headers.items()
            if name == "vary" or name.startswith("access-control-")
        }
        raise Refused(Kind.CROSS_ORIGIN, detail, headers=kept)


class Guarded:
    """Lets nobody ask without a token, where tokens are needed; before anything of a body is kept."""

    def __init__(self, app: ASGIApp, tokens: Tokens):
        self._app, self._tokens = app, tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._tokens.needed or _is_open(path_within(scope)):
            await self._app(scope, receive, send)
            return
        name = self._tokens.name_of(Headers(scope=scope).getlist("authorization"))
        state = scope["state"]
        if name is not None:
            state["fields"]["client"] = name
            await self._app(scope, receive, send)
            return
        refused = Refused(
            Kind.UNAUTHORIZED,
            "send the header `Authorization: Bearer <token>` with a token that this service knows",
            headers={"WWW-Authenticate": 'Bearer realm="lookdex"'},
        )
        await problems.refusal_of(scope, refused)(scope, receive, send)


class Shared:
    """Answers no client more requests at a time than its share: behind a proxy, whose connections are of everybody."""

    def __init__(self, app: ASGIApp, share: int):
        self._app, self._share = app, share
        self._asking: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["client"]:
            await self._app(scope, receive, send)
            return
        client = client_key(scope["client"][0])
        if self._asking[client] >= self._share:
            detail = "this client has as many requests in progress as it may: try again later"
            refused = Refused(Kind.BUSY, detail, retry_after=1)
            await problems.refusal_of(scope, refused)(scope, receive, send)
            return
        self._asking[client] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._asking[client] -= 1
            if not self._asking[client]:
                del self._asking[client]


def _is_open(path: str) -> bool:
    return path in OPEN or path.startswith("/page/")


def _method(scope: Scope) -> str:
    """Few, whatever clients make up: each is a time series."""
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in known else "other"
