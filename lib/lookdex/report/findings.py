"""Findings: the figures that deserve attention."""

from __future__ import annotations

from collections.abc import Iterator

from lookdex.records import Status
from lookdex.report.records import (
    Category,
    Confidence,
    Disagreements,
    Duplicates,
    Finding,
    Nearest,
    Rejects,
    Report,
    Totals,
)
from lookdex.runtime.wording import pluralize

LOW_MEDIAN = 0.5  # median score of a category
LOW_SEEN = 0.7  # share of the photos that the shop files under a category
LOW_OWN = 0.8
NAMED = 6  # items named in one finding
FEW = 20  # below this many photos or objects a share means little


def findings(report: Report) -> tuple[Finding, ...]:
    """The findings, most urgent first."""
    return (
        *_audit(report),
        *_rejects(report.rejects, report.totals),
        *_products(report.totals),
        *_unseen(report.totals),
        *_disagreements(report.disagreements),
        *_duplicates(report.duplicates),
        *_categories(report.categories),
        *_confidence(report.confidence),
        *_nearest(report.nearest),
    )


def _audit(report: Report) -> Iterator[Finding]:
    if not report.release.audit:
        yield Finding("This release was never audited: it is a candidate.", "growth")
    elif report.failed_checks:
        names = ", ".join(check.name for check in report.failed_checks)
        yield Finding(f"This release failed its audit: {names}.", "growth")


def _rejects(rejects: tuple[Rejects, ...], totals: Totals) -> Iterator[Finding]:
    for status, words in (
        (Status.REJECTED, "cannot be decoded until the shop replaces them"),
        (Status.FAILED, "could not be fetched; the next run retries them"),
    ):
        reasons = sorted((r for r in rejects if r.status == status), key=lambda r: -r.photos)
        photos = sum(r.photos for r in reasons)
        if photos:
            yield Finding(
                f"{pluralize(photos, 'photo')} of {totals.source_photos:,} {words}{_why(reasons)}.",
                "rejects",
            )


def _why(reasons: list[Rejects]) -> str:
    """The most common of several reasons, or all of them if none is.

    Args:
        reasons: most photos first.
    """
    named = [f"{(r.reason or '').replace('_', ' ')} ({r.photos:,})" for r in reasons]
    if len(reasons) > 1 and reasons[0].photos > reasons[1].photos:
        return f"; most: {named[0]}"
    return f": {', '.join(named)}"


def _products(totals: Totals) -> Iterator[Finding]:
    if totals.lost_products:
        its = "its photos" if totals.lost_products == 1 else "their photos"
        yield Finding(
            f"{pluralize(totals.lost_products, 'product')} cannot be searched: none of {its} could be fetched and "
            "decoded.",
            "rejects",
        )
    if totals.source_photos and not totals.products:
        yield Finding(
            "No photo belongs to a product, so every match is a bare photo without title and price (see --pattern, "
            "--mapping and --products).",
            "overview",
        )
        return
    if totals.loose_photos:
        belong = "belongs" if totals.loose_photos == 1 else "belong"
        yield Finding(
            f"{pluralize(totals.loose_photos, 'photo')} {belong} to no product (see --pattern and --mapping).",
            "overview",
        )
    undescribed = totals.products - (
        totals.products if totals.described_products is None else totals.described_products
    )
    if undescribed:
        are, have = ("is", "it has") if undescribed == 1 else ("are", "they have")
        yield Finding(
            f"{pluralize(undescribed, 'product')} of {totals.products:,} {are} missing from the products file: "
            f"{have} no title, price or other product column.",
            "overview",
        )


def _unseen(totals: Totals) -> Iterator[Finding]:
    unseen = totals.products - totals.seen_products
    if unseen:
        yield Finding(
            f"{pluralize(unseen, 'product')} of {totals.products:,} can only be found by whole-photo search: "
            "no object was detected in any of their photos.",
            "rejects",
        )


def _disagreements(found: Disagreements) -> Iterator[Finding]:
    if found.products:
        are = "is" if found.products == 1 else "are"
        listed = ", ".join(f"{pair.category} as {pair.label}" for pair in found.pairs[:NAMED])
        more = " and others" if found.pairs_found > NAMED else ""
        yield Finding(
            f"{pluralize(found.products, 'product')} of {found.of:,} {are} detected as another category than the "
            f"shop's: {listed}{more}.",
            "disagreements",
        )


def _duplicates(duplicates: Duplicates) -> Iterator[Finding]:
    if duplicates.across:
        stand = "stands" if duplicates.across == 1 else "stand"
        yield Finding(
            f"{pluralize(duplicates.across, 'picture')} {stand} for several products, which shoppers cannot tell "
            "apart.",
            "duplicates",
        )


def _categories(categories: tuple[Category, ...]) -> Iterator[Finding]:
    rare = [
        (category.label, category.seen)
        for category in categories
        if category.seen and category.seen.value is not None and category.seen.value < LOW_SEEN
    ]
    if rare:
        listed = ", ".join(f"{label} in {seen.count:,} of {seen.total:,}" for label, seen in rare[:NAMED])
        more = f" and {len(rare) - NAMED:,} more" if len(rare) > NAMED else ""
        yield Finding(f"Rarely detected in the photos of their category: {listed}{more}.", "categories")


def _confidence(confidence: tuple[Confidence, ...]) -> Iterator[Finding]:
    weak = [c.label for c in confidence if c.objects >= FEW and c.median < LOW_MEDIAN]
    if weak:
        yield Finding(f"The detector has low scores for: {', '.join(weak)}.", "confidence")


def _nearest(nearest: Nearest) -> Iterator[Finding]:
    own = nearest.own_first
    if own.total >= FEW and own.value is not None and own.value < LOW_OWN:
        yield Finding(
            f"A product's other photo is the nearest in only {own.value:.0%} of {own.total:,} sampled "
            f"searches.",
            "neighbours",
        )
