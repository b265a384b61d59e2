"""The application: settings in, FastAPI out. Everything is put together here and nowhere else."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from lookdex import __version__
from lookdex.config import Config
from lookdex.models.loading import Engine, Loader
from lookdex.models.trust import TrustedModels
from lookdex.search.catalog import Catalog, open_catalog
from lookdex.service import openapi
from lookdex.service.follow import following
from lookdex.service.http import problems
from lookdex.service.http.bodies import Bodies
from lookdex.service.http.caching import Caching
from lookdex.service.http.coding import Compressed
from lookdex.service.http.connections import limits_of
from lookdex.service.http.middleware import Cors, Guarded, Observed, Shared
from lookdex.service.http.observe import Metrics
from lookdex.service.http.pace import Pace
from lookdex.service.http.prefix import Prefixed, checked_prefix
from lookdex.service.http.problems import Kind, Refused
from lookdex.service.page import page_routes
from lookdex.service.photos.decoder import UploadLimits
from lookdex.service.photos.decoding import Decoders
from lookdex.service.questions import Questions
from lookdex.service.routes import routes
from lookdex.service.runner import Runner, SharedModels
from lookdex.service.tokens import Tokens

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def create_app(config: Config, catalog: Catalog | None = None) -> FastAPI:
    """The service of the catalogue that `config` names, or of one that is open already (with models of its own).

    Raises:
        ReleaseNotFound, ModelMismatch, ConfigError, StorageError: before anything is served.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    prefix = checked_prefix(config.root_path)
    metrics, tokens = Metrics(), Tokens(config.tokens)
    limits = UploadLimits(
        config.upload_bytes, config.upload_pixels, config.upload_frames, config.decode_seconds
    )
    runner = Runner(cores if config.device == "cpu" else 1, metrics.ran)
    loader = Loader(Engine(config.engine), threads=cores, batch=config.batch)
    opened = catalog or open_catalog(
        config.catalog,
        device=config.device,
        loader=SharedModels(loader, runner),
        trusted_models=TrustedModels.of_config(config).names,
        poll_seconds=float("inf"),  # `following` looks
        read_seconds=config.deadline_seconds,  # no request waits longer
        store_seconds=config.store_seconds,
        facets=config.facets or None,
    )
    decoders = Decoders(config.decoders or cores, limits, metrics.lost)
    questions = Questions(
        opened,
        decoders,
        runner,
        metrics,
        places=config.places or cores + 1,
        queue=config.queue,
        deadline=config.deadline_seconds,
        client_share=config.client_share,
        pace=Pace(config.client_rate),
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(opened.load)
        runner.start()
        await run_in_threadpool(decoders.start)
        with following(opened, config.poll_seconds):
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
        docs_url=None,  # their scripts come from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # to an address as the proxy in front knows this service
        servers=[{"url": prefix}] if prefix else None,
        telemetry={"tracing": False},
    )
    app.state.ready, app.state.catalog, app.state.metrics = False, opened, metrics
    problems.install(app)
    app.add_middleware(Guarded, tokens=tokens)
    if config.trusted_proxies:
        app.add_middleware(Shared, share=limits_of(config).share)
    app.add_middleware(Compressed)
    if config.cors:
        app.add_middleware(
            Cors,
            allow_origins=config.cors,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["Authorization", "If-None-Match", "X-Request-ID"],
            expose_headers=["ETag", "Retry-After", "Server-Timing", "X-Request-ID"],
        )
    app.add_middleware(Bodies)
    app.add_middleware(Observed, metrics=metrics)
    if prefix:
        app.add_middleware(Prefixed, prefix=prefix)

    # Uptime checks ask with HEAD.
    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", operation_id="healthz", response_class=PlainTextResponse)
    async def healthz() -> Response:
        """The process runs."""
        return PlainTextResponse("ok\n")

    @app.head("/readyz", include_in_schema=False)
    @app.get(
        "/readyz",
        operation_id="readyz",
        response_class=PlainTextResponse,
        responses=problems.responses(Kind.STOPPING, Kind.STORE_UNAVAILABLE, Kind.INTERNAL),
    )
    async def readyz() -> Response:
        """A release is open and whole, its models are loaded, and the service is not stopping; its store answers, or is
        not needed for questions without a filter."""
        if opened.damage:
            raise Refused(Kind.INTERNAL, "the release is damaged; the log names the remedy")
        if not app.state.ready:
            raise Refused(Kind.STOPPING, "the service is starting or stopping", retry_after=1)
        if not opened.searchable:
            raise problems.store_unavailable()
        lost = opened.store_health.problem is not None
        return PlainTextResponse("ready, from memory: the store does not answer\n" if lost else "ready\n")

    @app.head("/metrics", include_in_schema=False)
    @app.get(
        "/metrics",
        operation_id="metrics",
        response_class=PlainTextResponse,
        responses=problems.responses(Kind.UNAUTHORIZED),
    )
    async def measured() -> Response:
        """Prometheus' text format."""
        return Response(metrics.text(), media_type=METRICS_TYPE)

    kept = Caching(shared=config.caching == "public")
    app.include_router(routes(questions, config.upload_bytes, config.receive_seconds, kept))
    app.include_router(page_routes())
    openapi.describe(app, tokens=tokens.needed)
    return app
