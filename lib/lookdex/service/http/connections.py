"""Track open connections: limit their number, per client too, and close idle ones to make room."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from lookdex.config import ServiceSettings
from lookdex.errors import ConfigError
from lookdex.service.http.observe import Metrics
from lookdex.service.http.pace import MinimumRate

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None  # type: ignore[assignment]  # it is a module elsewhere

MAX_CONNECTIONS = 1000  # default limit
LINGERING = 32  # refused connections still read from, so that the client gets the response
RESERVED = 96 + LINGERING  # other open files: the release's, the models', the decoders' pipes
LOG_EVERY = 10.0  # seconds between two log lines for one reason
logger = logging.getLogger("lookdex.service")


class CloseReason(StrEnum):
    """Why the service closed a connection."""

    IDLE = "idle"  # sent no request
    KEEP_ALIVE = "keep-alive"  # sent no further request
    DISPLACED = "displaced"  # idle, closed for a new connection
    FULL = "full"  # new, while all others were busy
    CLIENT_SHARE = "client-share"  # its client has too many requests in progress
    SLOW_HEADER = "slow-header"
    LARGE_HEADER = "large-header"
    MALFORMED = "malformed"
    UNREAD = "unread"  # the client does not read its answer
    STOPPING = "stopping"  # sent part of a header while the service stopped
    UNUSED_BODY = "unused-body"  # still sends its body after the response

    @property
    def routine(self) -> bool:
        """Routine, so not logged."""
        return self in (CloseReason.IDLE, CloseReason.KEEP_ALIVE)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits of the connections."""

    max_connections: int = MAX_CONNECTIONS
    share: int = MAX_CONNECTIONS
    """Connections of one client, while others want some."""
    header_seconds: float = 10.0
    """Until a request's header is complete."""
    keep_alive_seconds: float = 65.0
    """Between two requests."""
    pace: MinimumRate = field(default_factory=lambda: MinimumRate(2000.0))
    """Minimum rate at which clients read responses."""


def connection_limit(wanted: int, files: int | None) -> int:
    """Compute the connection limit.

    Args:
        wanted: the setting; 0: automatic.
        files: the open-file limit; None: unlimited.

    Raises:
        ConfigError: the open-file limit is too low.
    """
    room = MAX_CONNECTIONS if files is None else files - RESERVED
    if files is not None and room < max(wanted, 8):
        needed = max(wanted, 8) + RESERVED
        raise ConfigError(
            f"{max(wanted, 8)} connections need {needed} open files, but the limit is {files}: raise "
            f"it (ulimit -n {needed}; LimitNOFILE= of systemd)"
            + (", or set connections lower" if wanted else "")
        )
    return wanted or min(MAX_CONNECTIONS, room)


def open_files() -> int | None:
    """The open-file limit of this process; None if unlimited."""
    if resource is None:
        return None
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def read_limits(settings: ServiceSettings) -> ConnectionLimits:
    """Read the limits from the settings and the open-file limit. Raises ConfigError."""
    max_connections = connection_limit(settings.connections, open_files())
    return ConnectionLimits(
        max_connections,
        compute_share(settings.client_share, max_connections),
        settings.header_seconds,
        settings.keep_alive_seconds,
        MinimumRate(settings.client_rate),
    )


def compute_share(share: float, total: int) -> int:
    """Compute how many of `total` one client may have, at least one."""
    return max(1, round(share * total))


class TrackedConnection(Protocol):
    """A connection. proxy: it comes from a trusted proxy and carries many clients."""

    client_key: str
    proxy: bool

    def displace(self) -> None:
        """Close the connection, which has no request in progress."""

    def sweep(self, now: float) -> None:
        """Close the connection if it timed out. now: event loop time."""


class ConnectionTable:
    """The open connections of a server, for one event loop.

    A client may exceed its share of connections while no other client needs them, but never its share of requests in
    progress. So there is always an idle connection to close for another client: the one idle longest.
    """

    def __init__(self, limits: ConnectionLimits, metrics: Metrics) -> None:
        self.limits, self.stopping = limits, False  # stopping: no new requests are awaited
        self._metrics = metrics
        self._open: dict[TrackedConnection, None] = {}
        self._idle: dict[TrackedConnection, None] = {}
        self._busy: set[TrackedConnection] = set()
        self._count_by_client: Counter[str] = Counter()
        self._busy_by_client: Counter[str] = Counter()
        self._lingering: set[TrackedConnection] = set()
        self._log = _ThrottledLog()
        metrics.watch_connections(lambda: len(self._open))

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: TrackedConnection) -> CloseReason | None:
        """Admit a new connection, closing an idle one if needed. Returns why it is refused, or None."""
        if len(self._open) >= self.limits.max_connections:
            greedy = (
                not connection.proxy and self._count_by_client[connection.client_key] >= self.limits.share
            )
            idle = self._find_idle(connection.client_key) if greedy else self._find_longest_idle()
            if idle is None:
                return CloseReason.CLIENT_SHARE if greedy else CloseReason.FULL
            idle.displace()
            self.remove(idle)  # frees its slot now; the event loop reports the close later
        self._open[connection] = None
        self._count_by_client[connection.client_key] += 1
        self.mark_idle(connection)
        return None

    def _find_idle(self, client: str) -> TrackedConnection | None:
        return next((connection for connection in self._idle if connection.client_key == client), None)

    def _find_longest_idle(self) -> TrackedConnection | None:
        """The connection idle longest, preferably of a client above its share."""
        share = self.limits.share
        greedy = (
            connection
            for connection in self._idle
            if not connection.proxy and self._count_by_client[connection.client_key] > share
        )
        return next(greedy, None) or next(iter(self._idle), None)

    def mark_idle(self, connection: TrackedConnection) -> None:
        """Mark the connection as idle."""
        if connection in self._open:
            self._free(connection)
            self._idle[connection] = None

    def mark_busy(self, connection: TrackedConnection) -> bool:
        """Mark the connection as busy. Returns False if its client has too many requests in progress."""
        if connection in self._busy or connection not in self._open:
            return True
        if not connection.proxy and self._busy_by_client[connection.client_key] >= self.limits.share:
            return False
        self._free(connection)
        self._busy.add(connection)
        self._busy_by_client[connection.client_key] += 1
        return True

    def _free(self, connection: TrackedConnection) -> None:
        self._idle.pop(connection, None)
        if connection in self._busy:
            self._busy.discard(connection)
            _decrement(self._busy_by_client, connection.client_key)

    def linger(self, connection: TrackedConnection) -> bool:
        """Keep a refused connection open until its client has read why. Returns False if too many linger."""
        self.remove(connection)
        if len(self._lingering) >= LINGERING:
            return False
        self._lingering.add(connection)
        return True

    def remove(self, connection: TrackedConnection) -> None:
        """Forget a connection that is closed or about to be."""
        self._lingering.discard(connection)
        self._free(connection)
        if connection in self._open:
            del self._open[connection]
            _decrement(self._count_by_client, connection.client_key)

    def record_close(self, why: CloseReason, connection: TrackedConnection, detail: str = "") -> None:
        """Count a connection that the service closed. Logs at most one line per reason in LOG_EVERY seconds."""
        self._metrics.count_closed(why)
        if not why.routine:
            self._log.note(why, connection.client_key, detail, time.monotonic())

    def sweep(self, now: float) -> None:
        """Close all connections that timed out."""
        for connection in [*self._open, *self._lingering]:
            connection.sweep(now)
        self._log.flush(time.monotonic())


def _decrement(counts: Counter[str], client: str) -> None:
    counts[client] -= 1
    if not counts[client]:
        del counts[client]


@dataclass
class _Entry:
    logged: float = float("-inf")
    count: int = 0
    fields: dict[str, object] = field(default_factory=dict)


class _ThrottledLog:
    """Log the first connection of each reason, then one line per LOG_EVERY seconds for the others."""

    def __init__(self, write: Callable[[dict[str, object]], None] | None = None) -> None:
        self._entries: dict[CloseReason, _Entry] = {}
        self._write = write or (lambda fields: logger.info("connections closed", extra={"fields": fields}))

    def note(self, why: CloseReason, address: str, detail: str, now: float) -> None:
        entry = self._entries.setdefault(why, _Entry())
        entry.count += 1
        entry.fields = {"reason": str(why), "address": address, **({"detail": detail} if detail else {})}
        self._flush(entry, now)

    def flush(self, now: float) -> None:
        for entry in self._entries.values():
            self._flush(entry, now)

    def _flush(self, entry: _Entry, now: float) -> None:
        if entry.count and now >= entry.logged + LOG_EVERY:
            self._write({**entry.fields, "count": entry.count})
            entry.logged, entry.count = now, 0
