"""`lookdex serve` and `lookdex token`."""

from __future__ import annotations

import click

from lookdex.cli.options import Command, with_settings
from lookdex.config import ServiceSettings


@click.command("serve", cls=Command)
@with_settings(ServiceSettings)
def serve(settings: ServiceSettings) -> None:
    """Serve searches over HTTP: the API under /v1 (described by /openapi.json) and a web page at /.

    One process uses all cores. On SIGTERM it finishes open requests and exits. Without --tokens, no token is needed.
    """
    from lookdex.service import server

    server.serve(settings)


@click.command("token", cls=Command)
@click.argument("name")
def token(name: str) -> None:
    """Create a token for the client NAME. Prints it once, and the line for the file of `lookdex serve --tokens`."""
    from lookdex.service.http.tokens import new_token

    secret, line = new_token(name)
    click.echo(f"token for {name} (not stored anywhere):\n  {secret}", err=True)
    click.echo("append this line to the file of --tokens:", err=True)
    click.echo(line)
