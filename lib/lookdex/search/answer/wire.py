"""The JSON of an answer: its types, from which the published schema is made, and answers written by them.

The records of `answer` are lookdex's own and may move; what is here is what others read. A change of meaning, or a
field that goes, is another format (`answer.FORMAT`); a new field is not, so readers ignore what they do not know.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    ValidationInfo,
)

from lookdex.search.answer.facets import BUCKETS, MOST_VALUES, FacetKind
from lookdex.search.answer.kinds import Kind, Other, Widened

if TYPE_CHECKING:
    from lookdex.search.answer.answer import Answer


def plain(value: object) -> Any:
    """A value of an Arrow column as JSON has it: no NaN, dates as ISO 8601, bytes as base64.

    A decimal without places is a whole number; any other is a float where float64 keeps its digits, else text.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal() if value.as_tuple().exponent == 0:
            return int(value)
        case Decimal():
            number = float(value)
            return number if value.is_finite() and Decimal(repr(number)) == value else format(value, "f")
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case Mapping():
            return {str(k): plain(v) for k, v in value.items()}
        case list() | tuple() | set():
            return [plain(v) for v in value]
        case _:
            return str(value)


class Wire(BaseModel):
    model_config = ConfigDict(
        from_attributes=True, frozen=True, json_schema_serialization_defaults_required=True
    )


def _jpeg(value: object, info: ValidationInfo) -> Any:
    return plain(value) if info.context is None or info.context["crops"] else None


Jpeg = Annotated[
    str | None,
    BeforeValidator(_jpeg),
    Field(
        description="JPEG, base64; null where it was not asked for.",
        json_schema_extra={"contentEncoding": "base64"},
    ),
]
Columns = Annotated[
    dict[str, JsonValue],
    BeforeValidator(plain),
    Field(
        description="The product's own columns (title, price, …), as the release has them: dates and times as ISO 8601 "
        "text, whole numbers with all their digits, decimals with places of more digits than a double holds as text."
    ),
]
_PALETTE = AliasChoices("swatches", "palette")  # of a record, of JSON
_ROUND = AfterValidator(lambda value: round(value, 6))  # most come of 32 bits: further digits say nothing
Rounded = Annotated[float, _ROUND]
Cosine = Annotated[float, Field(ge=-1.001, le=1.001), _ROUND]
Share = Annotated[float, Field(ge=0, le=1.001), _ROUND]
Steps = Annotated[
    dict[str, float], PlainSerializer(lambda steps: {step: round(value, 6) for step, value in steps.items()})
]  # fmt: skip


class BoxModel(Wire):
    """Whole pixels of the upright photo; x1 and y1 exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int


class SwatchModel(Wire):
    """A colour: CIE L*a*b* (D65), its share, and what a screen shows for it."""

    l: Rounded  # noqa: E741
    a: Rounded
    b: Rounded
    share: Share
    hex: str = Field(pattern="^#[0-9a-f]{6}$")


class ModelsModel(Wire):
    """The release's models, with the digests of their weights."""

    detector: str
    detector_digest: str
    embedder: str
    embedder_digest: str


class MatchModel(Wire):
    """A product, by its best row."""

    rank: int = Field(
        ge=1, description="1 is the first of all pages: the best, or with `sort` the first in that order."
    )
    product_id: str | None = Field(description="null for a photo that is linked to no product.")
    similarity: Cosine = Field(description="Cosine of the row's vector and the lane's.")
    distance: Rounded = Field(description="1 - similarity.")
    score: Rounded = Field(
        description="What the ranks follow without `sort`, first of what is as asked and then of what is not "
        "(`other`): the similarity, or with a colour emphasis w, (1 - w) × similarity + w × colour_similarity."
    )
    other: Other | None = Field(
        description="Not as asked first: of another category than the lane's `within` (kind), or of that and another "
        "colour than its `tint` (colour); null where it is."
    )
    colour_similarity: Share | None = Field(
        description="How alike the two palettes are; null where one of them is missing."
    )
    text_similarity: Cosine | None = Field(
        description="Cosine with the text alone, where a photo was asked with a text."
    )
    good: bool | None = Field(description="similarity ≥ the lane's threshold; null without a threshold.")
    item_id: str = Field(description="The row; /v1/crops/{item_id} shows it.")
    image_key: str = Field(description="The catalogue photo.")
    box: BoxModel = Field(description="Where in that photo.")
    label: str | None
    label_ko: str | None
    colour: str | None
    colour_ko: str | None
    palette: tuple[SwatchModel, ...] = Field(validation_alias=_PALETTE)
    folded: int = Field(ge=0, description="Rows left out because they show nearly the same picture.")
    folded_products: tuple[str, ...] = Field(description="The other products among them.")
    columns: Columns
    crop: Jpeg


class PartModel(Wire):
    """What one of several photos was asked with."""

    photo: int = Field(ge=0)
    box: BoxModel | None
    label: str | None
    label_ko: str | None
    score: Rounded | None
    crop: Jpeg


class FoundModel(Wire):
    """One lane of the query and its matches, each of another product."""

    kind: Kind
    box: BoxModel | None = Field(description="In pixels of the upright query photo.")
    label: str | None
    label_ko: str | None
    score: Rounded | None = Field(description="The detector's; comparable within a label only.")
    colour: str | None
    colour_ko: str | None
    colour_hex: str | None = Field(
        pattern="^#[0-9a-f]{6}$",
        description="What a screen shows for the colour: the largest swatch of the palette that has its name.",
    )
    colour_share: Share | None = Field(description="Share of the object's own pixels that have the colour.")
    palette: tuple[SwatchModel, ...] = Field(validation_alias=_PALETTE, description="Largest share first.")
    main: bool = Field(description="The most prominent object of the photo.")
    text: str | None = Field(description="What was asked with, alone or beside the photo.")
    understood: bool | None = Field(
        description="A word of the text names a category, a colour or a look, or stands in a product's columns; null "
        "without a text."
    )
    product_id: str | None = Field(description="What was asked with.")
    parts: tuple[PartModel, ...] = Field(description="Of several photos of one item.")
    within: str | None = Field(description="The category that was asked first; null: all of them.")
    tint: str | None = Field(description="The colour that the text names: asked first.")
    widened: Widened | None = Field(description="Why products of other categories (or colours) answer too.")
    threshold: Rounded | None = Field(
        description="From which similarity on a match is good; null where the release has none for this lane."
    )
    no_good_match: bool | None = Field(
        description="No match reaches the threshold; null without a threshold."
    )
    exhausted: bool = Field(
        description="The release (or with `sort`, the pool) holds fewer products that fit than were asked for."
    )
    matches: tuple[MatchModel, ...] = Field(
        description="Best first, or in the order of `sort`; each of another product."
    )
    crop: Jpeg


class PieceModel(Wire):
    object: int = Field(ge=0, description="The number of the object in `objects`, from 0.")
    label: str | None
    label_ko: str | None
    product_id: str
    item_id: str
    similarity: Cosine
    price: float | None
    good: bool | None


class WornModel(Wire):
    """An object of a catalogue photo that looks like one of the query's."""

    object: int = Field(ge=0, description="The number of the object in `objects`, from 0.")
    item_id: str
    label: str | None
    box: BoxModel
    similarity: Cosine


class LookPhotoModel(Wire):
    """A catalogue photo that shows an outfit like the query's."""

    rank: int = Field(ge=1)
    image_key: str
    item_id: str
    product_id: str | None
    score: Rounded = Field(
        description="Mean over the query's objects of the cosine with the photo's object of the same label, 0 for none."
    )
    similarity: Cosine = Field(description="Of the two whole photos.")
    worn: tuple[WornModel, ...]
    columns: Columns
    crop: Jpeg


class LookModel(Wire):
    """The best product of each object as one set."""

    pieces: tuple[PieceModel, ...]
    price_column: str | None
    total: float | None = Field(description="Sum of the known prices.")
    unpriced: int = Field(ge=0, description="Pieces without a price.")
    missing: tuple[int, ...] = Field(
        description="Numbers of the objects without a product of their own kind that may be shown."
    )
    complete: bool
    photos: tuple[LookPhotoModel, ...]


Plain = Annotated[JsonValue, BeforeValidator(plain)]


class ValueModel(Wire):
    value: Plain
    products: int = Field(ge=1)


class BucketModel(Wire):
    """Products with a value from `least` to `most`, both included."""

    least: Plain
    most: Plain
    products: int = Field(ge=1)


class FacetModel(Wire):
    """A column, counted in distinct products."""

    column: str
    kind: FacetKind = Field(
        description="values: text, true or false, and the elements of lists; range: numbers and dates."
    )
    missing: int = Field(ge=0, description="Products without a value.")
    values: tuple[ValueModel, ...] = Field(
        max_length=MOST_VALUES, description="Most products first; [] for a range."
    )
    others: int = Field(ge=0, description="Products with a value that is not listed.")
    least: Plain = Field(description="Of a range; null where no product has a value.")
    most: Plain
    buckets: tuple[BucketModel, ...] = Field(
        max_length=BUCKETS, description="Of a range: ascending, of about as many products each."
    )


class CountedModel(Wire):
    """The products that pass `where`, with an object of theirs."""

    products: int = Field(ge=0, description="Distinct products.")
    columns: tuple[FacetModel, ...]


class NextModel(Wire):
    """The options of the following page."""

    offset: int = Field(ge=1)
    release: str


class AnswerModel(Wire):
    """An answer of lookdex, wholly from one release. Fields that are not described here may be added."""

    model_config = ConfigDict(title="lookdex answer")

    format: Literal[2]
    release_id: str
    released_at: datetime = Field(description="When the release was built.")
    models: ModelsModel
    width: int | None = Field(description="Of the upright query photo, pixels.")
    height: int | None
    no_object: bool = Field(description="Nothing was found in the photo: only the whole photo answers.")
    objects: tuple[FoundModel, ...] = Field(
        description="Every object, best score first; or the one lane asked."
    )
    whole: FoundModel | None = Field(description="The whole photo, asked as one picture.")
    look: LookModel | None = Field(description="For photos with two or more objects.")
    goes_with: tuple[FoundModel, ...] = Field(
        description="What is worn with the product that was asked with."
    )
    seconds: Steps = Field(description="Time of each step.")
    next: NextModel | None = Field(
        None,
        description="What to ask the same question with for the following page; null where nothing more fits, or "
        "pages end.",
    )
    facets: CountedModel | None = Field(None, description="Where they were asked for.")


def model_of(answer: Answer, *, crops: bool) -> AnswerModel:
    """The answer in the types of its JSON."""
    return AnswerModel.model_validate(answer, context={"crops": crops})


def as_dict(answer: Answer, *, crops: bool) -> dict[str, Any]:
    """Plain values, as `json.loads(to_json(…))` gives them."""
    return model_of(answer, crops=crops).model_dump(mode="json")


def to_json(answer: Answer, *, crops: bool, indent: int | None) -> str:
    """crops: with the JPEGs that the answer has, as base64; else they are null."""
    return model_of(answer, crops=crops).model_dump_json(indent=indent)


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of an answer."""
    return AnswerModel.model_json_schema(mode="serialization")
