"""Serve under a path of another site, such as https://shop.example/lookdex/."""

from __future__ import annotations

import re

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lookdex.errors import ConfigError

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_OWN = ("v1", "page", "healthz", "readyz", "metrics", "openapi.json")


def normalize_prefix(path: str) -> str:
    """Normalize the setting `root_path` to a leading slash and no trailing one, or "". Raises ConfigError."""
    path = path.strip("/")
    if not path:
        return ""
    prefix = f"/{path}"
    if not _PATH.fullmatch(prefix) or {".", ".."} & set(path.split("/")):
        raise ConfigError(f"root_path: {path!r} is not a path: use one such as /lookdex")
    if path.split("/")[0] in _OWN:
        raise ConfigError(f"root_path: {prefix} collides with a path of the service: choose another")
    return prefix


class PathPrefix:
    """Middleware that accepts paths with and without the prefix: some proxies strip it, others do not."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app, self._prefix, self._below = app, prefix, prefix + "/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path: str = scope["path"]
            if path == self._prefix:  # the page's links are relative
                query = scope["query_string"].decode("latin-1")
                target = self._below + (f"?{query}" if query else "")
                await RedirectResponse(target, 308)(scope, receive, send)
                return
            scope["root_path"] = self._prefix
            if not path.startswith(self._below):
                scope["path"] = self._prefix + path
                scope["raw_path"] = self._prefix.encode() + (scope.get("raw_path") or path.encode())
        await self._app(scope, receive, send)


def path_within(scope: Scope) -> str:
    """The request's path without the prefix."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
