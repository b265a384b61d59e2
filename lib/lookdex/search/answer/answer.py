"""The answer to a query: typed, wholly from one release.

Its JSON is `wire` (with a published schema), its table for terminals is `text`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from lookdex.imaging import colour
from lookdex.imaging.colour.names import vote
from lookdex.records import Box, Recipe, Swatch
from lookdex.search.answer.kinds import Kind, Other, Widened
from lookdex.taxonomy import korean

if TYPE_CHECKING:
    from lookdex.search.answer.facets import Facets

FORMAT = 2  # of the JSON; raised when a field changes its meaning or goes


@dataclass(frozen=True, slots=True)
class Models:
    """What the release was built with, and the query answered with."""

    detector: str
    detector_digest: str
    embedder: str
    embedder_digest: str

    @classmethod
    def of(cls, recipe: Recipe) -> Models:
        return cls(recipe.detector, recipe.detector_digest, recipe.embedder, recipe.embedder_digest)


@dataclass(frozen=True, slots=True)
class Match:
    """A product of the answer, by its best row.

    `similarity` is the cosine of the row's vector and the lane's (-1 … 1), computed exactly whatever the index
    approximates; `distance` is 1 - similarity. `score` is what the ranks follow unless the answer is sorted by a
    column: the similarity, or with a colour
    emphasis w, (1 - w) × similarity + w × colour similarity. `product_id` is None for a photo that is linked to no
    product. `box` holds pixels of the photo `image_key`. `columns` are the product's (title, price, …). `palette` is
    what the row's object looks like in at most five colours, and `colour_similarity` (0 … 1) how alike that is to the
    lane's; () and None where a lane has no picture, or the release is of a lookdex that kept no palettes.
    `text_similarity`: the cosine with the text alone, where photo and text were asked together. `good`: the similarity
    reaches the lane's threshold; None where it has none. `folded`: rows that show nearly the same picture and were
    left out for it; `folded_products`: whose they are, where it is another product. `other`: it is not of the category,
    or the colour, that was asked first; ranks follow `score` among those that are, then among those that are not.
    """

    rank: int  # 1 is the best
    product_id: str | None
    similarity: float
    distance: float
    item_id: str
    image_key: str
    label: str | None
    colour: str | None
    box: Box
    columns: Mapping[str, Any] = field(default_factory=dict)
    crop: bytes | None = field(default=None, repr=False)  # JPEG, as the table keeps it
    palette: tuple[Swatch, ...] = field(default=(), repr=False)
    colour_similarity: float | None = None
    text_similarity: float | None = None
    good: bool | None = None
    folded: int = 0
    folded_products: tuple[str, ...] = ()
    score: float = 0.0
    other: Other | None = None

    @property
    def label_ko(self) -> str | None:
        """`label` in Korean."""
        return korean.category_shown(self.label)

    @property
    def colour_ko(self) -> str | None:
        """`colour` in Korean."""
        return korean.colour_shown(self.colour)

    @property
    def swatches(self) -> tuple[Shown, ...]:
        return tuple(Shown.of(swatch) for swatch in self.palette)


@dataclass(frozen=True, slots=True)
class Shown:
    """A colour of a palette with what a screen shows for it ('#rrggbb')."""

    l: float  # noqa: E741
    a: float
    b: float
    share: float
    hex: str

    @classmethod
    def of(cls, swatch: Swatch) -> Shown:
        return cls(swatch.l, swatch.a, swatch.b, swatch.share, colour.hex_of(swatch))


@dataclass(frozen=True, slots=True)
class Part:
    """What one of several photos of an item was asked with. photo: its number, from 0. box: None, the whole photo."""

    photo: int
    box: Box | None
    label: str | None = None
    score: float | None = None
    crop: bytes | None = field(default=None, repr=False)

    @property
    def label_ko(self) -> str | None:
        """`label` in Korean."""
        return korean.category_shown(self.label)


@dataclass(frozen=True, slots=True)
class FoundObject:
    """One lane of the query and its matches, each of another product.

    `box` holds pixels of the upright query photo; None for several photos, products, texts and vectors. `exhausted`:
    the page has fewer than k, as no more fit. `main`: the most prominent object of the photo.
    `colour_share`: the share (0 … 1) of the object's own pixels that have its `colour`. `palette`: at most five
    colours of those pixels, largest share first; () for the whole photo, texts and vectors. `within`: the category
    whose products were asked for; None where all were. `tint`: the colour that the text names, asked first. `widened`:
    why other products follow or mix in; None when they do not. `threshold`: from which similarity on a match is good,
    calibrated with the release; None where it has none for this lane. `text`: what was asked with, alone or beside the
    photo. `understood`: a word of that text names a category, a colour or a look, or stands in a product's columns (an
    embedder finds something near any text). `product_id`: what was asked with, for a product; `parts`: for several
    photos.
    """

    kind: Kind
    matches: tuple[Match, ...]
    exhausted: bool
    box: Box | None = None
    label: str | None = None
    score: float | None = None
    colour: str | None = None
    main: bool = False
    crop: bytes | None = field(default=None, repr=False)  # JPEG of what was embedded
    text: str | None = None
    palette: tuple[Swatch, ...] = field(default=(), repr=False)
    colour_share: float | None = None
    within: str | None = None
    tint: str | None = None
    widened: Widened | None = None
    threshold: float | None = None
    product_id: str | None = None
    parts: tuple[Part, ...] = ()
    understood: bool | None = None  # without a text

    @property
    def label_ko(self) -> str | None:
        """`label` in Korean."""
        return korean.category_shown(self.label)

    @property
    def colour_ko(self) -> str | None:
        """`colour` in Korean."""
        return korean.colour_shown(self.colour)

    @property
    def swatches(self) -> tuple[Shown, ...]:
        return tuple(Shown.of(swatch) for swatch in self.palette)

    @property
    def colour_hex(self) -> str | None:
        """What a screen shows for `colour` ('#rrggbb'): the largest of the palette's swatches that has the name.

        The name is what most pixels are called; the largest swatch, a mean of many, may be called otherwise. None where
        no swatch has the name.
        """
        one = np.ones(1)
        called = (
            (swatch, vote(np.array([[swatch.l, swatch.a, swatch.b]]), one)[0]) for swatch in self.palette
        )
        return next((colour.hex_of(swatch) for swatch, name in called if name == self.colour), None)

    @property
    def no_good_match(self) -> bool | None:
        """No match reaches the threshold; None without a threshold."""
        return None if self.threshold is None else not any(match.good for match in self.matches)


@dataclass(frozen=True, slots=True)
class Piece:
    """The product of a look for one object of the photo: object is its number among the answer's, from 0.

    price: None where the product has none. good: as in its `Match`.
    """

    object: int
    label: str | None
    product_id: str
    item_id: str
    similarity: float
    price: float | None
    good: bool | None

    @property
    def label_ko(self) -> str | None:
        """`label` in Korean."""
        return korean.category_shown(self.label)


@dataclass(frozen=True, slots=True)
class Worn:
    """An object of a catalogue photo that looks like object number `object` of the query."""

    object: int
    item_id: str
    label: str | None
    box: Box
    similarity: float


@dataclass(frozen=True, slots=True)
class LookPhoto:
    """A photo of the catalogue that shows an outfit like the query's.

    score: the mean over the query's objects of the cosine with the most similar object of the photo of the same
    label, 0 for an object without one. worn: those pairs. item_id: of the photo's whole-photo row, whose crop shows
    it. similarity: of the two whole photos. product_id, columns: of the product whose photo it is.
    """

    rank: int
    image_key: str
    item_id: str
    product_id: str | None
    score: float
    similarity: float
    worn: tuple[Worn, ...]
    columns: Mapping[str, Any] = field(default_factory=dict)
    crop: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Look:
    """The outfit: the best product of each object as one set, and catalogue photos that show one like it.

    total: the sum of the prices that are known, in the unit of the column `price_column`; None without any.
    unpriced: pieces without a price. missing: the numbers of the objects without a product of their own kind that is a
    good match (where that is known) and stands for no other object. photos: only when they were asked for.
    """

    pieces: tuple[Piece, ...]
    price_column: str | None
    total: float | None
    unpriced: int
    missing: tuple[int, ...]
    photos: tuple[LookPhoto, ...] = ()

    @property
    def complete(self) -> bool:
        """Every object has a product that may be shown."""
        return not self.missing


@dataclass(frozen=True, slots=True)
class Next:
    """The options that ask for the following page, everything else of the question being the same."""

    offset: int
    release: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Every object found, best score first, and the whole photo as one more lane.

    A query by text, product or vector has one object and no `whole`. `look`: for photos with two or more objects.
    `goes_with`: what is worn with the product that was asked with, when that was asked for. `seconds` is the time of
    each step. `next`: where the following page begins; None where no lane has more, or pages end. `facets`: of the
    products that pass the filter, when they were asked for.
    """

    release_id: str
    released_at: datetime
    models: Models
    objects: tuple[FoundObject, ...]
    whole: FoundObject | None
    seconds: Mapping[str, float]
    width: int | None = None  # of the upright query photo, pixels
    height: int | None = None
    look: Look | None = None
    goes_with: tuple[FoundObject, ...] = ()
    format: int = FORMAT
    next: Next | None = None
    facets: Facets | None = None

    @property
    def lanes(self) -> tuple[FoundObject, ...]:
        """The objects, then the whole photo."""
        return self.objects if self.whole is None else (*self.objects, self.whole)

    @property
    def no_object(self) -> bool:
        """The detector found nothing: only the whole photo answers."""
        return not self.objects

    def as_dict(self, *, crops: bool = False) -> dict[str, Any]:
        """Plain values for JSON; with `crops`, the JPEGs as base64, else null."""
        from lookdex.search.answer import wire

        return wire.as_dict(self, crops=crops)

    def to_json(self, *, crops: bool = False, indent: int | None = 1) -> str:
        """The JSON that the schema `answer-2.json` describes; with `crops`, the JPEGs as base64, else null."""
        from lookdex.search.answer import wire

        return wire.to_json(self, crops=crops, indent=indent)

    def to_table(self, *, width: int | None = None) -> str:
        """The answer as text for a terminal of `width` columns (default: this terminal's)."""
        from lookdex.search.answer import text

        return text.as_table(self, width)
