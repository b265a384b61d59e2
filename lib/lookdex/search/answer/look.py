"""The look: the best product of each object as an outfit, and catalogue photos of similar outfits."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import computed_field

from lookdex.records import Box
from lookdex.search.answer.fields import Columns, Cosine, Count, Jpeg, Positive, Record, Rounded
from lookdex.taxonomy import korean


@dataclass(frozen=True, slots=True)
class Piece(Record):
    """The product of a look for one object of the photo."""

    object: Count
    """Number of the object in `objects`, from 0."""
    label: str | None
    product_id: str
    item_id: str
    similarity: Cosine
    price: float | None
    good: bool | None
    """As in its match."""

    @computed_field
    @property
    def label_ko(self) -> str | None:
        """`label` in Korean."""
        return korean.category_name(self.label)


@dataclass(frozen=True, slots=True)
class Worn(Record):
    """An object of a catalogue photo that is similar to one of the question's."""

    object: Count
    """Number of the question's object in `objects`, from 0."""
    item_id: str
    label: str | None
    box: Box
    similarity: Cosine


@dataclass(frozen=True, slots=True)
class LookPhoto(Record):
    """A catalogue photo of an outfit similar to the question's."""

    rank: Positive
    image_key: str
    item_id: str
    """The row of the whole photo; /v1/crops/{item_id} shows it."""
    product_id: str | None
    """The product that the photo belongs to."""
    score: Rounded
    """Mean over the question's objects of the cosine with the photo's most similar object of the same label, 0 without
    one.
    """
    similarity: Cosine
    """Of the two whole photos."""
    worn: tuple[Worn, ...]
    """These pairs of objects."""
    columns: Columns = field(default_factory=dict)
    crop: Jpeg = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Look(Record):
    """The best product of each object, as an outfit."""

    pieces: tuple[Piece, ...]
    price_column: str | None
    """The column that the prices are from."""
    total: float | None
    """Sum of the known prices; null if none is known."""
    unpriced: Count
    """Number of pieces without a price."""
    missing: tuple[int, ...]
    """Numbers of the objects without a piece: no product of their own category is a good match (if thresholds are
    known), or other objects have them all.
    """
    photos: tuple[LookPhoto, ...] = ()
    """If requested."""

    @computed_field
    @property
    def complete(self) -> bool:
        """Whether each object has a piece."""
        return not self.missing
