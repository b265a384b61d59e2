"""A real proxy for the service: nginx, which forwards everything below a path."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.s3_server import free_ports

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="no nginx on the PATH: apt-get install nginx-light")

CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 25m;
        location = /lookdex {{ return 308 /lookdex/; }}
        location /lookdex/ {{
            proxy_pass http://127.0.0.1:{behind}{stripped};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto https;
        }}
    }}
}}
"""


@contextmanager
def start_nginx(folder: Path, behind: int, *, strips: bool) -> Iterator[str]:
    """Yield the site's URL; its /lookdex/ is the service at the port `behind`. strips: remove the path prefix."""
    folder.mkdir()
    (port,) = free_ports(1)
    settings = folder / "nginx.conf"
    settings.write_text(
        CONFIGURATION.format(folder=folder, port=port, behind=behind, stripped="/" if strips else "")
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(NGINX), "-p", str(folder), "-c", str(settings)], stderr=log)
    try:
        deadline = time.monotonic() + 20
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"nginx did not start:\n{(folder / 'log').read_text()}")
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
