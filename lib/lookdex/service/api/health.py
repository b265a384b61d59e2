"""Liveness, readiness and metrics, for orchestrators and Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from lookdex.search.catalog import Catalog
from lookdex.service.http import problems
from lookdex.service.http.observe import Metrics
from lookdex.service.http.problems import ProblemError, ProblemKind

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def health_routes(catalog: Catalog, metrics: Metrics) -> APIRouter:
    """Routes without `/v1`. `app.state.ready` says whether the application has started and is not stopping."""
    router = APIRouter()

    # Uptime checks use HEAD.
    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz", operation_id="healthz", response_class=PlainTextResponse)
    async def healthz() -> Response:
        """Liveness: the process runs."""
        return PlainTextResponse("ok\n")

    @router.head("/readyz", include_in_schema=False)
    @router.get(
        "/readyz",
        operation_id="readyz",
        response_class=PlainTextResponse,
        responses=problems.responses(
            ProblemKind.STOPPING, ProblemKind.STORE_UNAVAILABLE, ProblemKind.INTERNAL
        ),
    )
    async def readyz(request: Request) -> Response:
        """Readiness: a release is open and undamaged, its models are loaded, and the service is not stopping. The store
        answers, or questions without a filter can be answered from memory."""
        if catalog.damage:
            raise ProblemError(ProblemKind.INTERNAL, "the release is damaged; see the log for the remedy")
        if not request.app.state.ready:
            raise ProblemError(ProblemKind.STOPPING, "the service is starting or stopping", retry_after=1)
        if not catalog.searchable:
            raise problems.store_unavailable()
        store_down = catalog.store_health.problem is not None
        return PlainTextResponse(
            "ready from memory: the store does not answer\n" if store_down else "ready\n"
        )

    @router.head("/metrics", include_in_schema=False)
    @router.get(
        "/metrics",
        operation_id="metrics",
        response_class=PlainTextResponse,
        responses=problems.responses(ProblemKind.UNAUTHORIZED),
    )
    async def metrics_text() -> Response:
        """Metrics in Prometheus' text format."""
        return Response(metrics.text(), media_type=METRICS_TYPE)

    return router
