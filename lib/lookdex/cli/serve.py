"""`lookdex serve` and `lookdex token`."""

from __future__ import annotations

import click

from lookdex.cli.options import TRUST, Verb, settings
from lookdex.config import Config

SERVED = (
    *("catalog", "host", "port", *TRUST, "device", "engine", "batch", "tokens", "cors"),
    *("caching", "facets"),
    *("root_path", "trusted_proxies", "connections", "client_share", "client_rate"),
    *("header_seconds", "keep_alive_seconds"),
    *("upload_bytes", "upload_pixels", "upload_frames", "receive_seconds", "decode_seconds", "decoders"),
    *("places", "queue", "deadline_seconds", "store_seconds", "poll_seconds", "drain_seconds"),
)


@click.command("serve", cls=Verb)
@settings(*SERVED)
def serve(config: Config) -> None:
    """Serve searches over HTTP: the API under /v1 (described by /openapi.json) and a web page at /.

    One process uses all cores. On SIGTERM it finishes open requests and exits. Without --tokens, no token is needed.
    """
    from lookdex.service import server

    server.serve(config)


@click.command("token", cls=Verb)
@click.argument("name")
def token(name: str) -> None:
    """Create a token for the client NAME. Prints it once, and the line for the file of `lookdex serve --tokens`."""
    from lookdex.service.tokens import new_token

    secret, line = new_token(name)
    click.echo(f"token for {name} (not stored anywhere):\n  {secret}", err=True)
    click.echo("append this line to the file of --tokens:", err=True)
    click.echo(line)
