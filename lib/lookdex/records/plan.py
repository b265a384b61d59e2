"""The summary of a plan."""

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
    """Products of photos that the products file does not list. examples: the first few ids, sorted."""

    products: int = 0
    photos: int = 0  # with only such products
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A product column that differs from the live release's. Types are in plain words; "": there is no such column."""

    name: str
    live: str
    planned: str


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """`plan-<live>.json`: what a night will do, and the live release that it was compared with.

    live: entry of the promotion log; 0 on a first night. thresholds, products: those of the release to build; later
    stages do not read these settings.
    """

    FORMAT: ClassVar[int] = 2  # 1: without the products or without the thresholds

    run_id: str
    live: int
    release_id: str | None
    source: str
    recipe: Recipe
    changes: dict[str, int]  # Change → photos, including unchanged ones
    shards: int
    created_at: datetime
    plan: StoredFile
    products_digest: str = ""  # of the product columns
    products_changed: bool = False  # they differ from the live ones: rows are updated without running models
    thresholds: Thresholds | None = None
    thresholds_changed: bool = False  # they differ from those of the live release
    source_access: SourceAccess = "signed"
    skipped: tuple[SkippedKeys, ...] = ()
    products: StoredFile | None = None  # product_id and the product columns
    keep_unlisted: bool = False  # keep photos of products that `products` does not list
    leaving: Unlisted | None = None  # live products that will leave, with photos that are still in the source
    left_out: Unlisted | None = None  # products that are not live, with photos that will not be indexed
    column_changes: tuple[ColumnChange, ...] = ()
    format: int = 1

    @property
    def outdated(self) -> bool:
        """Whether an older version stored it, without all inputs of a release."""
        return self.format < self.FORMAT

    @property
    def planned(self) -> int:
        """Photos to index; deleted ones do not count."""
        return sum(self.changes.get(c, 0) for c in (Change.NEW, Change.CHANGED, Change.RECIPE, Change.RETRY))

    @property
    def empty(self) -> bool:
        """Whether there is nothing to index, delete or update. A first night is never empty."""
        changed = self.products_changed or self.thresholds_changed or self.release_id is None
        return self.planned == 0 and self.changes.get(Change.DELETED, 0) == 0 and not changed
