"""What can be asked: `Options`, the same for the library, the service and the command line.

A question is photos and options. `Options` says what of the photos is meant, what is asked beside or instead of
them, and how the answer is ranked; its JSON is what the service's field `options` holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal, TypedDict

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from lookdex.errors import BadQuery
from lookdex.records import Box
from lookdex.runtime.wording import shortened
from lookdex.search.query.arguments import check_fields

FORMAT = 2  # of the JSON, as the answer's
MAX_K = 1000
MAX_PHOTOS = 8  # of one item
MAX_TEXT = 1000  # characters
MAX_LOOK_PHOTOS = 100
MAX_FACETS = 16  # columns that one question may count
MAX_NAME = 200  # characters of a column's or a release's name
TEXT_WEIGHT = 0.6
_STRICT = ConfigDict(extra="forbid", strict=True)  # a number in quotes is no number


class Widen(StrEnum):
    """Whether products of other categories than the object's may answer."""

    AUTO = "auto"  # where the label is uncertain, or its category holds too few
    NEVER = "never"
    ALWAYS = "always"


class Crops(StrEnum):
    """Which JPEGs an answer carries."""

    NONE = "none"
    OBJECTS = "objects"  # what was asked with
    ALL = "all"  # those of the matches too


_CORNERS = ("x0", "y0", "x1", "y1")


def _box(value: object) -> object:
    """[x0, y0, x1, y1] beside {"x0": …}."""
    if isinstance(value, list | tuple) and len(value) == 4:
        return dict(zip(_CORNERS, value, strict=True))
    if isinstance(value, Mapping | Box):
        return value
    raise PydanticCustomError(
        "box",
        f"four whole numbers in pixels are a box: [{', '.join(_CORNERS)}], or an object with these names",
    )


AnyBox = Annotated[
    Box,
    BeforeValidator(_box, json_schema_input_type=Box | tuple[int, int, int, int]),
    Field(description="Pixels of the upright photo, x1 and y1 exclusive: [x0, y0, x1, y1] or an object."),
]


K = Annotated[int, Field(ge=1, le=MAX_K, description="Distinct products for each object.")]
Offset = Annotated[
    int,
    Field(
        ge=0,
        lt=MAX_K,
        description="Products of each object to skip: those of the pages before. Keep everything else of the question "
        f"the same, k too. offset + k is at most {MAX_K}.",
    ),
]
ReleaseId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_NAME,
        description="Answer from this release only: the question is refused where another one answers by now. Give the "
        "`release_id` of the first page with every further one.",
    ),
]
Sort = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_NAME,
        description="Order the matches by a product column, lowest first (price) or highest first (-price), empty "
        "values last; score, the default: the most similar first. What is as asked stays before what is not, and good "
        "matches before others.",
    ),
]
Pool = Annotated[
    int,
    Field(
        ge=1,
        le=MAX_K,
        description="With `sort`: how many of the nearest products are sorted (default: k). All pages of a sorted list "
        "must name the same pool.",
    ),
]


def _counted(value: object) -> object:
    """Names as a tuple. Checked here, as pydantic's message on a choice of two types tells of the first one only."""
    if isinstance(value, bool):
        return value
    names = value if isinstance(value, list | tuple) else [None]
    if len(names) <= MAX_FACETS and all(isinstance(one, str) and 0 < len(one) <= MAX_NAME for one in names):
        return tuple(names)
    raise PydanticCustomError(
        "facets", f"true, or a list of at most {MAX_FACETS} names of columns, counts columns"
    )


_Columns = Annotated[
    tuple[Annotated[str, Field(min_length=1, max_length=MAX_NAME)], ...], Field(max_length=MAX_FACETS)
]
CountedColumns = Annotated[
    bool | _Columns,
    BeforeValidator(_counted, json_schema_input_type=bool | _Columns),
    Field(
        description="Count the products that pass `where` by the values of these columns; true: of those that the shop "
        "chose."
    ),
]
Number = Annotated[int, Field(ge=0, description="Number of an object in the answer's `objects`, from 0.")]
Label = Annotated[
    str, Field(description="What the box shows, such as a found object's label: its category is asked first.")
]
Text = Annotated[
    str, Field(min_length=1, max_length=MAX_TEXT, description="Words, alone or beside a photo (“in red”).")
]
Where = Annotated[
    str, Field(description="A predicate on the product columns: price < 50 and category = 'dress'.")
]
ProductId = Annotated[str, Field(description="More like this product of the catalogue, without itself.")]


@dataclass(frozen=True, slots=True)
class Pick:
    """What of a photo is meant: an object by its number in the answer's `objects`, or a box (and its label)."""

    __pydantic_config__ = _STRICT

    object: Number | None = None
    box: AnyBox | None = None
    label: Label | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.object is not None and self.box is not None:
            raise BadQuery("both an object and a box are chosen of one photo: give one of them")
        if self.label is not None and self.box is None:
            raise BadQuery("a label says what a box holds: give the box too")


ALL = Pick()  # every object of the photo


@dataclass(frozen=True, slots=True)
class Options:
    """How a question is asked and answered. What contradicts itself is a BadQuery, at once.

    object, box, label: what of the photo is meant (see `Pick`); none of them: every object. picks: the same for
    several photos of one item, one for each photo, in order; a photo without a pick stands for its main object.
    offset, release: a further page of an answer (see `Answer.next`). sort, pool: in which order, and how many of the
    nearest products are brought into it.
    """

    __pydantic_config__ = _STRICT

    k: K = 5
    where: Where | None = None
    object: Number | None = None
    box: AnyBox | None = None
    label: Label | None = None
    picks: Annotated[
        tuple[Pick, ...],
        Field(max_length=MAX_PHOTOS, description="For several photos of one item: what of each is meant."),
    ] = ()
    text: Text | None = None
    text_weight: Annotated[
        float, Field(ge=0, le=1, description="What the text counts beside a photo: 0 nothing, 1 alone.")
    ] = TEXT_WEIGHT
    product: ProductId | None = None
    goes_with: Annotated[
        bool, Field(description="With `product`: also what is worn with it in its own photos.")
    ] = False
    colour: Annotated[
        float, Field(ge=0, le=1, description="What likeness of colour counts: 0 nothing, 1 alone.")
    ] = 0.0
    widen: Annotated[Widen, Field(description="Whether other categories than the object's answer.")] = (
        Widen.AUTO
    )
    fold: Annotated[
        bool, Field(description="Leave out rows that show nearly the same picture as a better one.")
    ] = True
    whole: Annotated[bool, Field(description="Answer for the whole photo too.")] = True
    look: Annotated[
        bool, Field(description="Put the best product of each object, of its own kind, together as a set.")
    ] = True
    look_photos: Annotated[
        int, Field(ge=0, le=MAX_LOOK_PHOTOS, description="Catalogue photos of such an outfit to find.")
    ] = 0
    crops: Annotated[Crops, Field(description="Which pictures the answer carries.")] = Crops.OBJECTS
    offset: Offset = 0
    release: ReleaseId | None = None
    sort: Sort | None = None
    pool: Pool | None = None
    facets: CountedColumns = False

    def __post_init__(self) -> None:
        check_fields(self)
        self._check_page()
        if self.text is not None and not any(map(str.isprintable, self.text.strip())):
            raise BadQuery("the text is empty: describe what to look for, such as “red dress”")
        if self.pick != ALL and self.picks:
            raise BadQuery(
                "object, box and label are for one photo, picks for several: give one or the other"
            )
        if self.goes_with and self.product is None:
            raise BadQuery("goes_with tells what is worn with a product: give the product")
        if self.text_weight != TEXT_WEIGHT and self.text is None:
            raise BadQuery("text_weight is what a text counts beside a photo: give text too, or leave it out")
        if self.look_photos and not self.look:
            raise BadQuery("look_photos finds photos of the look: leave look on, or look_photos out")

    def _check_page(self) -> None:
        if self.offset + self.k > MAX_K:
            raise BadQuery(f"offset + k is {self.offset + self.k}: pages end at {MAX_K} products")
        if self.sort == "score":
            object.__setattr__(self, "sort", None)
        if self.pool is not None and self.sort is None:
            raise BadQuery("pool is the number of products that are sorted: give sort too, or leave pool out")
        if self.pool is not None and self.pool < self.k:
            raise BadQuery(f"pool is {self.pool}: it is at least k, which is {self.k}")
        if self.sort is not None and self.offset and self.pool is None:
            raise BadQuery("a further page of a sorted list needs pool, the same for all of its pages")

    @property
    def pick(self) -> Pick:
        """What of a single photo is meant."""
        return Pick(self.object, self.box, self.label)


# What type checkers allow as further options of `Catalog.search` and its like: the fields of `Options` that are no
# arguments of their own there. A test holds them to `Options`.


class MoreOptions(TypedDict, total=False):
    """Options of every question."""

    text_weight: float
    colour: float
    widen: Widen | Literal["auto", "never", "always"]
    fold: bool
    whole: bool
    look: bool
    look_photos: int
    offset: int
    release: str | None
    sort: str | None
    pool: int | None
    facets: bool | Sequence[str]


class SearchOptions(MoreOptions, total=False):
    """Those of `Catalog.search`."""

    object: int | None
    label: str | None
    picks: Sequence[Pick]
    text: str | None


class TextOptions(MoreOptions, total=False):
    """Those of `Catalog.search_text`."""

    product: str | None
    goes_with: bool


class SimilarOptions(MoreOptions, total=False):
    """Those of `Catalog.similar`."""

    text: str | None
    goes_with: bool


def read_options(value: str | bytes | Mapping[str, Any]) -> Options:
    """Options from JSON, or from its plain values. Raises BadQuery, which names the field and what it may be."""
    text = value if isinstance(value, str | bytes) else json.dumps(value)
    _check_names(text)
    try:
        return _adapter().validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = shortened(".".join(map(str, first["loc"]))) or "the JSON"
        unknown = first["type"] == "unexpected_keyword_argument"
        known = _known(Options if len(first["loc"]) == 1 else Pick) if unknown else ""
        raise BadQuery(f"options: {where}: {first['msg']}{known}") from error


def _check_names(text: str | bytes) -> None:
    """Raises BadQuery for a name that an object of the JSON has twice: pydantic takes the last one."""
    with suppress(ValueError, RecursionError):  # it is no JSON, as pydantic will say
        json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise BadQuery(f"options: {shortened(name)!r} is there more than once: give it once")
        seen.add(name)


def options_of(**given: Any) -> Options:
    """Options by their names, as Python callers give them. Raises BadQuery, which names those that exist."""
    if unknown := [name for name in given if name not in Options.__slots__]:
        raise BadQuery(f"there is no option {unknown[0]!r}{_known(Options)}")
    return Options(**given)


def _known(record: type[Options] | type[Pick]) -> str:
    return f"; those that exist: {', '.join(record.__slots__)}"


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of options."""
    return _adapter().json_schema(mode="validation")


@cache
def _adapter() -> TypeAdapter[Options]:
    return TypeAdapter(Options)
