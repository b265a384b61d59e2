"""What the vectors find alike: for some objects the nearest ones of other products, and two figures over a sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lookdex.catalog.sql import listed
from lookdex.records import Role, Scope
from lookdex.report import vectors
from lookdex.report.duplicates import sampled
from lookdex.report.pictures import ItemPictures, show
from lookdex.report.reader import ReleaseReader
from lookdex.report.records import Nearest, Neighbours, Picture, Share

MAIN = f"scope = '{Scope.OBJECT}' AND role = '{Role.MAIN}'"
ROWS = 60  # nearest rows looked at: a product has a few photos
ROWS_SHOWN = 14
TWO_ROWS = 6  # categories, at most, that get two rows each
_COLUMNS = ("item_id", "image_key", "product_id", "label")


@dataclass(frozen=True, slots=True)
class Probe:
    """An object and the rows nearest to it, nearest first, with their cosines; itself is not among them."""

    item: Mapping[str, Any]
    near: tuple[tuple[Mapping[str, Any], float], ...]

    @property
    def others(self) -> list[tuple[Mapping[str, Any], float]]:
        """The nearest row of each other product."""
        first: dict[str, tuple[Mapping[str, Any], float]] = {}
        for row, cosine in self.near:
            if row["product_id"] is not None and row["product_id"] != self.item["product_id"]:
                first.setdefault(row["product_id"], (row, cosine))
        return list(first.values())

    @property
    def other_photos(self) -> list[Mapping[str, Any]]:
        return [row for row, _ in self.near if row["image_key"] != self.item["image_key"]]


def neighbours(reader: ReleaseReader) -> Nearest:
    """The rows shown are one or two objects of each category; the figures are over a sample of main objects."""
    labels = reader.query("first_main_of_each_label", 2)
    labels.sort(key=lambda row: row["label"])
    each = 2 if len(labels) <= TWO_ROWS else 1
    picked = [item for row in labels for item in row["item_ids"][:each]][:ROWS_SHOWN]
    probes = probe(reader, picked)
    drawn = {p.item["item_id"]: p for p in probes}
    chosen = [drawn[item] for item in picked if item in drawn]
    most = reader.limits.strip
    wanted = [p.item["item_id"] for p in chosen]
    wanted += [row["item_id"] for p in chosen for row, _ in p.others[:most]]
    shown = show(reader, wanted) if wanted else ItemPictures({}, {})
    judged = [p for p in probes if p.item["product_id"] is not None]
    several = several_photos(reader, {p.item["product_id"] for p in judged})
    return Nearest(
        rows=tuple(_row(p, shown, most) for p in chosen),
        probes=len(judged),
        own_first=own_first([p for p in judged if p.item["product_id"] in several]),
        same_label=same_label(judged),
    )


def probe(reader: ReleaseReader, picked: Sequence[str]) -> list[Probe]:
    """The picked items and about `limits.probes` others, each with the rows nearest to it."""
    table = reader.tables.items
    total = table.count_rows(MAIN)
    share = reader.limits.probes / max(total, 1)
    where = (
        f"{MAIN} AND ({sampled('item_id', share)}{f' OR item_id IN ({listed(picked)})' if picked else ''})"
    )
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


def own_first(probes: Iterable[Probe]) -> Share:
    """Of the probes, those whose nearest object of another photo belongs to their own product. Pure."""
    first = [(p.item["product_id"], p.other_photos[0]["product_id"]) for p in probes if p.other_photos]
    return Share(sum(own == found for own, found in first), len(first))


def same_label(probes: Iterable[Probe]) -> Share:
    """Of the probes, those whose nearest other product was found to be of their own category. Pure."""
    first = [(p.item["label"], p.others[0][0]["label"]) for p in probes if p.others]
    return Share(sum(own == found for own, found in first), len(first))


def several_photos(reader: ReleaseReader, products: Iterable[str]) -> set[str]:
    """Those of the products of which an object was found in more than one photo."""
    found = reader.connection.execute(
        f"SELECT product_id FROM items WHERE {MAIN} AND product_id IN (SELECT unnest($products)) "
        "GROUP BY product_id HAVING count(DISTINCT image_key) > 1",
        {"products": sorted(products)},
    )
    return {product for (product,) in found.fetchall()}


def _row(probe: Probe, shown: ItemPictures, most: int) -> Neighbours:
    def picture(row: Mapping[str, Any], note: str) -> Picture:
        odd = row["label"] != probe.item["label"]
        return shown.picture(row["item_id"], f"{note} {row['label']}" if odd else note, "odd" if odd else "")

    return Neighbours(
        label=probe.item["label"],
        query=shown.picture(probe.item["item_id"]),
        nearest=tuple(
            picture(row, f"{cosine:.2f}")
            for row, cosine in probe.others[:most]
            if row["item_id"] in shown.rows
        ),
    )
