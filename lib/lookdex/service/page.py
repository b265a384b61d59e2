"""Serve the page at `/`: static files with a strict content security policy and ETags."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request
from starlette.responses import Response

from lookdex.service.http.caching import is_unchanged, weak_etag
from lookdex.service.http.problems import ProblemError, ProblemKind

# Nothing is loaded from, sent to or framed by other origins. blob: and data: are photos held by the browser.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",  # revalidated every time; 304 until the file changes
}
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}


@dataclass(frozen=True, slots=True)
class _File:
    """A file held in memory, so that no part of a request is used as a path."""

    body: bytes
    media_type: str
    etag: str


def page_routes() -> APIRouter:
    """Routes for `/` and every file of the package's page folder, read once."""
    router = APIRouter(include_in_schema=False)
    page_files = _read_all()

    @router.get("/")
    @router.head("/")
    async def index(request: Request) -> Response:
        return await page_file("index.html", request)

    @router.get("/page/{name:path}")
    @router.head("/page/{name:path}")
    async def page_file(name: str, request: Request) -> Response:
        found = page_files.get(name)
        if found is None:
            raise ProblemError(ProblemKind.NOT_FOUND, "no such page")
        headers = HEADERS | {"ETag": found.etag}
        if is_unchanged(request, found.etag):
            return Response(status_code=304, headers=headers)
        return Response(found.body, headers=headers, media_type=found.media_type)

    return router


def _read_all() -> dict[str, _File]:
    """Every file under `page/`, by relative path."""
    by_path: dict[str, _File] = {}

    def walk(folder: Traversable, prefix: str) -> None:
        for entry in folder.iterdir():
            if entry.name.startswith((".", "__")):
                continue
            if entry.is_dir():
                walk(entry, f"{prefix}{entry.name}/")
            else:
                body = entry.read_bytes()
                by_path[prefix + entry.name] = _File(body, _type(entry.name), weak_etag(body))

    walk(files("lookdex.service") / "page", "")
    return by_path


def _type(name: str) -> str:
    suffix = name[name.rfind(".") :].lower()
    return _TYPES.get(suffix, "application/octet-stream")
