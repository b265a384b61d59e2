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
    """Answer photos over HTTP: the interface under /v1 (/openapi.json describes it), a page at /.

    One process uses all cores; SIGTERM ends it once everyone is answered. Without --tokens everyone may ask.
    """
    from lookdex.service import server

    server.serve(config)


@click.command("token", cls=Verb)
@click.argument("name")
def token(name: str) -> None:
    """Make a token for the client NAME: print it once, and the line that lets it in (see `lookdex serve --tokens`)."""
    from lookdex.service.tokens import new_token

    secret, line = new_token(name)
    click.echo(f"give to {name}, and keep nowhere else:\n  {secret}", err=True)
    click.echo("append to the file of --tokens:", err=True)
    click.echo(line)
