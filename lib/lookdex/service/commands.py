"""`lookdex serve`."""

from __future__ import annotations

import click

from lookdex.config import Config
from lookdex.options import Verb, settings


@click.command("serve", cls=Verb)
@settings("catalog", "device", "host", "port")
def serve(config: Config) -> None:
    """Answer photos over HTTP: the interface under /v1, a page at /."""
    import uvicorn

    from lookdex.service.app import create_app

    uvicorn.run(create_app(config), host=config.host, port=config.port, log_level="info")
