"""Releases, and entries of the promotion log. The `Doc` of a field is its description in docs/tables.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from typing_extensions import Doc

from lookdex.records.ranges import Count, Moment, Name, Size, SmallCount, SmallSize, SourceAccess
from lookdex.records.recipe import Recipe
from lookdex.records.shards import StoredFile
from lookdex.records.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class IndexParameters:
    """The vector index of a release and how to search it. Kind 'exact': no index."""

    kind: Annotated[Name, Doc("`exact` (no index), or the kind of the Lance index: `IVF_RQ`, `IVF_SQ` …")]
    partitions: Annotated[SmallCount, Doc("Partitions of the index.")] = 0
    nprobes: Annotated[SmallCount, Doc("Partitions that a query reads.")] = 0
    refine: Annotated[SmallCount, Doc("How many times k candidates are ranked again with exact vectors.")] = 0


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one audit check."""

    name: Annotated[str, Doc("Name of the check.")]
    passed: Annotated[bool, Doc("Whether the check passed.")]
    detail: Annotated[str, Doc("What was counted, or what is wrong.")] = ""
    offenders: Annotated[Count, Doc("Rows that break the check.")] = 0


@dataclass(frozen=True, slots=True)
class Release:
    """`releases/<release_id>.json`, which never changes."""

    release_id: Annotated[Name, Doc("The run's id, with a number if that id was taken.")]
    parent: Annotated[Name | None, Doc("The release that it was built on. Null for the first.")]
    created_at: Annotated[Moment, Doc("When it was built.")]
    source: Annotated[str, Doc("URI of the photos.")]
    items_version: Annotated[Size, Doc("Version of the Lance table `items`.")]
    images_version: Annotated[Size, Doc("Version of the Lance table `images`.")]
    recipe: Annotated[Recipe, Doc("Everything that determines the rows of a photo.")]
    dim: Annotated[SmallSize, Doc("Numbers in a vector.")]
    items: Annotated[Count, Doc("Rows of `items`.")]
    images: Annotated[dict[str, Count], Doc("Photos by status.")]
    index: Annotated[IndexParameters, Doc("The vector index and how to search it.")]
    product_columns: Annotated[tuple[Name, ...], Doc("Names of the published product columns.")]
    products_digest: Annotated[
        str, Doc("16 hex digits over the product columns. Empty without a products file.")
    ] = ""
    audit: Annotated[tuple[CheckResult, ...], Doc("Results of the audit.")] = ()
    thresholds: Annotated[
        Thresholds | None, Doc("Which matches are good and which labels are right. Null if not measured.")
    ] = None
    run_id: Annotated[str, Doc("The run that built it. Empty in releases of old versions.")] = ""
    built_from: Annotated[
        str, Doc("Digest of all inputs of the build. A candidate with another digest is built again.")
    ] = ""
    products: Annotated[
        StoredFile | None, Doc("The product columns as the plan stored them. Null without a products file.")
    ] = None
    keep_unlisted: Annotated[
        bool, Doc("Whether items of products that `products` does not list are intended.")
    ] = False
    format: Annotated[Count, Doc("Format of this record.")] = 1
    source_access: Annotated[SourceAccess, Doc("`signed`, `anonymous` or `requester-pays`.")] = "signed"


@dataclass(frozen=True, slots=True)
class LiveEntry:
    """`live/<n>.json`: one line of the promotion log."""

    n: Annotated[
        int, Field(ge=1, le=99_999_999), Doc("Number of the entry. The highest one decides what is live.")
    ]
    release_id: Annotated[Name, Doc("The release that is live from this entry on.")]
    nonce: Annotated[str, Doc("32 random hex digits, by which a writer recognises its own entry.")]
    at: Annotated[Moment, Doc("When the entry was written.")]
    action: Annotated[str, Doc("`promote`, `rollback` or `resume`.")]
    hold: Annotated[bool, Doc("Whether promotions are held until `lookdex resume`.")] = False
    note: Annotated[str, Doc("Reason given with `lookdex rollback --note`.")] = ""

    @property
    def since(self) -> int:
        """The entry that made this release live. An entry that lifts a hold follows it."""
        return self.n - 1 if self.action == "resume" else self.n
