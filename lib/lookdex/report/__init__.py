"""A release as one page for people who look after a catalogue: what is in it, what is missing, what is odd.

Reads what the stages release (both tables at the release's versions, the promotion log) and, of the source that the
caller names, files that were rejected. No model runs, so it works where none is installed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from lookdex.report.records import Limits, Report
from lookdex.storage import Store


def make_report(
    uri: str,
    release_id: str | None = None,
    limits: Limits | None = None,
    *,
    source: Store | None = None,
) -> Report:
    """Look through the live release of the catalogue at `uri`, or the one of that id.

    source: where photos that could not be indexed are read, to show them; None: they are not shown. The source that the
    release's record names is not read: whoever may write to the catalogue must not choose what is read here.
    Memory stays bounded: queries stream over few columns, and where each is to be compared with each, a sample is.
    Raises ReleaseNotFound.
    """
    from lookdex.report import counts, disagreements, duplicates, neighbours, rejects
    from lookdex.report.findings import findings
    from lookdex.report.reader import open_reader

    limits = limits or Limits()
    with open_reader(uri, release_id, limits) as reader:
        refused, note = rejects.rejects(reader, source)
        report = Report(
            catalog=reader.store.uri,
            release=reader.release,
            made_at=datetime.now(UTC),
            is_live=reader.is_live,
            totals=counts.totals(reader),
            categories=counts.categories(reader),
            disagreements=disagreements.disagreements(reader),
            rejects=refused,
            source_note=note,
            confidence=counts.confidence(reader),
            duplicates=duplicates.duplicates(reader),
            nearest=neighbours.neighbours(reader),
            growth=counts.growth(reader.store, limits.releases),
        )
    return replace(report, findings=findings(report))


__all__ = ["Limits", "Report", "make_report"]
