"""Catalogue figures: totals, categories and their colours, detection scores, growth."""

from __future__ import annotations

from collections import defaultdict

from lookdex.catalog import promotion_log
from lookdex.records import LiveEntry, Release
from lookdex.report.disagreements import count_described_products
from lookdex.report.pictures import load_pictures
from lookdex.report.reader import ReleaseReader
from lookdex.report.records import Bar, Category, Confidence, Growth, Share, Step, Totals
from lookdex.storage import Store

# Swatches of the 14 colour names.
FILLS = {
    "black": "#1d1d20", "grey": "#8d9096", "white": "#f6f5f1", "beige": "#dccaae", "brown": "#7f5535",
    "red": "#c22f3a", "orange": "#e2793a", "yellow": "#ecc945", "green": "#4b8a55", "teal": "#2f8f90",
    "blue": "#4a7fc1", "navy": "#22305a", "purple": "#8055a6", "pink": "#e39db2",
}  # fmt: skip
BINS = 20


def totals(reader: ReleaseReader) -> Totals:
    (row,) = reader.query("totals")
    return Totals(
        photos=dict(reader.release.images),
        objects=row["objects"],
        products=row["products"],
        seen_products=row["seen_products"],
        lost_products=row["lost_products"],
        described_products=count_described_products(reader),
        loose_photos=row["loose_photos"],
        photos_per_product=_count_bars(reader, "photos_per_product", "photos", "products"),
        objects_per_photo=_count_bars(reader, "objects_per_photo", "objects", "photos"),
    )


def _count_bars(reader: ReleaseReader, query: str, of: str, what: str) -> tuple[Bar, ...]:
    found = {row[of]: row[what] for row in reader.query(query)}
    steps = range(min(found, default=0), max(found, default=-1) + 1)
    return tuple(Bar(f"{n} or more" if n == 6 else str(n), found.get(n, 0)) for n in steps)


def categories(reader: ReleaseReader) -> tuple[Category, ...]:
    """Categories by number of products, then the shop's categories without any object, by number of photos."""
    rows = reader.query("labels", reader.limits.strip)
    colours: dict[str, list[Bar]] = defaultdict(list)
    for row in reader.query("colours"):
        colours[row["label"]].append(
            Bar(row["colour"], row["products"], FILLS.get(row["colour"], FILLS["grey"]))
        )
    seen = {row["category"]: Share(row["seen"], row["photos"]) for row in reader.query("agreement")}
    shown = load_pictures(reader, (item for row in rows for item in row["examples"]))
    found = [
        Category(
            label=row["label"],
            objects=row["objects"],
            main_objects=row["main_objects"],
            products=row["products"],
            colours=tuple(colours[row["label"]]),
            seen=seen.pop(row["label"], None),
            pictures=shown.pictures(row["examples"]),
        )
        for row in rows
    ]
    undetected = sorted(seen.items(), key=lambda pair: (-pair[1].total, pair[0]))[: reader.limits.undetected]
    return (*found, *(Category(label, 0, 0, 0, (), share, ()) for label, share in undetected))


def confidence(reader: ReleaseReader) -> tuple[Confidence, ...]:
    """By objects, most first; the objects that the detector was least and most sure of."""
    rows = reader.query("scores", reader.limits.strip // 2)
    bins: dict[str, list[int]] = defaultdict(lambda: [0] * BINS)
    for row in reader.query("score_bins"):
        bins[row["label"]][row["bin"]] = row["objects"]
    shown = load_pictures(
        reader, (found["item_id"] for row in rows for found in (*row["unsure"], *row["sure"]))
    )
    return tuple(
        Confidence(
            label=row["label"],
            objects=row["objects"],
            median=row["median"],
            least=row["least"],
            bins=tuple(bins[row["label"]]),
            unsure=tuple(shown.picture(f["item_id"], f"{f['score']:.2f}") for f in row["unsure"]),
            sure=tuple(shown.picture(f["item_id"], f"{f['score']:.2f}") for f in row["sure"]),
        )
        for row in rows
    )


def growth(store: Store, limit: int) -> Growth:
    """The last `limit` releases that are still stored, oldest first."""
    return compare_releases(promotion_log.list_releases(store), promotion_log.read_log(store), limit)


def compare_releases(releases: list[Release], log: list[LiveEntry], limit: int) -> Growth:
    """Compare each release with the one before.

    Args:
        releases: oldest first.
    """
    now = log[-1].release_id if log else None
    been_live = {entry.release_id for entry in log}
    before = [None, *releases]
    steps = [
        Step(
            release=release,
            live=release.release_id == now,
            been_live=release.release_id in been_live,
            new_models=earlier is not None and earlier.recipe.digest != release.recipe.digest,
            more_photos=None
            if earlier is None
            else sum(release.images.values()) - sum(earlier.images.values()),
        )
        for earlier, release in zip(before, releases, strict=False)
    ]
    return Growth(
        steps=tuple(steps[-limit:]),
        forgotten=len(been_live - {release.release_id for release in releases}),
        rollbacks=tuple(entry for entry in log if entry.action == "rollback"),
    )
