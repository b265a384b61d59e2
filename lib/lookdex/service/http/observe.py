"""What the operators see: Prometheus metrics, and a log of one JSON object a line. Neither holds photos or tokens."""

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
    """The counters of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._requests = Counter(
            "lookdex_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "lookdex_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._stages = Histogram(
            "lookdex_stage_seconds",
            "Time of a stage of a question.",
            ("stage",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._batches = Histogram(
            "lookdex_batch_inputs",
            "Pictures or texts in one call of a model.",
            ("model",),
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self._upload_bytes = Histogram(
            "lookdex_upload_bytes",
            "Size of the photos of a question.",
            buckets=tuple(4**n << 10 for n in range(8)),
            registry=self.registry,
        )
        self._refused = Counter(
            "lookdex_refused", "Requests ended by a problem, by its kind.", ("kind",), registry=self.registry
        )
        self._lost = Counter(
            "lookdex_decoders_lost",
            "Decoding processes lost while they decoded, by how: too_slow, too_late, killed, crashed.",
            ("how",),
            registry=self.registry,
        )

        self._connections = Gauge("lookdex_connections", "Connections that are open.", registry=self.registry)
        self._ended = Counter(
            "lookdex_connections_ended",
            "Connections that the service closed, by the reason.",
            ("reason",),
            registry=self.registry,
        )

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def stages(self, seconds: Mapping[str, float]) -> None:
        for stage, spent in seconds.items():
            self._stages.labels(stage).observe(spent)

    def ran(self, model: str, inputs: int) -> None:
        self._batches.labels(model).observe(inputs)

    def uploaded(self, size: int) -> None:
        self._upload_bytes.observe(size)

    def refused(self, kind: str) -> None:
        self._refused.labels(kind).inc()

    def lost(self, how: str) -> None:
        self._lost.labels(how).inc()

    def connection_ended(self, reason: str) -> None:
        self._ended.labels(reason).inc()

    def watch_connections(self, count: Callable[[], int]) -> None:
        """Tell, whenever it is asked, how many connections are open."""
        self._connections.set_function(count)

    def watch(self, catalog: Catalog, gate: Gate) -> None:
        """Tell, whenever it is asked, which release answers and how many requests are here."""
        self.registry.register(_Now(catalog, gate))

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)


class _Now(Collector):
    def __init__(self, catalog: Catalog, gate: Gate):
        self._catalog, self._gate = catalog, gate

    def collect(self) -> Iterable[GaugeMetricFamily]:
        release = self._catalog.release
        info = GaugeMetricFamily(
            "lookdex_release_info", "The release that answers now.", labels=["release_id"]
        )
        info.add_metric([release.release_id], 1)
        yield info
        behind = self._catalog.behind is not None
        age = (datetime.now(UTC) - release.created_at).total_seconds()
        store = self._catalog.store_health
        for name, words, value in (
            ("lookdex_release_age_seconds", "Since the release was built.", age),
            ("lookdex_release_items", "Rows of the release.", release.items),
            ("lookdex_release_behind", "1: a newer release is live and cannot be opened.", int(behind)),
            ("lookdex_store_up", "0: the store does not answer.", int(store.problem is None)),
            ("lookdex_store_quiet_seconds", "Since a read from the store last succeeded.", store.quiet_seconds),
            ("lookdex_store_reads_left", "Reads that have not ended and nobody waits for.", store.left),
            ("lookdex_requests_in_work", "Requests that are worked on.", self._gate.busy),
            ("lookdex_requests_waiting", "Requests that wait for a place.", self._gate.waiting),
            ("lookdex_requests_late", "Requests past their deadline whose work has not ended.", self._gate.late),
            ("lookdex_strained", "1: the queue overflowed lately, and is closed.", int(self._gate.strained)),
        ):  # fmt: skip
            yield GaugeMetricFamily(name, words, value=value)


class JsonLines(logging.Formatter):
    """A log record as a line of JSON. Fields come from `extra={"fields": {…}}`."""

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


def log_lines(level: int = logging.INFO) -> None:
    """Send every log record of this process to stderr as a line of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    # open_clip tells, through the root logger, each tokenizer that it looks for.
    handler.addFilter(lambda record: record.levelno > logging.INFO or "open_clip" not in record.pathname)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True  # ours says more, and no query
    logging.getLogger("python_multipart").setLevel(
        logging.ERROR
    )  # else it warns of each form that cannot be read
    logging.getLogger("botocore").setLevel(
        logging.WARNING
    )  # else it tells where each client finds its credentials
