"""Run the application with uvicorn: one port, a JSON-lines log and a graceful shutdown."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from lookdex.config import ServiceSettings
from lookdex.errors import ConfigError
from lookdex.service.app import create_app
from lookdex.service.http.clients import Network, trusted_networks
from lookdex.service.http.connections import ConnectionTable, read_limits
from lookdex.service.http.observe import configure_logging
from lookdex.service.http.protocol import BoundedProtocol

BACKLOG = 512
END_SECONDS = 3.0  # for cleanup after the last response, or after drain_seconds
_PASSES = 3  # of the event loop, to read what the sockets have received
SWEEP_SECONDS = 0.5  # between checks for connections that timed out
logger = logging.getLogger("lookdex.service")


def serve(settings: ServiceSettings) -> None:
    """Serve until SIGTERM or SIGINT, then finish open requests for at most `drain_seconds` and exit.

    Raises ConfigError if the port is not available, and what `create_app` and loading the models raise.
    """
    # uvicorn raises the signal again after its shutdown; these handlers then exit with 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    configure_logging()
    limits, proxies = read_limits(settings), trusted_networks(settings.trusted_proxies)
    port = _bind(settings.host, settings.port)
    host, number = port.getsockname()[:2]
    url_host = f"[{host}]" if ":" in host else host
    log_fields: dict[str, object] = {"url": f"http://{url_host}:{number}", "catalog": settings.catalog}
    logger.info("loading", extra={"fields": log_fields})
    app = create_app(settings)
    app.state.catalog.load()  # outside uvicorn, errors and signals end it at once
    log_fields["connections"] = limits.max_connections
    table = ConnectionTable(limits, app.state.metrics)
    server = _ProcessServer(app, table, proxies, drain_seconds=settings.drain_seconds, log_fields=log_fields)
    with suppress(SystemExit):  # from the signal handler
        server.run([port])
    # Finalizing Python, torch and OpenVINO takes CPU seconds, and a hanging read can block Lance.
    logging.shutdown()
    os._exit(0 if server.started else 1)


class Server(uvicorn.Server):
    """uvicorn with bounded connections.

    Logs when it is ready, and closes connections that timed out until it has shut down.

    Args:
        table: all connections.
        proxies: trusted ones.
        drain_seconds: to finish open requests.
        log_fields: of the log line "ready".
    """

    def __init__(
        self,
        app: ASGIApp,
        table: ConnectionTable,
        proxies: tuple[Network, ...] = (),
        *,
        drain_seconds: float = 30.0,
        log_fields: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                backlog=BACKLOG,
                log_config=None,
                access_log=False,
                server_header=False,
                http=cast(Any, partial(BoundedProtocol, table, proxies)),
                proxy_headers=bool(proxies),
                forwarded_allow_ips=[str(network) for network in proxies],
                ws="none",
                lifespan="on",
                timeout_graceful_shutdown=round(drain_seconds),
            )
        )
        self.table, self._log_fields = table, log_fields

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the requests of connected clients. The kernel refuses later connections."""
        self.table.stopping = True
        for _ in range(_PASSES):  # requests that have arrived on open connections must be answered
            await asyncio.sleep(0)
        waiting = [
            asyncio.create_task(self._adopt(connection)) for connection in _accept_backlog(sockets or [])
        ]
        await super().shutdown(sockets)  # closes the listener before anything else runs
        await asyncio.gather(*waiting, return_exceptions=True)
        self._sweeps.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._sweeps = asyncio.create_task(self._sweep())
        logger.info("ready", extra={"fields": {**self._log_fields}})

    async def _adopt(self, connection: socket.socket) -> None:
        """Serve a connection accepted during shutdown."""
        protocol = cast(Any, self.config.http_protocol_class)
        await asyncio.get_running_loop().connect_accepted_socket(
            partial(
                protocol,
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            ),
            connection,
        )

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                self.table.sweep(loop.time())
            except Exception:
                logger.exception("closing timed-out connections failed; will retry")


class _ProcessServer(Server):
    """A server that owns its process, and exits in time even if something hangs."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        limit = (self.config.timeout_graceful_shutdown or 0) + END_SECONDS
        last = threading.Timer(limit, _force_exit, (limit,))
        last.daemon = True
        last.start()
        await super().shutdown(sockets)


def _accept_backlog(listeners: list[socket.socket]) -> Iterator[socket.socket]:
    """Accept the connections in the listeners' backlogs: closing a listener would reset them."""
    for listener in listeners:
        listener.setblocking(False)
        with suppress(OSError):  # BlockingIOError: the backlog is empty
            while True:
                yield listener.accept()[0]


def _force_exit(seconds: float) -> None:
    logger.error("the service did not stop within %g s: exiting", seconds)
    os._exit(1)


def _bind(host: str, port: int) -> socket.socket:
    """Bind the port without listening. uvicorn listens once the application is ready; until then connections are
    refused instead of left waiting."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    try:
        if os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as socket.create_server does
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
        return bound
    except OSError as error:
        bound.close()
        option = (
            "--host" if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL else "--port"
        )
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another {option}"
        ) from error
