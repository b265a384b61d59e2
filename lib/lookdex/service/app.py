"""Build the FastAPI application from the settings. All parts are wired together here."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from lookdex import __version__
from lookdex.config import ServiceSettings
from lookdex.models.loading import Engine, Loader
from lookdex.models.trust import TrustedModels
from lookdex.search.catalog import Catalog, open_catalog
from lookdex.service import openapi
from lookdex.service.follow import following
from lookdex.service.http import problems
from lookdex.service.http.bodies import BodyTracker
from lookdex.service.http.caching import CachePolicy
from lookdex.service.http.coding import Compression
from lookdex.service.http.connections import limits_of
from lookdex.service.http.middleware import ClientShareLimit, Cors, RequestObserver, RequireToken
from lookdex.service.http.observe import Metrics
from lookdex.service.http.pace import MinimumRate
from lookdex.service.http.prefix import PathPrefix, checked_prefix
from lookdex.service.http.problems import ProblemError, ProblemKind
from lookdex.service.page import page_routes
from lookdex.service.photos.decoder import UploadLimits
from lookdex.service.photos.decoding import DecoderPool
from lookdex.service.questions import QuestionHandler
from lookdex.service.routes import routes
from lookdex.service.runner import ModelRunner, SharedModels
from lookdex.service.tokens import Tokens

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def create_app(settings: ServiceSettings, catalog: Catalog | None = None) -> FastAPI:
    """Create the service for the catalogue that `settings` names, or for an open one with its own models.

    Raises:
        ReleaseNotFound, ModelMismatch, ConfigError, StorageError: the catalogue cannot be served.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    prefix = checked_prefix(settings.root_path)
    metrics, tokens = Metrics(), Tokens(settings.tokens)
    limits = UploadLimits(
        settings.upload_bytes, settings.upload_pixels, settings.upload_frames, settings.decode_seconds
    )
    runner = ModelRunner(cores if settings.device == "cpu" else 1, metrics.observe_batch)
    loader = Loader(Engine(settings.engine), threads=cores, batch=settings.batch)
    live_catalog = catalog or open_catalog(
        settings.catalog,
        device=settings.device,
        loader=SharedModels(loader, runner),
        trusted_models=TrustedModels.of_settings(settings).names,
        poll_seconds=float("inf"),  # `following` polls instead
        read_seconds=settings.deadline_seconds,  # the longest a request waits
        store_seconds=settings.store_seconds,
        facets=settings.facets or None,
    )
    decoders = DecoderPool(settings.decoders or cores, limits, metrics.count_lost_decoder)
    questions = QuestionHandler(
        live_catalog,
        decoders,
        runner,
        metrics,
        max_concurrency=settings.places or cores + 1,
        queue=settings.queue,
        deadline=settings.deadline_seconds,
        client_share=settings.client_share,
        pace=MinimumRate(settings.client_rate),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(live_catalog.load)
        runner.start()
        await run_in_threadpool(decoders.start)
        with following(live_catalog, settings.poll_seconds):
            app.state.ready = True
            yield
            app.state.ready = False
        questions.close()
        await run_in_threadpool(runner.close)
        await run_in_threadpool(decoders.close)

    app = FastAPI(
        title="lookdex",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # it loads scripts from other sites
        redoc_url=None,
        redirect_slashes=False,  # the redirect would ignore the proxy's prefix
        servers=[{"url": prefix}] if prefix else None,
        telemetry={"tracing": False},
    )
    app.state.ready, app.state.catalog, app.state.metrics = False, live_catalog, metrics
    problems.install(app)
    app.add_middleware(RequireToken, tokens=tokens)
    if settings.trusted_proxies:
        app.add_middleware(ClientShareLimit, share=limits_of(settings).share)
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
    if prefix:
        app.add_middleware(PathPrefix, prefix=prefix)

    # Uptime checks use HEAD.
    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", operation_id="healthz", response_class=PlainTextResponse)
    async def healthz() -> Response:
        """Liveness: the process runs."""
        return PlainTextResponse("ok\n")

    @app.head("/readyz", include_in_schema=False)
    @app.get(
        "/readyz",
        operation_id="readyz",
        response_class=PlainTextResponse,
        responses=problems.responses(
            ProblemKind.STOPPING, ProblemKind.STORE_UNAVAILABLE, ProblemKind.INTERNAL
        ),
    )
    async def readyz() -> Response:
        """Readiness: a release is open and undamaged, its models are loaded, and the service is not stopping. The store
        answers, or questions without a filter can be answered from memory."""
        if live_catalog.damage:
            raise ProblemError(ProblemKind.INTERNAL, "the release is damaged; see the log for the remedy")
        if not app.state.ready:
            raise ProblemError(ProblemKind.STOPPING, "the service is starting or stopping", retry_after=1)
        if not live_catalog.searchable:
            raise problems.store_unavailable()
        store_down = live_catalog.store_health.problem is not None
        return PlainTextResponse(
            "ready from memory: the store does not answer\n" if store_down else "ready\n"
        )

    @app.head("/metrics", include_in_schema=False)
    @app.get(
        "/metrics",
        operation_id="metrics",
        response_class=PlainTextResponse,
        responses=problems.responses(ProblemKind.UNAUTHORIZED),
    )
    async def metrics_text() -> Response:
        """Metrics in Prometheus' text format."""
        return Response(metrics.text(), media_type=METRICS_TYPE)

    caching = CachePolicy(shared=settings.caching == "public")
    app.include_router(routes(questions, settings.upload_bytes, settings.receive_seconds, caching))
    app.include_router(page_routes())
    openapi.describe(app, tokens=tokens.needed)
    return app
