"""Releases, and entries of the promotion log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from lookdex.records.ranges import Count, Moment, Name, Size, SmallCount, SmallSize, SourceAccess
from lookdex.records.recipe import Recipe
from lookdex.records.shards import StoredFile
from lookdex.records.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class IndexParameters:
    """The vector index of a release and how to search it. Kind 'exact': no index."""

    kind: Name  # exact | IVF_RQ | IVF_SQ …
    partitions: SmallCount = 0
    nprobes: SmallCount = 0
    refine: SmallCount = 0


@dataclass(frozen=True, slots=True)
class CheckResult:
    name: str
    passed: bool
    detail: str = ""
    offenders: Count = 0


@dataclass(frozen=True, slots=True)
class Release:
    """`releases/<release_id>.json`, which never changes.

    release_id: the run's id, with a number if that was taken. thresholds: the similarity from which a match is good;
    None if they were not measured for these models. run_id: the run that built it; "" in a release of an older version
    (see `release.candidates`). built_from: digest of all inputs of the build; a candidate with another digest is built
    again. products: the product columns as the plan stored them; None without a products file.
    """

    release_id: Name
    parent: Name | None
    created_at: Moment
    source: str
    items_version: Size
    images_version: Size
    recipe: Recipe
    dim: SmallSize
    items: Count
    images: dict[str, Count]  # Status → photos
    index: IndexParameters
    product_columns: tuple[Name, ...]
    products_digest: str = ""
    audit: tuple[CheckResult, ...] = ()
    thresholds: Thresholds | None = None
    run_id: str = ""
    built_from: str = ""
    products: StoredFile | None = None
    keep_unlisted: bool = False  # items of products that `products` does not list are intended
    format: Count = 1
    source_access: SourceAccess = "signed"


@dataclass(frozen=True, slots=True)
class LiveEntry:
    """`live/<n>.json`: one line of the promotion log."""

    n: Annotated[int, Field(ge=1, le=99_999_999)]
    release_id: Name
    nonce: str
    at: Moment
    action: str  # promote | rollback | resume
    hold: bool = False
    note: str = ""

    @property
    def since(self) -> int:
        """The entry that made this release live. An entry that lifts a hold follows it."""
        return self.n - 1 if self.action == "resume" else self.n
