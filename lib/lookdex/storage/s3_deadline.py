"""Abort the requests of a boto3 client at a deadline, whether they wait for headers or the body.

A socket timeout alone is not a limit, because it restarts with every byte.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from typing import Any


class _Watch:
    """Shuts down the connection in use when the time is over, and any used after that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._over = False

    def use(self, connection: socket.socket) -> None:
        # A duplicate of its descriptor, so that another thread can shut it down even during a TLS handshake.
        self._keep(socket.socket(fileno=os.dup(connection.fileno())))

    def release(self) -> None:
        self._keep(None)

    def end(self) -> None:
        with self._lock:
            self._over = True
            self._shut_down()

    def _keep(self, connection: socket.socket | None) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = connection
            if self._over:
                self._shut_down()

    def _shut_down(self) -> None:
        if self._connection is not None:
            with suppress(OSError):  # the other side has closed it
                self._connection.shutdown(socket.SHUT_RDWR)


_watch: ContextVar[_Watch | None] = ContextVar("watch", default=None)


@contextmanager
def until(deadline: float) -> Iterator[None]:
    """Let requests of this thread fail after the deadline (of `time.monotonic`), as if the store closed the connection.

    Requests must be sequential, and of clients from `make_breakable`.
    """
    watch = _Watch()
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), watch.end)
    timer.daemon = True
    timer.start()
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)
        timer.cancel()
        watch.release()


def make_breakable(client: Any) -> Any:
    """Make the requests of a boto3 client obey `until`. Returns the client."""
    # botocore has no setting for its connection class.
    client._endpoint.http_session._pool_classes_by_scheme.update(_pools())
    return client


@cache
def _pools() -> dict[str, type]:
    """urllib3 pools by scheme, whose connections report their use to the watch of their thread."""
    from botocore import awsrequest

    class Watched:
        sock: socket.socket

        def _new_conn(self) -> socket.socket:
            return _report_use(super()._new_conn())  # type: ignore[misc]  # a mixin

        def getresponse(self) -> Any:
            _report_use(self.sock)  # it may have been opened by an earlier request
            return super().getresponse()  # type: ignore[misc]  # a mixin

    class Plain(Watched, awsrequest.AWSHTTPConnection): ...

    class Secure(Watched, awsrequest.AWSHTTPSConnection): ...

    class PlainPool(awsrequest.AWSHTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(awsrequest.AWSHTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _report_use(connection: socket.socket) -> socket.socket:
    if (watch := _watch.get()) is not None:
        watch.use(connection)
    return connection
