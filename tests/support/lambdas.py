"""AWS Lambda locally: AWS's own runtime client against a runtime API served by the tests."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.verbs import TRUSTED

STOP = None  # sentinel event that stops the function


class Failed(Exception):
    """The function raised, or could not be started."""


class Function:
    """A started function: call it with an event."""

    def __init__(self) -> None:
        self.events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.outcomes: queue.Queue[tuple[str, Any]] = queue.Queue()

    def __call__(self, event: Mapping[str, Any], seconds: float = 60) -> dict[str, Any]:
        self.events.put(dict(event))
        kind, body = self.outcomes.get(timeout=seconds)
        if kind != "response":
            raise Failed(f"{kind}: {body}")
        answer: dict[str, Any] = body
        return answer


class _Interface(BaseHTTPRequestHandler):
    """https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html"""

    function: Function
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        event = self.function.events.get()
        if event is STOP:
            self.close_connection = True
            return
        body = json.dumps(event).encode()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", str(uuid.uuid4()))
        self.send_header("Lambda-Runtime-Deadline-Ms", "32503680000000")
        self.send_header(
            "Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:search"
        )
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
        self.function.outcomes.put((self.path.rsplit("/", 1)[-1], body))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        """Log nothing."""


@contextmanager
def running(folder: Path, handler: str, environment: Mapping[str, str], log: Path) -> Iterator[Function]:
    """Run the function `handler` of a folder as Lambda does."""
    function = Function()
    interface = type("Interface", (_Interface,), {"function": function})
    server = ThreadingHTTPServer(("127.0.0.1", 0), interface)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    variables = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}", "LAMBDA_TASK_ROOT": str(folder),
        "AWS_LAMBDA_FUNCTION_NAME": "search", "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008", "_HANDLER": handler, "TZ": ":UTC",
    }  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", handler], cwd=folder, stdout=output, stderr=output,
            env={**os.environ, **TRUSTED, **variables, **environment},
        )  # fmt: skip
        try:
            yield function
        finally:
            function.events.put(STOP)
            process.kill()
            process.wait()
            server.shutdown()
            server.server_close()
