"""What a report holds, before it is a page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lookdex.records import CheckResult, LiveEntry, Release


@dataclass(frozen=True, slots=True)
class Limits:
    """What keeps a report small, and its making within bounded memory, at a million rows."""

    thumb: int = 128  # longer side of a picture, pixels
    strip: int = 6  # pictures in a row
    compared: int = 20_000  # photos that are compared each with each; of more, a sample with all
    sampled: int = 2_000  # photos of that sample
    candidates: int = 2_000  # pairs whose pixels are compared
    clusters: int = 16  # of near-duplicates, shown
    disagreements: int = 24  # pairs of a shop's category and a label, shown
    unmet: int = 40  # of the shop's categories that no object is of, shown
    probes: int = 400  # objects whose neighbours are judged
    releases: int = 12
    memory: str = "1GB"  # DuckDB's


@dataclass(frozen=True, slots=True)
class Picture:
    """src: a data: URI, or None where there is nothing to show. mark: 'good', 'odd' or ''."""

    src: str | None
    title: str
    note: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """Of `total` things, `count`; 0 of 0 is no share."""

    count: int
    total: int

    @property
    def value(self) -> float | None:
        return self.count / self.total if self.total else None


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a bar: its name, how much, and its fill (CSS)."""

    name: str
    count: int
    fill: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    photos: dict[str, int]  # Status → photos of the source
    objects: int
    products: int  # that have a photo in the table
    seen_products: int  # of them: those of which an object was found
    lost_products: int  # beside them: those of which no photo could be fetched and read, tonight or before
    described_products: int | None  # of them: those in the products file; None where there was none
    loose_photos: int  # tied to no product
    photos_per_product: tuple[Bar, ...]
    objects_per_photo: tuple[Bar, ...]

    @property
    def source_photos(self) -> int:
        return sum(self.photos.values())


@dataclass(frozen=True, slots=True)
class Category:
    """products: whose photos show it as the main object. seen: of the photos that the shop files here, those in
    which it is what was found. Without objects: only the shop knows it."""

    label: str
    objects: int
    main_objects: int
    products: int
    colours: tuple[Bar, ...]
    seen: Share | None
    pictures: tuple[Picture, ...]

    @property
    def counted(self) -> int:
        """The length of its bar: a product in two colours counts for both."""
        return sum(bar.count for bar in self.colours)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Products that the shop files under `category` and in whose photos the detector sees a `label`."""

    category: str
    label: str
    products: int
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Disagreements:
    """Shop and detector compared over `of` products: those with a category, a photo of their own and an object in it.

    products: seen as something else in all of their photos, in `pairs_found` pairs of category and label, of which
    `pairs` are shown, most products first.
    """

    pairs: tuple[Disagreement, ...]
    pairs_found: int
    products: int
    of: int


@dataclass(frozen=True, slots=True)
class Rejects:
    """The photos of one status and reason; `reason` is None for photos in which nothing was found."""

    status: str
    reason: str | None
    why: str  # for people
    photos: int
    bytes: int
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Confidence:
    """bins: twenty, of the scores 0 … 1."""

    label: str
    objects: int
    median: float
    least: float
    bins: tuple[int, ...]
    unsure: tuple[Picture, ...]
    sure: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Photos that show one and the same picture. same_file: byte for byte."""

    photos: int
    products: int
    same_file: bool
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """clusters: those shown, of several products first. compared: photos looked at; of: all."""

    clusters: tuple[Cluster, ...]
    found: int  # clusters
    photos: int  # in them
    across: int  # clusters of several products
    compared: int
    of: int
    cut: bool  # more candidates than could be compared


@dataclass(frozen=True, slots=True)
class Neighbours:
    """A query object and the nearest objects of other products."""

    label: str
    query: Picture
    nearest: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Nearest:
    """own_first: of the probes whose product has another photo, those whose nearest other photo is its product's.
    same_label: of all probes, those whose nearest other product is of their category."""

    rows: tuple[Neighbours, ...]
    probes: int
    own_first: Share
    same_label: Share


@dataclass(frozen=True, slots=True)
class Step:
    """A stored release in the catalogue's history. more_photos: than in the one before it here; None for the first."""

    release: Release
    live: bool
    been_live: bool
    new_models: bool  # another recipe than the one before it
    more_photos: int | None

    @property
    def photos(self) -> int:
        return sum(self.release.images.values())


@dataclass(frozen=True, slots=True)
class Growth:
    steps: tuple[Step, ...]  # oldest first
    forgotten: int  # releases of the promotion log that are no longer stored
    rollbacks: tuple[LiveEntry, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that deserves a look, and the section that shows it."""

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
    source_note: (
        str  # of what could not be indexed: where it was read, or why it was not; '' where that is plain
    )
    confidence: tuple[Confidence, ...]
    duplicates: Duplicates
    nearest: Nearest
    growth: Growth
    findings: tuple[Finding, ...] = ()

    @property
    def failed_checks(self) -> tuple[CheckResult, ...]:
        return tuple(check for check in self.release.audit if not check.passed)
