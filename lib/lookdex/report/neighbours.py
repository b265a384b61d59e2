"""Nearest neighbours: sample objects with the closest objects of other products, and two quality figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lookdex.catalog.sql import listed
from lookdex.records import Role, Scope
from lookdex.report import vectors
from lookdex.report.duplicates import sample_predicate
from lookdex.report.pictures import ItemPictures, load_pictures
from lookdex.report.reader import ReleaseReader, Row
from lookdex.report.records import Nearest, Neighbours, Picture, Share

MAIN = f"scope = '{Scope.OBJECT}' AND role = '{Role.MAIN}'"
ROWS = 60  # neighbours fetched per object, because a product has several photos
ROWS_SHOWN = 14
TWO_ROWS = 6  # with at most this many categories, each gets two rows
_COLUMNS = ("item_id", "image_key", "product_id", "label")


@dataclass(frozen=True, slots=True)
class Probe:
    """An object and its nearest rows with their cosines, nearest first, without itself."""

    item: Row
    near: tuple[tuple[Row, float], ...]

    @property
    def others(self) -> list[tuple[Row, float]]:
        """The nearest row of each other product."""
        first: dict[str, tuple[Row, float]] = {}
        for row, cosine in self.near:
            if row["product_id"] is not None and row["product_id"] != self.item["product_id"]:
                first.setdefault(row["product_id"], (row, cosine))
        return list(first.values())

    @property
    def other_photos(self) -> list[Row]:
        return [row for row, _ in self.near if row["image_key"] != self.item["image_key"]]


def neighbours(reader: ReleaseReader) -> Nearest:
    """Compute the rows to show (one or two objects per category) and the figures over a sample of main objects."""
    labels = reader.query("first_main_of_each_label", 2)
    labels.sort(key=lambda row: row["label"])
    per_label = 2 if len(labels) <= TWO_ROWS else 1
    picked = [item for row in labels for item in row["item_ids"][:per_label]][:ROWS_SHOWN]
    probes = probe(reader, picked)
    by_id = {p.item["item_id"]: p for p in probes}
    chosen = [by_id[item] for item in picked if item in by_id]
    limit = reader.limits.strip
    wanted = [p.item["item_id"] for p in chosen]
    wanted += [row["item_id"] for p in chosen for row, _ in p.others[:limit]]
    shown = load_pictures(reader, wanted) if wanted else ItemPictures({}, {})
    judged = [p for p in probes if p.item["product_id"] is not None]
    several = find_with_several_photos(reader, {p.item["product_id"] for p in judged})
    return Nearest(
        rows=tuple(_row(p, shown, limit) for p in chosen),
        probes=len(judged),
        own_first=share_own_first([p for p in judged if p.item["product_id"] in several]),
        same_label=share_same_label(judged),
    )


def probe(reader: ReleaseReader, picked: Sequence[str]) -> list[Probe]:
    """Find the neighbours of the picked items and of about `limits.probes` others."""
    table = reader.tables.items
    total = table.count_rows(MAIN)
    share = reader.limits.probes / max(total, 1)
    where = f"{MAIN} AND ({sample_predicate('item_id', share)}{f' OR item_id IN ({listed(picked)})' if picked else ''})"
    found = list(vectors.batches(table, where))
    if not found:
        return []
    ids = np.concatenate([rows for rows, _ in found])
    queries = np.concatenate([part for _, part in found])
    near = vectors.nearest(vectors.batches(table, MAIN), queries, ROWS)
    rows = reader.rows_by_id({*ids.tolist(), *near.rows[near.rows >= 0].tolist()}, _COLUMNS)
    return [
        Probe(
            rows[own],
            tuple(
                (rows[row], cosine)
                for row, cosine in zip(nearest, cosines, strict=True)
                if row >= 0 and row != own
            ),
        )
        for own, nearest, cosines in zip(ids.tolist(), near.rows.tolist(), near.cosines.tolist(), strict=True)
    ]


def share_own_first(probes: Iterable[Probe]) -> Share:
    """Of the probes, those whose nearest object of another photo belongs to the same product."""
    first = [(p.item["product_id"], p.other_photos[0]["product_id"]) for p in probes if p.other_photos]
    return Share(sum(own == found for own, found in first), len(first))


def share_same_label(probes: Iterable[Probe]) -> Share:
    """Of the probes, those whose nearest other product has the same label."""
    first = [(p.item["label"], p.others[0][0]["label"]) for p in probes if p.others]
    return Share(sum(own == found for own, found in first), len(first))


def find_with_several_photos(reader: ReleaseReader, products: Iterable[str]) -> set[str]:
    """Return the products with objects in more than one photo."""
    found = reader.connection.execute(
        f"SELECT product_id FROM items WHERE {MAIN} AND product_id IN (SELECT unnest($products)) "
        "GROUP BY product_id HAVING count(DISTINCT image_key) > 1",
        {"products": sorted(products)},
    )
    return {product for (product,) in found.fetchall()}


def _row(probe: Probe, shown: ItemPictures, limit: int) -> Neighbours:
    def picture(row: Row, note: str) -> Picture:
        odd = row["label"] != probe.item["label"]
        return shown.picture(row["item_id"], f"{note} {row['label']}" if odd else note, "odd" if odd else "")

    return Neighbours(
        label=probe.item["label"],
        query=shown.picture(probe.item["item_id"]),
        nearest=tuple(
            picture(row, f"{cosine:.2f}")
            for row, cosine in probe.others[:limit]
            if row["item_id"] in shown.rows
        ),
    )
