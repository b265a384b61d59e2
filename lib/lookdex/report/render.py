"""Render a report as a self-contained HTML page: data: URIs, inline SVG and an inline style sheet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from lookdex import __version__
from lookdex.records import Status
from lookdex.report import charts
from lookdex.report.counts import BINS, FILLS
from lookdex.report.records import Bar, Report, Share
from lookdex.report.rejects import format_bytes
from lookdex.runtime.wording import pluralize

SECTIONS = (
    ("overview", "Overview"),
    ("categories", "Categories"),
    ("disagreements", "Shop and detector"),
    ("rejects", "Not searchable"),
    ("confidence", "Confidence"),
    ("duplicates", "Duplicates"),
    ("neighbours", "Neighbours"),
    ("growth", "Releases"),
)
STATUS_FILLS = {
    Status.INDEXED: "#4b8a6a", Status.NO_OBJECT: "#d9a441", Status.REJECTED: "#c2492b", Status.FAILED: "#8b6fb0",
}  # fmt: skip
STATUS_WORDS = {Status.INDEXED: "with objects", Status.NO_OBJECT: "no object"}


def render(report: Report) -> str:
    """Render the page. Titles and keys are escaped, never markup."""
    environment = Environment(
        loader=PackageLoader("lookdex.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "many": lambda number: f"{number:,}",
        "pluralize": pluralize,
        "percent": _percent,
        "when": _format_time,
        "words": lambda name: str(name).replace("_", " "),
        "weight": format_bytes,
        "broken": _allow_breaks,
        "change": lambda number: f"{number:+,}" if number else "0",
        "by_name": lambda bars: {bar.name: bar.count for bar in bars},
    }
    photos = report.totals.photos
    shown = {bar.name for category in report.categories for bar in category.colours}
    return environment.get_template("report.html").render(
        r=report,
        version=__version__,
        sections=SECTIONS,
        charts=charts,
        statuses=_statuses(photos),
        stacks=[_statuses(step.release.images) for step in report.growth.steps],
        found=Share(photos.get(Status.INDEXED, 0), report.totals.source_photos),
        widest=max((category.counted for category in report.categories), default=0),
        colour_names=[name for name in FILLS if name in shown],
        bins=[f"{n / BINS:.2f} to {(n + 1) / BINS:.2f}" for n in range(BINS)],
        recipe=_recipe(report),
    )


def _statuses(photos: dict[str, int]) -> list[Bar]:
    return [
        Bar(STATUS_WORDS.get(status, str(status)), photos[status], fill)
        for status, fill in STATUS_FILLS.items()
        if photos.get(status)
    ]


def _recipe(report: Report) -> Iterable[tuple[str, str]]:
    release = report.release
    index = {name: value for name, value in asdict(release.index).items() if value}
    yield "source", release.source
    yield "index", ", ".join(str(v) if k == "kind" else f"{v:,} {k}" for k, v in index.items())
    yield "vectors", f"{release.items:,} of {release.dim} numbers"
    for name, value in asdict(release.recipe).items():
        yield name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value)


def _percent(value: float | None) -> str:
    """Format a share; never rounds up to 100 % or down to 0 %."""
    if value is None:
        return "–"
    shown = f"{value:.0%}"
    if (shown == "100%" and value < 1) or (shown == "0%" and value > 0):
        return f"{value:.1%}" if 0.0005 <= value < 0.9995 else ("over 99.9%" if value > 0.5 else "under 0.1%")
    return shown


def _allow_breaks(text: str) -> Markup:
    """Allow line breaks after the slashes of a key, and only there."""
    return escape(text).replace("/", Markup("/<wbr>"))


def _format_time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
