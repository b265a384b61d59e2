"""A release as one HTML page for catalogue managers: what is in it, what is missing, what looks wrong.

It reads the release's tables and the promotion log, and, if the caller names a source, the rejected files in it. No
model runs, so no model needs to be installed.
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
    """Report on the live release of the catalogue at `uri`, or on `release_id`.

    Memory is bounded: queries stream few columns, and all-pairs comparisons use a sample. Raises ReleaseNotFound.

    Args:
        source: store to read unindexed photos from, to show them; None: they are not shown. The source named in the
            release is never read, because whoever can write to the catalogue must not choose what is read here.
    """
    from lookdex.report import counts, disagreements, duplicates, neighbours, rejects
    from lookdex.report.findings import findings
    from lookdex.report.reader import open_reader

    limits = limits or Limits()
    with open_reader(uri, release_id, limits) as reader:
        rejected, note = rejects.rejects(reader, source)
        report = Report(
            catalog=reader.store.uri,
            release=reader.release,
            made_at=datetime.now(UTC),
            is_live=reader.is_live,
            totals=counts.totals(reader),
            categories=counts.categories(reader),
            disagreements=disagreements.disagreements(reader),
            rejects=rejected,
            source_note=note,
            confidence=counts.confidence(reader),
            duplicates=duplicates.duplicates(reader),
            nearest=neighbours.neighbours(reader),
            growth=counts.growth(reader.store, limits.releases),
        )
    return replace(report, findings=findings(report))


__all__ = ["Limits", "Report", "make_report"]
