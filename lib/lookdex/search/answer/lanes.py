"""The lanes of an answer, and their matches."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from pydantic import computed_field

from lookdex.imaging import colour
from lookdex.imaging.colour.names import vote
from lookdex.records import Box
from lookdex.search.answer.fields import (
    Columns,
    Cosine,
    Count,
    Hex,
    Jpeg,
    Palette,
    Positive,
    Record,
    Rounded,
    Share,
)
from lookdex.search.answer.kinds import LaneKind, Other, Widened
from lookdex.taxonomy import korean


@dataclass(frozen=True, slots=True, kw_only=True)
class Match(Record):
    """A product, by its best row."""

    rank: Positive
    """1 is the first of all pages: the best, or with `sort` the first in that order."""
    product_id: str | None
    """null for a photo that is linked to no product."""
    similarity: Cosine
    """Cosine of the row's vector and the lane's, exact even if the index is approximate."""
    distance: Rounded
    """1 - similarity."""
    score: Rounded = 0.0
    """What matches are ranked by without `sort`, those with `other` last: the similarity, or with a colour weight w,
    (1 - w) × similarity + w × colour_similarity.
    """
    other: Other | None = None
    """How the product differs from what was asked for: it is of another category than the lane's `within` (kind), or of
    another colour than its `tint` (colour); null if it does not.
    """
    colour_similarity: Share | None = None
    """Similarity of the two palettes; null if one of them is missing."""
    text_similarity: Cosine | None = None
    """Cosine with the text alone, for a photo with a text."""
    good: bool | None = None
    """similarity ≥ the lane's threshold; null without a threshold."""
    item_id: str
    """The row; /v1/crops/{item_id} shows it."""
    image_key: str
    """The catalogue photo."""
    box: Box
    """Where in that photo."""
    label: str | None
    colour: str | None
    palette: Palette = field(default=(), repr=False)
    """At most five colours, largest share first; [] for whole photos and in releases without palettes."""
    folded: Count = 0
    """Rows left out because they show nearly the same picture."""
    folded_products: tuple[str, ...] = ()
    """The other products among them."""
    columns: Columns = field(default_factory=dict)
    crop: Jpeg = field(default=None, repr=False)

    @computed_field
    @property
    def label_ko(self) -> str | None:
        """`label` in Korean."""
        return korean.category_name(self.label)

    @computed_field
    @property
    def colour_ko(self) -> str | None:
        """`colour` in Korean."""
        return korean.colour_name(self.colour)


@dataclass(frozen=True, slots=True)
class Part(Record):
    """The query object of one of several photos."""

    photo: Count
    """Number of the photo, from 0."""
    box: Box | None
    """null for the whole photo."""
    label: str | None = None
    score: Rounded | None = None
    crop: Jpeg = field(default=None, repr=False)

    @computed_field
    @property
    def label_ko(self) -> str | None:
        """`label` in Korean."""
        return korean.category_name(self.label)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundObject(Record):
    """A lane of the question and its matches, each of another product."""

    kind: LaneKind
    box: Box | None = None
    """In pixels of the upright photo; null for several photos, products, texts and vectors."""
    label: str | None = None
    score: Rounded | None = None
    """The detector's; comparable within a label only."""
    colour: str | None = None
    colour_share: Share | None = None
    """Share of the object's own pixels that have the colour."""
    palette: Palette = field(default=(), repr=False)
    """At most five colours of those pixels, largest share first; [] for the whole photo, texts and vectors."""
    main: bool = False
    """The most prominent object of the photo."""
    text: str | None = None
    """The query text, alone or with a photo."""
    understood: bool | None = None
    """Whether a word of the text names a category, a colour or a look, or occurs in a product's columns (an embedder
    finds something for any text); null without a text.
    """
    product_id: str | None = None
    """The query product."""
    parts: tuple[Part, ...] = ()
    """For several photos of one item: the query object of each."""
    within: str | None = None
    """The category that was searched first; null for all."""
    tint: str | None = None
    """The colour that the text names, searched first."""
    widened: Widened | None = None
    """Why there are also matches of other categories (or colours); null if there are none."""
    threshold: Rounded | None = None
    """Similarity from which a match is good, calibrated with the release; null if it has none for this lane."""
    exhausted: bool
    """The release (or with `sort`, the pool) holds fewer products that fit than were asked for."""
    matches: tuple[Match, ...]
    """Best first, or in the order of `sort`; each of another product."""
    crop: Jpeg = field(default=None, repr=False)

    @computed_field
    @property
    def label_ko(self) -> str | None:
        """`label` in Korean."""
        return korean.category_name(self.label)

    @computed_field
    @property
    def colour_ko(self) -> str | None:
        """`colour` in Korean."""
        return korean.colour_name(self.colour)

    @computed_field
    @property
    def colour_hex(self) -> Hex | None:
        """The sRGB value of the palette's largest colour that has the name `colour`; null if none has it."""
        # `colour` is the name of most pixels; the palette's largest colour, a mean of many, may have another name.
        weight = np.ones(1)
        for swatch in self.palette:
            name, _ = vote(np.array([[swatch.l, swatch.a, swatch.b]]), weight)
            if name == self.colour:
                return colour.to_hex(swatch)
        return None

    @computed_field
    @property
    def no_good_match(self) -> bool | None:
        """No match reaches the threshold; null without a threshold."""
        return None if self.threshold is None else not any(match.good for match in self.matches)
