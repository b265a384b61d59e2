"""What the shop says a product is, and what the detector sees in its photos."""

from __future__ import annotations

from lookdex.catalog import tables
from lookdex.report.pictures import show
from lookdex.report.published import Published
from lookdex.report.records import Disagreement, Filed


def filed(published: Published) -> Filed:
    """Products of photos of their own, by the shop's category; those in none of whose photos the product's object is
    of it, the category and label of most products first."""
    rows = published.ask("seen_as", 2 * published.limits.strip)
    others = [row for row in rows if row["label"] != row["category"]]
    some = others[: published.limits.disagreements]
    shown = show(published, (item for row in some for item in row["examples"]))
    pairs = tuple(
        Disagreement(
            category=row["category"],
            label=row["label"],
            products=row["products"],
            pictures=tuple(
                shown.picture(item, str(shown.rows[item]["product_id"]))
                for item in row["examples"]
                if item in shown.rows
            ),
        )
        for row in some
    )
    return Filed(
        pairs=pairs,
        pairs_found=len(others),
        products=sum(row["products"] for row in others),
        of=sum(row["products"] for row in rows),
    )


def products_told_of(published: Published) -> int | None:
    """The products that the products file told something of; None where no column of one is kept."""
    if not published.product_columns:
        return None
    return len(tables.described_products(published.store, published.release))
