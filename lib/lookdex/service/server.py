"""Running the application: uvicorn on one port, a log of JSON lines, and an end without a lost answer."""

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

from lookdex.config import Config
from lookdex.errors import ConfigError
from lookdex.service.app import create_app
from lookdex.service.http.clients import Network, trusted_networks
from lookdex.service.http.connections import Connections, limits_of
from lookdex.service.http.observe import log_lines
from lookdex.service.http.protocol import BoundedProtocol

BACKLOG = 512
END_SECONDS = 3.0  # for all that is left once everyone is answered, or drain_seconds are over
_PASSES = 3  # of the event loop, in which it reads what its sockets hold
SWEEP_SECONDS = 0.5  # between looks for connections whose time is over
logger = logging.getLogger("lookdex.service")


def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT; then answer what was asked, for at most `drain_seconds`, and end the process.

    Raises ConfigError when the port cannot be had, and what `create_app` and loading the models raise.
    """
    # uvicorn hands a signal on once it has ended by it: then it is no way to die.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    log_lines()
    limits, proxies = limits_of(config), trusted_networks(config.trusted_proxies)
    port = _bound(config.host, config.port)
    host, number = port.getsockname()[:2]
    named = f"[{host}]" if ":" in host else host
    where: dict[str, object] = {"url": f"http://{named}:{number}", "catalog": config.catalog}
    logger.info("loading", extra={"fields": where})
    app = create_app(config)
    app.state.catalog.load()  # here an error is raised, and a signal ends it: within uvicorn both would wait
    where["connections"] = limits.most
    table = Connections(limits, app.state.metrics)
    server = _Process(app, table, proxies, drain_seconds=config.drain_seconds, where=where)
    with suppress(SystemExit):  # by the signal that ended it
        server.run([port])
    # To take down Python, torch and OpenVINO takes seconds of CPU time, and a read that hangs may keep Lance from it.
    logging.shutdown()
    os._exit(0 if server.started else 1)


class Server(uvicorn.Server):
    """uvicorn with bounded connections. table: of all of them. proxies: those that are trusted. where: for the log.

    Says when it answers, and closes connections whose time is over until it has ended.
    """

    def __init__(
        self,
        app: ASGIApp,
        table: Connections,
        proxies: tuple[Network, ...] = (),
        *,
        drain_seconds: float = 30.0,
        where: Mapping[str, object] = MappingProxyType({}),
    ):
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
        self.table, self._where = table, where

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer whoever has connected, then end; whoever connects later is refused by the kernel."""
        self.table.stopping = True
        for _ in range(_PASSES):  # what has arrived on open connections is a request that must not be cut off
            await asyncio.sleep(0)
        waiting = [asyncio.create_task(self._take_in(one)) for one in _accepted(sockets or [])]
        await super().shutdown(sockets)  # closes the listener before anything else runs
        await asyncio.gather(*waiting, return_exceptions=True)
        self._sweeps.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._sweeps = asyncio.create_task(self._sweep())
        logger.info("ready", extra={"fields": {**self._where}})

    async def _take_in(self, connection: socket.socket) -> None:
        """Serve a connection that was accepted here."""
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
                logger.exception("looking for connections whose time is over failed; the next look follows")


class _Process(Server):
    """The server of a process of its own, which ends in time whatever hangs: who runs it relies on `drain_seconds`."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        limit = (self.config.timeout_graceful_shutdown or 0) + END_SECONDS
        last = threading.Timer(limit, _give_up, (limit,))
        last.daemon = True
        last.start()
        await super().shutdown(sockets)


def _accepted(listeners: list[socket.socket]) -> Iterator[socket.socket]:
    """The connections that wait in the kernel's queues, which resets them when a listener is closed."""
    for listener in listeners:
        listener.setblocking(False)
        with suppress(OSError):  # BlockingIOError: there are no more
            while True:
                yield listener.accept()[0]


def _give_up(seconds: float) -> None:
    logger.error("the service has not ended %g s after it was told to: it is ended", seconds)
    os._exit(1)


def _bound(host: str, port: int) -> socket.socket:
    """A socket that has the port and does not listen yet: uvicorn does, once the application can answer. What asks
    before is refused at once instead of left waiting."""
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
        what = (
            "--host" if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL else "--port"
        )
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another {what}"
        ) from error
