"""What a night's plan says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from lookdex.records.photos import Change, SkippedKeys
from lookdex.records.ranges import SourceAccess
from lookdex.records.recipe import Recipe
from lookdex.records.shards import StoredFile
from lookdex.records.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class Unlisted:
    """Products that photos show and the products file does not list. examples: the first few ids, sorted."""

    products: int = 0
    photos: int = 0  # that show only such products
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A product column that differs from the live release's. Types in plain words; "" where there is no such column."""

    name: str
    live: str
    planned: str


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """`plan-<live>.json`: what a night will do, and against what it was compared. `live` is 0 on a first night.

    thresholds: those that the release will keep; products: its product columns. Later stages read no setting of either.
    """

    FORMAT: ClassVar[int] = 2  # 1: without the products or without the thresholds

    run_id: str
    live: int
    release_id: str | None
    source: str
    recipe: Recipe
    changes: dict[str, int]  # Change → images, unchanged among them
    shards: int
    created_at: datetime
    plan: StoredFile
    products_digest: str = ""  # of the product columns that go into the table
    products_changed: bool = False  # they are not the live ones: rows are refreshed without a model
    thresholds: Thresholds | None = None
    thresholds_changed: bool = False  # the live release keeps others
    source_access: SourceAccess = "signed"
    skipped: tuple[SkippedKeys, ...] = ()
    products: StoredFile | None = None  # those columns by product_id, as `items` will have them
    keep_unlisted: bool = False  # photos of products that `products` does not list stay
    leaving: Unlisted | None = None  # live products that leave, with photos that are still in the source
    left_out: Unlisted | None = None  # products that are not live, with photos that are not indexed
    column_changes: tuple[ColumnChange, ...] = ()
    format: int = 1

    @property
    def outdated(self) -> bool:
        """Stored by an older version: it lacks what the release is built from."""
        return self.format < self.FORMAT

    @property
    def planned(self) -> int:
        """Images to index (deleted ones need no work but a delete)."""
        return sum(self.changes.get(c, 0) for c in (Change.NEW, Change.CHANGED, Change.RECIPE, Change.RETRY))

    @property
    def empty(self) -> bool:
        """Nothing to index, to delete or to refresh. A night before anything is live is never empty."""
        changed = self.products_changed or self.thresholds_changed or self.release_id is None
        return self.planned == 0 and self.changes.get(Change.DELETED, 0) == 0 and not changed
