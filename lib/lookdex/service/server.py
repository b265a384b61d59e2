"""Running the application: uvicorn on one port, a log of JSON lines, and an end without a lost answer."""

from __future__ import annotations

import logging
import signal
import socket
import sys

import uvicorn

from lookdex.config import Config
from lookdex.errors import ConfigError
from lookdex.service.app import create_app
from lookdex.service.observe import log_lines

BACKLOG = 512
logger = logging.getLogger("lookdex.service")


def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT; then answer what was asked, for at most `drain_seconds`.

    Raises ConfigError when the port cannot be had, and what `create_app` raises.
    """
    # uvicorn hands a signal on once it has ended by it: then it is no way to die.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    log_lines()
    listening = _listen(config.host, config.port)
    app = create_app(config)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing here depends on who asks
            ws="none",
            lifespan="on",
            timeout_keep_alive=65,  # longer than the usual 60 s of a load balancer
            timeout_graceful_shutdown=round(config.drain_seconds),
        )
    )
    host, port = listening.getsockname()[:2]
    logger.info("serving", extra={"fields": {"url": f"http://{host}:{port}", "catalog": config.catalog}})
    server.run([listening])


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --port"
        ) from error
