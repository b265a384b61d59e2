"""Contents of a report, before rendering."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lookdex.records import CheckResult, LiveEntry, Release


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that keep a report small and its memory bounded at a million rows."""

    thumb: int = 128  # longer side of a thumbnail, pixels
    strip: int = 6  # pictures per row
    compared: int = 20_000  # up to this many photos are compared pairwise; beyond it, a sample with all
    sampled: int = 2_000  # size of that sample
    candidates: int = 2_000  # pairs compared by their pixels
    clusters: int = 16  # clusters of near-duplicates shown
    disagreements: int = 24  # pairs of shop category and label shown
    undetected: int = 40  # shop categories without objects shown
    probes: int = 400  # objects sampled for neighbours
    releases: int = 12
    memory: str = "1GB"  # of DuckDB


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the page."""

    src: str | None
    """A data: URI, or None if there is no picture."""
    title: str
    note: str = ""
    mark: str = ""
    """'good', 'odd' or ''."""


@dataclass(frozen=True, slots=True)
class Share:
    """`count` out of `total`."""

    count: int
    total: int

    @property
    def value(self) -> float | None:
        return self.count / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a chart: its name, count and fill (CSS)."""

    name: str
    count: int
    fill: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    photos: dict[str, int]  # Status → photos of the source
    objects: int
    products: int  # with a photo in the release
    seen_products: int  # products with an object
    lost_products: int  # not in `products`: none of their photos was ever fetched and decoded
    described_products: int | None  # products in the products file; None if there is none
    loose_photos: int  # photos without a product
    photos_per_product: tuple[Bar, ...]
    objects_per_photo: tuple[Bar, ...]

    @property
    def source_photos(self) -> int:
        return sum(self.photos.values())


@dataclass(frozen=True, slots=True)
class Category:
    """A category of the release. One without objects is known from the shop only."""

    label: str
    objects: int
    main_objects: int
    products: int
    """Those with a main object of the category."""
    colours: tuple[Bar, ...]
    seen: Share | None
    """Share of the shop's photos of this category whose main object has it."""
    pictures: tuple[Picture, ...]

    @property
    def counted(self) -> int:
        """Length of its bar. A product in two colours counts twice."""
        return sum(bar.count for bar in self.colours)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Products of the shop's `category` whose photos show a `label`."""

    category: str
    label: str
    products: int
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Disagreements:
    """Products whose category, as the shop says, was not detected in any of their photos."""

    pairs: tuple[Disagreement, ...]
    """The pairs of category and label that are shown, most products first."""
    pairs_found: int
    products: int
    """Detected as another category in all of their photos."""
    of: int
    """Products compared: those with a category, a photo of their own and an object in it."""


@dataclass(frozen=True, slots=True)
class Rejects:
    """Photos of one status and reason. `reason` is None for photos without objects."""

    status: str
    reason: str | None
    why: str  # explanation for the reader
    photos: int
    bytes: int
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Confidence:
    """Score distribution of a label."""

    label: str
    objects: int
    median: float
    least: float
    bins: tuple[int, ...]
    """20, over scores 0 … 1."""
    unsure: tuple[Picture, ...]
    sure: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Photos that show the same picture."""

    photos: int
    products: int
    same_file: bool
    """Identical bytes."""
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Clusters of photos that show the same picture."""

    clusters: tuple[Cluster, ...]
    """Those shown, with several products first."""
    found: int  # clusters
    photos: int  # in them
    across: int  # clusters with several products
    compared: int
    """Photos searched for duplicates, out of `of`."""
    of: int
    cut: bool  # whether there were more candidates than `Limits.candidates`


@dataclass(frozen=True, slots=True)
class Neighbours:
    """An object and the nearest objects of other products."""

    label: str
    query: Picture
    nearest: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Nearest:
    """Nearest neighbours of sampled objects."""

    rows: tuple[Neighbours, ...]
    probes: int
    own_first: Share
    """Of the probes whose product has another photo, those whose nearest other photo is one of them."""
    same_label: Share
    """Of all probes, those whose nearest other product has their label."""


@dataclass(frozen=True, slots=True)
class Step:
    """A stored release."""

    release: Release
    live: bool
    been_live: bool
    new_models: bool  # the recipe differs from the release before
    more_photos: int | None
    """Change since the release before it; None for the first."""

    @property
    def photos(self) -> int:
        return sum(self.release.images.values())


@dataclass(frozen=True, slots=True)
class Growth:
    steps: tuple[Step, ...]  # oldest first
    forgotten: int  # releases in the promotion log that are no longer stored
    rollbacks: tuple[LiveEntry, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding, and the section with its details."""

    text: str
    section: str


@dataclass(frozen=True, slots=True)
class Report:
    catalog: str
    release: Release
    made_at: datetime
    is_live: bool
    totals: Totals
    categories: tuple[Category, ...]
    disagreements: Disagreements
    rejects: tuple[Rejects, ...]
    source_note: str  # where unindexed photos were read, or why they are not shown; may be ''
    confidence: tuple[Confidence, ...]
    duplicates: Duplicates
    nearest: Nearest
    growth: Growth
    findings: tuple[Finding, ...] = ()

    @property
    def failed_checks(self) -> tuple[CheckResult, ...]:
        return tuple(check for check in self.release.audit if not check.passed)
