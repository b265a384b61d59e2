"""`lookdex releases`: list the releases of a catalogue."""

from __future__ import annotations

import json

import click

from lookdex.cli.options import command, json_option, with_settings
from lookdex.config import SharedSettings


@command("releases")
@with_settings(SharedSettings, "catalog")
@json_option
def releases_command(settings: SharedSettings, as_json: bool) -> None:
    """List the releases, newest first, and show which one is live."""
    from lookdex.catalog import json_codec, promotion_log
    from lookdex.errors import CorruptData, ReleaseNotFound
    from lookdex.release.promote import follow
    from lookdex.storage import open_store

    catalog = open_store(settings.catalog)
    listed = promotion_log.list_releases(catalog)[::-1]
    try:
        entry, unknown = promotion_log.current(catalog), ""
    except CorruptData as error:  # the user needs this list to recover
        entry, unknown = None, str(error)
        click.secho(unknown, fg="red", err=True)
    else:
        follow(catalog)
    if entry is None and not unknown and not listed and not any(catalog.pages("runs/")):
        raise ReleaseNotFound(f"there is no catalogue in {settings.catalog}; `lookdex reindex` creates one")
    been_live = {logged.release_id for logged in promotion_log.read_log(catalog)}
    if as_json:
        click.echo(json.dumps({
            "live": entry and json.loads(json_codec.to_json(entry)),
            "releases": [json.loads(json_codec.to_json(release)) for release in listed],
        }, ensure_ascii=False, indent=1))  # fmt: skip
        return
    if entry is None and not unknown:
        click.echo(f"nothing is live in {settings.catalog} yet")
    for release in listed:
        here = entry is not None and entry.release_id == release.release_id
        photos = sum(release.images.values())
        never = "" if release.release_id in been_live else "  never live"
        click.echo(f"{'live' if here else '    '}  {release.release_id:<34} {release.created_at:%Y-%m-%d %H:%M}  "
                   f"{photos:>9,} photos {release.items:>10,} items  index {release.index.kind}{never}")  # fmt: skip
    if entry is not None and entry.hold:
        click.echo(
            f"held since {entry.at:%Y-%m-%d %H:%M}{f' ({entry.note})' if entry.note else ''}: promotions wait for "
            "`lookdex resume`"
        )
