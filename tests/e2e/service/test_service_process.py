"""The service process: start, failure to start, and exit."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import psutil
import pytest

from lookdex.config import NightSettings, ServiceSettings
from lookdex.errors import ConfigError, ReleaseNotFound
from lookdex.pipeline.recipe import make_recipe
from lookdex.service import create_app
from lookdex.storage import open_store
from tests.support.catalogs import publish, recipe_with_digests, stock
from tests.support.services import logged_url, start
from tests.support.verbs import TRUSTED


def test_connections_are_refused_until_the_service_is_ready(shop: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-m", "lookdex.cli.main", "serve", "--catalog", shop, "--port", "0"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | TRUSTED)
    try:
        url = logged_url(process, log, "loading")
        refused = 0
        while True:
            try:
                health = httpx2.get(f"{url}/healthz", timeout=5)
                break
            except httpx2.ConnectError:
                refused += 1
                time.sleep(0.05)
                assert process.poll() is None
        assert refused
        assert (health.text, httpx2.get(f"{url}/readyz").text) == ("ok\n", "ready\n")
        assert logged_url(process, log) == url
        again = subprocess.run(
            [*command[:-1], url.rpartition(":")[2]], capture_output=True, text=True, timeout=60
        )
        assert (again.returncode, "choose another --port" in again.stderr) == (2, True)
    finally:
        process.kill()
        process.wait()


def test_ipv6_url_is_logged(shop: str, tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with start(shop, tmp_path, "--host", "::1") as service:
        assert service.url.startswith("http://[::1]:")
        assert httpx2.get(f"{service.url}/healthz").text == "ok\n"


def test_startup_errors_are_reported(tmp_path: Path) -> None:
    with pytest.raises(ReleaseNotFound, match="nothing is live"):
        create_app(ServiceSettings(catalog=str(tmp_path / "empty")))
    publish(open_store(str(tmp_path / "shop")), "night-1", stock(), recipe=recipe_with_digests())
    for wrong in ("/nowhere", "storefront sha256:1234"):
        with pytest.raises(ConfigError, match="lookdex token"):
            create_app(ServiceSettings(catalog=str(tmp_path / "shop"), tokens=wrong))


def test_ctrl_c_exits_quietly(shop: str, tmp_path: Path) -> None:
    with start(shop, tmp_path) as service:
        process = psutil.Process(service.process.pid)
        for member in (process, *process.children(recursive=True)):  # as a terminal does
            member.send_signal(signal.SIGINT)
        assert service.process.wait(60) == 0
        assert all(line.startswith("{") for line in service.log.read_text().splitlines())


def test_loading_errors_are_one_line(tmp_path: Path) -> None:
    publish(
        open_store(str(tmp_path)), "night-1", stock(products=2), recipe=make_recipe(NightSettings()), dim=256
    )
    command = [sys.executable, "-m", "lookdex.cli.main", "serve", "--catalog", str(tmp_path), "--port", "0"]
    ended = subprocess.run([*command, "--device", "cuda:99"], capture_output=True, text=True, timeout=90)
    assert ended.returncode == 2
    loading, error = ended.stderr.splitlines()
    assert json.loads(loading)["event"] == "loading"
    assert ": device cuda:99 is not available" in error
