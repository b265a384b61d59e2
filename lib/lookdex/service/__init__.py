"""The HTTP service of a catalogue. `create_app` builds it, `lookdex serve` runs it.

This is the only package that imports FastAPI, uvicorn and the Prometheus client.
"""

from __future__ import annotations

from typing import Any

from lookdex.runtime.extras import extras

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:  # PEP 562: importing the package does not load FastAPI
    if name == "create_app":
        with extras():
            from lookdex.service.app import create_app

        return create_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
