"""The application: settings in, FastAPI out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from lookdex import __version__
from lookdex.config import Config
from lookdex.search.catalog import Catalog, open_catalog
from lookdex.service import problems
from lookdex.service.page import page_routes
from lookdex.service.routes import routes


def create_app(config: Config, catalog: Catalog | None = None) -> FastAPI:
    """The service of the catalogue that `config` names, or of one that is open already.

    Raises:
        ReleaseNotFound, ModelMismatch, ConfigError, StorageError: before anything is served.
    """
    opened = catalog or open_catalog(config.catalog, device=config.device)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(opened.load)
        yield

    app = FastAPI(
        title="lookdex",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # their scripts come from elsewhere
        redoc_url=None,
    )
    problems.install(app)

    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> Response:
        """The process runs."""
        return PlainTextResponse("ok\n")

    @app.get("/readyz", response_class=PlainTextResponse)
    async def readyz() -> Response:
        """The models are loaded and a release is open."""
        return PlainTextResponse("ready\n")

    app.include_router(routes(opened))
    app.include_router(page_routes())
    return app
