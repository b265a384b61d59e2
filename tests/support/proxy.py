"""A TCP proxy that can hang, refuse connections, or answer 503 to everything."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto

from lookdex.storage import S3Access

_BUSY = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Mode(Enum):
    PASS = auto()
    HANG = auto()  # accept connections, but forward nothing
    REFUSE = auto()
    BUSY = auto()  # answer each request with 503


class Proxy:
    """A proxy of one server on its own port. Changing `mode` breaks open connections, except to and from HANG."""

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._mode = Mode.PASS
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._listen()

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        with self._changed:
            before, self._mode = self._mode, mode
            if Mode.HANG not in (before, mode):
                self._break()
            if mode is Mode.REFUSE:
                # A thread in accept() would keep the port open.
                with suppress(OSError):
                    self._listener.shutdown(socket.SHUT_RDWR)
                self._listener.close()
            elif before is Mode.REFUSE:
                self._listener = socket.create_server(("127.0.0.1", self.port))
                self._listen()
            self._changed.notify_all()

    def close(self) -> None:
        self.mode = Mode.PASS
        self.mode = Mode.REFUSE

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            with self._changed:
                self._open.add(client)
                self._changed.wait_for(lambda: self._mode is not Mode.HANG)
            if self._mode is Mode.BUSY:
                client.recv(1 << 16)
                client.sendall(_BUSY)
                return
            with socket.create_connection(self._server) as server:
                with self._changed:
                    self._open.add(server)
                back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
                back.start()
                self._pump(client, server)
                back.join()
        self._open.discard(client)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                with self._changed:
                    self._changed.wait_for(lambda: self._mode is not Mode.HANG)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _break(self) -> None:
        while self._open:
            with suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)


@contextmanager
def before(access: S3Access) -> Iterator[tuple[Proxy, S3Access]]:
    """A proxy for an S3 server, and the access through it."""
    host, _, port = access.endpoint.removeprefix("http://").partition(":")
    proxy = Proxy(host, int(port))
    try:
        endpoint = f"http://127.0.0.1:{proxy.port}"
        yield proxy, S3Access(endpoint, access.access_key, access.secret_key, access.region)
    finally:
        proxy.close()
