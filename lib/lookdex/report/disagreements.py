"""Products whose shop category differs from what the detector finds in their photos."""

from __future__ import annotations

from lookdex.catalog import tables
from lookdex.report.pictures import load_pictures
from lookdex.report.reader import ReleaseReader
from lookdex.report.records import Disagreement, Disagreements


def disagreements(reader: ReleaseReader) -> Disagreements:
    """Find products whose main object never has the shop's category, in pairs of category and label, most products
    first.
    """
    rows = reader.query("seen_as", 2 * reader.limits.strip)
    mismatches = [row for row in rows if row["label"] != row["category"]]
    listed = mismatches[: reader.limits.disagreements]
    shown = load_pictures(reader, (item for row in listed for item in row["examples"]))
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
        for row in listed
    )
    return Disagreements(
        pairs=pairs,
        pairs_found=len(mismatches),
        products=sum(row["products"] for row in mismatches),
        of=sum(row["products"] for row in rows),
    )


def count_described_products(reader: ReleaseReader) -> int | None:
    """Count the products that the products file describes; None if the release keeps no product column."""
    if not reader.product_columns:
        return None
    return len(tables.read_described_products(reader.store, reader.release))
