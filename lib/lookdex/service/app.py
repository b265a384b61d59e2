"""Build the FastAPI application from the settings."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from lookdex import __version__
from lookdex.config import ServiceSettings
from lookdex.models.loading import Engine, Loader
from lookdex.models.trust import TrustedModels
from lookdex.search.catalog import Catalog, open_catalog
from lookdex.service.api import openapi
from lookdex.service.api.health import health_routes
from lookdex.service.api.routes import routes
from lookdex.service.follow import follow_live
from lookdex.service.http import problems
from lookdex.service.http.bodies import BodyTracker
from lookdex.service.http.caching import CachePolicy
from lookdex.service.http.coding import Compression
from lookdex.service.http.connections import read_limits
from lookdex.service.http.middleware import ClientShareLimit, Cors, RequestObserver, RequireToken
from lookdex.service.http.observe import Metrics
from lookdex.service.http.pace import MinimumRate
from lookdex.service.http.prefix import PathPrefix, normalize_prefix
from lookdex.service.http.tokens import Tokens
from lookdex.service.page import page_routes
from lookdex.service.photos.decoder import UploadLimits
from lookdex.service.photos.decoding import DecoderPool
from lookdex.service.questions import QuestionHandler
from lookdex.service.runner import ModelRunner, SharedModels


@dataclass(frozen=True, slots=True)
class Parts:
    """What answers questions: threads, processes and the catalogue."""

    catalog: Catalog
    runner: ModelRunner
    decoders: DecoderPool
    questions: QuestionHandler
    poll_seconds: float

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Start everything, follow the live release while the application runs, and stop everything."""
        await run_in_threadpool(self.catalog.load)
        self.runner.start()
        await run_in_threadpool(self.decoders.start)
        with follow_live(self.catalog, self.poll_seconds):
            app.state.ready = True
            yield
            app.state.ready = False
        self.questions.close()
        await run_in_threadpool(self.runner.close)
        await run_in_threadpool(self.decoders.close)


def create_app(settings: ServiceSettings, catalog: Catalog | None = None) -> FastAPI:
    """Create the service for the catalogue that `settings` names, or for an open one with its own models.

    Raises:
        ReleaseNotFound, ModelMismatch, ConfigError, StorageError: the catalogue cannot be served.
    """
    prefix = normalize_prefix(settings.root_path)
    metrics, tokens = Metrics(), Tokens(settings.tokens)
    parts = _build_parts(settings, metrics, catalog)
    app = FastAPI(
        title="lookdex",
        version=__version__,
        lifespan=parts.lifespan,
        docs_url=None,  # it loads scripts from other sites
        redoc_url=None,
        redirect_slashes=False,  # the redirect would ignore the proxy's prefix
        servers=[{"url": prefix}] if prefix else None,
        telemetry={"tracing": False},
    )
    app.state.ready, app.state.catalog, app.state.metrics = False, parts.catalog, metrics
    problems.install(app)
    _add_middleware(app, settings, metrics, tokens)
    if prefix:
        app.add_middleware(PathPrefix, prefix=prefix)
    caching = CachePolicy(shared=settings.caching == "public")
    app.include_router(health_routes(parts.catalog, metrics))
    app.include_router(routes(parts.questions, settings.upload_bytes, settings.receive_seconds, caching))
    app.include_router(page_routes())
    openapi.describe(app, tokens=tokens.needed)
    return app


def _build_parts(settings: ServiceSettings, metrics: Metrics, catalog: Catalog | None) -> Parts:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    runner = ModelRunner(cores if settings.device == "cpu" else 1, metrics.observe_batch)
    if catalog is None:
        loader = Loader(Engine(settings.engine), threads=cores, batch=settings.batch)
        catalog = _open_catalog(settings, SharedModels(loader, runner))
    limits = UploadLimits(
        settings.upload_bytes, settings.upload_pixels, settings.upload_frames, settings.decode_seconds
    )
    decoders = DecoderPool(settings.decoders or cores, limits, metrics.count_lost_decoder)
    questions = QuestionHandler(
        catalog,
        decoders,
        runner,
        metrics,
        max_concurrency=settings.places or cores + 1,
        queue=settings.queue,
        deadline=settings.deadline_seconds,
        client_share=settings.client_share,
        pace=MinimumRate(settings.client_rate),
    )
    return Parts(catalog, runner, decoders, questions, settings.poll_seconds)


def _open_catalog(settings: ServiceSettings, models: SharedModels) -> Catalog:
    return open_catalog(
        settings.catalog,
        device=settings.device,
        loader=models,
        trusted_models=TrustedModels.from_settings(settings).names,
        poll_seconds=float("inf"),  # `follow_live` polls instead
        read_seconds=settings.deadline_seconds,  # the longest a request waits
        store_seconds=settings.store_seconds,
        facets=settings.facets or None,
    )


def _add_middleware(app: FastAPI, settings: ServiceSettings, metrics: Metrics, tokens: Tokens) -> None:
    """Add the middleware, innermost first."""
    app.add_middleware(RequireToken, tokens=tokens)
    if settings.trusted_proxies:
        app.add_middleware(ClientShareLimit, share=read_limits(settings).share)
    app.add_middleware(Compression)
    if settings.cors:
        app.add_middleware(
            Cors,
            allow_origins=settings.cors,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["Authorization", "If-None-Match", "X-Request-ID"],
            expose_headers=["ETag", "Retry-After", "Server-Timing", "X-Request-ID"],
        )
    app.add_middleware(BodyTracker)
    app.add_middleware(RequestObserver, metrics=metrics)
