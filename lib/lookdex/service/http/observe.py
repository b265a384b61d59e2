"""Prometheus metrics and a JSON-lines log. Neither contains photos or tokens."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from lookdex.search.catalog import Catalog
from lookdex.service.http.gate import Gate

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8)


class Metrics:
    """The metrics of one application, in their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._requests = Counter(
            "lookdex_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "lookdex_request_seconds",
            "Seconds from the first byte of a request to the last byte of its response.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._stages = Histogram(
            "lookdex_stage_seconds",
            "Seconds per stage of answering a question.",
            ("stage",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._batches = Histogram(
            "lookdex_batch_inputs",
            "Pictures or texts per model call.",
            ("model",),
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self._upload_bytes = Histogram(
            "lookdex_upload_bytes",
            "Size of an uploaded photo in bytes.",
            buckets=tuple(4**n << 10 for n in range(8)),
            registry=self.registry,
        )
        self._problems = Counter(
            "lookdex_refused",
            "Requests that ended with a problem, by kind.",
            ("kind",),
            registry=self.registry,
        )
        self._lost = Counter(
            "lookdex_decoders_lost",
            "Decoder processes lost while decoding, by cause: too_slow, too_late, killed, crashed.",
            ("how",),
            registry=self.registry,
        )

        self._connections = Gauge("lookdex_connections", "Open connections.", registry=self.registry)
        self._closed = Counter(
            "lookdex_connections_ended",
            "Connections closed by the service, by reason.",
            ("reason",),
            registry=self.registry,
        )

    def observe_request(self, route: str, method: str, status: int, seconds: float) -> None:
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def observe_stages(self, seconds: Mapping[str, float]) -> None:
        for stage, spent in seconds.items():
            self._stages.labels(stage).observe(spent)

    def observe_batch(self, model: str, inputs: int) -> None:
        self._batches.labels(model).observe(inputs)

    def observe_upload(self, size: int) -> None:
        self._upload_bytes.observe(size)

    def count_problem(self, kind: str) -> None:
        self._problems.labels(kind).inc()

    def count_lost_decoder(self, how: str) -> None:
        self._lost.labels(how).inc()

    def count_closed(self, reason: str) -> None:
        self._closed.labels(reason).inc()

    def watch_connections(self, count: Callable[[], int]) -> None:
        """Report the number of open connections at each scrape."""
        self._connections.set_function(count)

    def watch(self, catalog: Catalog, gate: Gate) -> None:
        """Report the release, the store and the gate at each scrape."""
        self.registry.register(_Snapshot(catalog, gate))

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)


class _Snapshot(Collector):
    def __init__(self, catalog: Catalog, gate: Gate) -> None:
        self._catalog, self._gate = catalog, gate

    def collect(self) -> Iterable[GaugeMetricFamily]:
        release = self._catalog.release
        info = GaugeMetricFamily("lookdex_release_info", "The release in use.", labels=["release_id"])
        info.add_metric([release.release_id], 1)
        yield info
        behind = self._catalog.behind is not None
        age = (datetime.now(UTC) - release.created_at).total_seconds()
        store = self._catalog.store_health
        for name, words, value in (
            ("lookdex_release_age_seconds", "Seconds since the release was built.", age),
            ("lookdex_release_items", "Items in the release.", release.items),
            ("lookdex_release_behind", "1 if a newer release is live but cannot be opened.", int(behind)),
            ("lookdex_store_up", "1 if the store answers, else 0.", int(store.problem is None)),
            ("lookdex_store_quiet_seconds", "Seconds since the last successful store read.", store.quiet_seconds),
            ("lookdex_store_reads_left", "Abandoned reads that have not ended.", store.left),
            ("lookdex_requests_in_work", "Requests being answered.", self._gate.busy),
            ("lookdex_requests_waiting", "Requests waiting in the queue.", self._gate.waiting),
            ("lookdex_requests_late", "Requests past their deadline that are still running.", self._gate.late),
            ("lookdex_strained", "1 if the queue overflowed recently and is closed.", int(self._gate.strained)),
        ):  # fmt: skip
            yield GaugeMetricFamily(name, words, value=value)


class JsonLines(logging.Formatter):
    """Format a log record as a line of JSON, with the fields of `extra={"fields": {…}}`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logging(level: int = logging.INFO) -> None:
    """Send every log record of this process to stderr as a line of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    # open_clip logs every tokenizer it looks up through the root logger.
    handler.addFilter(lambda record: record.levelno > logging.INFO or "open_clip" not in record.pathname)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # ours has more fields and no query
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns about each malformed form
    logging.getLogger("botocore").setLevel(logging.WARNING)  # it logs where it found credentials
