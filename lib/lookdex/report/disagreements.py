"""What the shop says a product is, and what the detector sees in its photos."""

from __future__ import annotations

from lookdex.catalog import tables
from lookdex.report.pictures import show
from lookdex.report.reader import ReleaseReader
from lookdex.report.records import Disagreement, Disagreements


def disagreements(reader: ReleaseReader) -> Disagreements:
    """Products of photos of their own, by the shop's category; those in none of whose photos the product's object is
    of it, the category and label of most products first."""
    rows = reader.query("seen_as", 2 * reader.limits.strip)
    others = [row for row in rows if row["label"] != row["category"]]
    some = others[: reader.limits.disagreements]
    shown = show(reader, (item for row in some for item in row["examples"]))
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
    return Disagreements(
        pairs=pairs,
        pairs_found=len(others),
        products=sum(row["products"] for row in others),
        of=sum(row["products"] for row in rows),
    )


def count_described_products(reader: ReleaseReader) -> int | None:
    """The products that the products file told something of; None where no column of one is kept."""
    if not reader.product_columns:
        return None
    return len(tables.described_products(reader.store, reader.release))
