"""Which connections are open: how many there may be, whose they are, and which one makes room for another."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from lookdex.config import Config
from lookdex.errors import ConfigError
from lookdex.service.http.observe import Metrics
from lookdex.service.http.pace import Pace

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

MOST = 1000  # connections, unless the setting names another number
LINGERING = 32  # refused ones that are still read from, so that their answer is not lost
RESERVED = (
    96 + LINGERING
)  # open files that are not connections: the release's, the models', the decoders' pipes
LOG_EVERY = 10.0  # seconds between two lines of the log for one reason
logger = logging.getLogger("lookdex.service")


class Ended(StrEnum):
    """Why the service ended a connection."""

    IDLE = "idle"  # no request came
    KEEP_ALIVE = "keep-alive"  # no further request came
    DISPLACED = "displaced"  # idle, in favour of a new one
    FULL = "full"  # new, while all were busy
    CLIENT_SHARE = "client-share"  # its client has too many requests in progress
    SLOW_HEADER = "slow-header"
    LARGE_HEADER = "large-header"
    MALFORMED = "malformed"
    UNREAD = "unread"  # the client does not read its answer
    STOPPING = "stopping"  # half a header came while the service stopped
    UNUSED_BODY = "unused-body"  # it sends on, though it was answered

    @property
    def usual(self) -> bool:
        """Of every day, and so not in the log."""
        return self in (Ended.IDLE, Ended.KEEP_ALIVE)


@dataclass(frozen=True, slots=True)
class Limits:
    """most, share: connections, of all and of one client while others want them. header_seconds, keep_alive_seconds:
    until a request's header is complete, and between two requests. pace: of reading an answer."""

    most: int = MOST
    share: int = MOST
    header_seconds: float = 10.0
    keep_alive_seconds: float = 65.0
    pace: Pace = field(default_factory=lambda: Pace(2000.0))


def most_connections(wanted: int, files: int | None) -> int:
    """How many connections there may be. wanted: the setting, 0: by itself. files: that may be open, None: any number.

    Raises ConfigError: so many files may not be open.
    """
    room = MOST if files is None else files - RESERVED
    if files is not None and room < max(wanted, 8):
        needed = max(wanted, 8) + RESERVED
        raise ConfigError(
            f"{max(wanted, 8)} connections need {needed} open files, and this process may have {files}: raise the "
            f"limit (ulimit -n {needed}; LimitNOFILE= of systemd)"
            + (", or set connections lower" if wanted else "")
        )
    return wanted or min(MOST, room)


def open_files() -> int | None:
    """How many files this process may have open; None: any number."""
    if resource is None:
        return None
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def limits_of(config: Config) -> Limits:
    """Of the settings, and of the files that this process may open. Raises ConfigError."""
    most = most_connections(config.connections, open_files())
    return Limits(
        most,
        share_of(config.client_share, most),
        config.header_seconds,
        config.keep_alive_seconds,
        Pace(config.client_rate),
    )


def share_of(share: float, most: int) -> int:
    """How many of `most` one client may have: one at least."""
    return max(1, round(share * most))


class Connection(Protocol):
    """client: who holds it. proxy: it is a trusted proxy's, and so of many clients."""

    client_key: str
    proxy: bool

    def displace(self) -> None:
        """Close it, while it has no request in progress."""

    def sweep(self, now: float) -> None:
        """Close it if its time is over. now: of the event loop."""


class Connections:
    """The open connections of a server. Of one event loop.

    A client may have more than its share while nobody else wants them, but not of requests in progress: so there is
    always one to close for another client. The first to go is the one that has been idle longest.
    """

    def __init__(self, limits: Limits, metrics: Metrics):
        self.limits, self.stopping = limits, False  # stopping: no request is waited for any more
        self._metrics = metrics
        self._open: dict[Connection, None] = {}
        self._idle: dict[Connection, None] = {}
        self._busy: set[Connection] = set()
        self._of: Counter[str] = Counter()  # connections of each client, and those with a request in progress
        self._busy_of: Counter[str] = Counter()
        self._lingering: set[Connection] = set()
        self._log = _Log()
        metrics.watch_connections(lambda: len(self._open))

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: Connection) -> Ended | None:
        """Take in a new connection, for which an idle one may have to go; or why there is no room for it."""
        if len(self._open) >= self.limits.most:
            greedy = not connection.proxy and self._of[connection.client_key] >= self.limits.share
            idle = self._idle_of(connection.client_key) if greedy else self._idle_of_greedy()
            if idle is None:
                return Ended.CLIENT_SHARE if greedy else Ended.FULL
            idle.displace()
            self.remove(idle)  # its room is free now; that the loop has closed it is heard later
        self._open[connection] = None
        self._of[connection.client_key] += 1
        self.idle(connection)
        return None

    def _idle_of(self, client: str) -> Connection | None:
        return next((one for one in self._idle if one.client_key == client), None)

    def _idle_of_greedy(self) -> Connection | None:
        """The one that has been idle longest, of those clients that have more than their share, if there are any."""
        share = self.limits.share
        greedy = (one for one in self._idle if not one.proxy and self._of[one.client_key] > share)
        return next(greedy, None) or next(iter(self._idle), None)

    def idle(self, connection: Connection) -> None:
        """It has no request in progress, as of now."""
        if connection in self._open:
            self._free(connection)
            self._idle[connection] = None

    def busy(self, connection: Connection) -> bool:
        """It begins a request; False: its client has too many in progress."""
        if connection in self._busy or connection not in self._open:
            return True
        if not connection.proxy and self._busy_of[connection.client_key] >= self.limits.share:
            return False
        self._free(connection)
        self._busy.add(connection)
        self._busy_of[connection.client_key] += 1
        return True

    def _free(self, connection: Connection) -> None:
        self._idle.pop(connection, None)
        if connection in self._busy:
            self._busy.discard(connection)
            _less(self._busy_of, connection.client_key)

    def linger(self, connection: Connection) -> bool:
        """Keep one open that was refused, until its client has read why; whether there is room for that."""
        self.remove(connection)
        if len(self._lingering) >= LINGERING:
            return False
        self._lingering.add(connection)
        return True

    def remove(self, connection: Connection) -> None:
        """It is closed, or will be at once."""
        self._lingering.discard(connection)
        self._free(connection)
        if connection in self._open:
            del self._open[connection]
            _less(self._of, connection.client_key)

    def ended(self, why: Ended, connection: Connection, detail: str = "") -> None:
        """Count a connection that the service ended; of each reason, the log has a line in LOG_EVERY seconds."""
        self._metrics.connection_ended(why)
        if not why.usual:
            self._log.note(why, connection.client_key, detail, time.monotonic())

    def sweep(self, now: float) -> None:
        """Close all whose time is over."""
        for connection in [*self._open, *self._lingering]:
            connection.sweep(now)
        self._log.flush(time.monotonic())


def _less(counts: Counter[str], client: str) -> None:
    counts[client] -= 1
    if not counts[client]:
        del counts[client]


@dataclass
class _Noted:
    logged: float = float("-inf")
    count: int = 0
    fields: dict[str, object] = field(default_factory=dict)


class _Log:
    """One line for the first of a kind, then one for all that follow within LOG_EVERY seconds."""

    def __init__(self, write: Callable[[dict[str, object]], None] | None = None) -> None:
        self._noted: dict[Ended, _Noted] = {}
        self._write = write or (lambda fields: logger.info("connections ended", extra={"fields": fields}))

    def note(self, why: Ended, address: str, detail: str, now: float) -> None:
        noted = self._noted.setdefault(why, _Noted())
        noted.count += 1
        noted.fields = {"reason": str(why), "address": address, **({"detail": detail} if detail else {})}
        self._flush(noted, now)

    def flush(self, now: float) -> None:
        for noted in self._noted.values():
            self._flush(noted, now)

    def _flush(self, noted: _Noted, now: float) -> None:
        if noted.count and now >= noted.logged + LOG_EVERY:
            self._write({**noted.fields, "count": noted.count})
            noted.logged, noted.count = now, 0
