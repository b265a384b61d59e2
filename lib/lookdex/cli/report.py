"""`lookdex report`: a release as one page."""

from __future__ import annotations

from pathlib import Path

import click

from lookdex.cli.options import OutputFile, settings, verb
from lookdex.config import Config


@verb("report")
@settings("catalog", "source", "source_access", optional=("source",))
@click.option("--out", required=True, type=OutputFile(".html", ".htm"), help="The page to write.")
@click.option("--release", metavar="ID", help="Report on this release instead of the live one.")
def report_command(config: Config, out: Path, release: str | None) -> None:
    """Write what is in a release, and what is odd in it, as one page that loads nothing from anywhere.

    Photos that could not be indexed are shown if --source says where they lie.
    """
    from lookdex.pipeline.plan import open_source
    from lookdex.report import make_report
    from lookdex.report.render import render

    source = open_source(config) if config.source else None
    report = make_report(config.catalog, release, source=source)
    page = render(report)
    out.write_text(page, encoding="utf-8")
    for finding in report.findings:
        click.echo(f"  {finding.text}")
    click.echo(f"{out}: release {report.release.release_id}, {len(page.encode()) / 1e6:.1f} MB")
