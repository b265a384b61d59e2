"""`lookdex report`: a release as one HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from lookdex.cli.options import OutputFile, command, with_settings
from lookdex.config import NightSettings


@command("report")
@with_settings(NightSettings, "catalog", "source", "source_access", optional=("source",))
@click.option("--out", required=True, type=OutputFile(".html", ".htm"), help="HTML file to write.")
@click.option("--release", metavar="ID", help="Report on this release instead of the live one.")
def report_command(settings: NightSettings, out: Path, release: str | None) -> None:
    """Write a report on a release as one self-contained HTML page: contents and anomalies.

    Photos that could not be indexed are shown if --source is given.
    """
    from lookdex.pipeline.plan import open_source
    from lookdex.report import make_report
    from lookdex.report.render import render

    source = open_source(settings) if settings.source else None
    report = make_report(settings.catalog, release, source=source)
    page = render(report)
    out.write_text(page, encoding="utf-8")
    for finding in report.findings:
        click.echo(f"  {finding.text}")
    click.echo(f"{out}: release {report.release.release_id}, {len(page.encode()) / 1e6:.1f} MB")
