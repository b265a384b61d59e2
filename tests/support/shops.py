"""Catalogues of products in the fakes' colours, opened with the fakes as models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lookdex.records import Threshold, Thresholds, Trust
from lookdex.search.answer.lanes import FoundObject
from lookdex.search.catalog import Catalog
from lookdex.storage import open_store
from tests.fakes import recipe
from tests.support.catalogs import Shown, opened, publish, stock

__all__ = ["labels", "opened", "products", "shop_in", "stocked", "thresholds"]


def thresholds(similarity: float = 0.9, believed: float = 0.2, **by_category: float) -> Thresholds:
    def at(value: float) -> Threshold:
        return Threshold(value, 1.0, 0.0, 20, 20, False)

    each = {category: at(value) for category, value in by_category.items()}
    fake = recipe()
    return Thresholds(
        0.95, 20, fake.embedder, fake.embedder_digest, at(similarity), each, fake.detector, fake.detector_digest,
        Trust(0.99, believed, {}), 2,
    )  # fmt: skip


def shop_in(folder: Path, shown: Sequence[Shown], **changes: Any) -> Catalog:
    """Publish a release in the folder and open it. changes: keyword arguments of `write_release`."""
    publish(open_store(str(folder)), "night-1", shown, **changes)
    return opened(folder)


def stocked(folder: Path) -> Catalog:
    """24 products in six colours with two photos each; the thresholds trust every label."""
    return shop_in(folder, stock(products=24), thresholds=thresholds())


def products(lane: FoundObject) -> list[str | None]:
    return [match.product_id for match in lane.matches]


def labels(lane: FoundObject) -> set[str | None]:
    return {match.label for match in lane.matches}
