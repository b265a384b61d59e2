"""What in the figures deserves a look. Pure."""

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
from lookdex.runtime.wording import count_of

LOW_MEDIAN = 0.5  # of a category's scores
LOW_SEEN = 0.7  # of the photos that the shop files under a category
LOW_OWN = 0.8
NAMED = 6  # in one finding
FEW = 20  # photos or objects below which a share says little


def findings(report: Report) -> tuple[Finding, ...]:
    """The most pressing first."""
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
        yield Finding(f"The audit refused this release: {names}.", "growth")


def _rejects(rejects: tuple[Rejects, ...], totals: Totals) -> Iterator[Finding]:
    for status, words in (
        (Status.REJECTED, "cannot be read and wait for better files"),
        (Status.FAILED, "could not be fetched; the next night tries again"),
    ):
        some = sorted((r for r in rejects if r.status == status), key=lambda r: -r.photos)
        photos = sum(r.photos for r in some)
        if photos:
            yield Finding(
                f"{count_of(photos, 'photo')} of {totals.source_photos:,} {words}{_why(some)}.", "rejects"
            )


def _why(some: list[Rejects]) -> str:
    """The reason that has more photos than any other, of several; else all of them. some: most photos first."""
    named = [f"{(r.reason or '').replace('_', ' ')} ({r.photos:,})" for r in some]
    if len(some) > 1 and some[0].photos > some[1].photos:
        return f"; most: {named[0]}"
    return f": {', '.join(named)}"


def _products(totals: Totals) -> Iterator[Finding]:
    if totals.lost_products:
        its = "its photos" if totals.lost_products == 1 else "their photos"
        yield Finding(
            f"{count_of(totals.lost_products, 'product')} cannot be found at all: none of {its} could be fetched and "
            "read.",
            "rejects",
        )
    if totals.source_photos and not totals.products:
        yield Finding(
            "No photo is tied to a product: every answer is a photo, without title and price (see --pattern, --mapping "
            "and --products).",
            "overview",
        )
        return
    if totals.loose_photos:
        belong = "belongs" if totals.loose_photos == 1 else "belong"
        yield Finding(
            f"{count_of(totals.loose_photos, 'photo')} {belong} to no product (see --pattern and --mapping).",
            "overview",
        )
    untold = totals.products - (
        totals.products if totals.described_products is None else totals.described_products
    )
    if untold:
        are, have = ("is", "it has") if untold == 1 else ("are", "they have")
        yield Finding(
            f"{count_of(untold, 'product')} of {totals.products:,} {are} not in the products file: {have} no title, "
            "no price and no other of its columns.",
            "overview",
        )


def _unseen(totals: Totals) -> Iterator[Finding]:
    unseen = totals.products - totals.seen_products
    if unseen:
        yield Finding(
            f"{count_of(unseen, 'product')} of {totals.products:,} can only be met by searching with the whole photo: "
            "no object was found in any of their photos.",
            "rejects",
        )


def _disagreements(found: Disagreements) -> Iterator[Finding]:
    if found.products:
        are = "is" if found.products == 1 else "are"
        most = ", ".join(f"{pair.category} as {pair.label}" for pair in found.pairs[:NAMED])
        more = " and others" if found.pairs_found > NAMED else ""
        yield Finding(
            f"{count_of(found.products, 'product')} of {found.of:,} {are} taken for something else than what the shop "
            f"says: {most}{more}.",
            "filed",
        )


def _duplicates(duplicates: Duplicates) -> Iterator[Finding]:
    if duplicates.across:
        stand = "stands" if duplicates.across == 1 else "stand"
        yield Finding(
            f"{count_of(duplicates.across, 'picture')} {stand} for several products: shoppers cannot tell them apart.",
            "duplicates",
        )


def _categories(categories: tuple[Category, ...]) -> Iterator[Finding]:
    seldom = [
        (category.label, category.seen)
        for category in categories
        if category.seen and category.seen.value is not None and category.seen.value < LOW_SEEN
    ]
    if seldom:
        most = ", ".join(f"{label} in {seen.count:,} of {seen.total:,}" for label, seen in seldom[:NAMED])
        more = f" and {len(seldom) - NAMED:,} more" if len(seldom) > NAMED else ""
        yield Finding(
            f"Seldom found in the photos that the shop files under them: {most}{more}.", "categories"
        )


def _confidence(confidence: tuple[Confidence, ...]) -> Iterator[Finding]:
    weak = [c.label for c in confidence if c.objects >= FEW and c.median < LOW_MEDIAN]
    if weak:
        yield Finding(f"The detector is seldom sure of: {', '.join(weak)}.", "confidence")


def _nearest(nearest: Nearest) -> Iterator[Finding]:
    own = nearest.own_first
    if own.total >= FEW and own.value is not None and own.value < LOW_OWN:
        yield Finding(
            f"Asked with one photo of a product, its other photos come first in only {own.value:.0%} of "
            f"{own.total:,} tries.",
            "neighbours",
        )
