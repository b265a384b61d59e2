"""The options of a question: `Options`, their only declaration.

The JSON Schema, the service's parameters and the flags of `lookdex search` are made from its fields. In a description,
another option is written in backticks: the command line shows it as a flag.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, get_type_hints

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from lookdex.errors import BadQuery
from lookdex.records import Box
from lookdex.records.ranges import Share
from lookdex.runtime.wording import shorten
from lookdex.search.query.arguments import check_fields, shown

FORMAT = 2  # of the JSON, as the answer's
MAX_K = 1000
MAX_PHOTOS = 8  # of one item
MAX_TEXT = 1000  # characters
MAX_LOOK_PHOTOS = 100
MAX_FACETS = 16
MAX_NAME = 200  # characters of a column's or a release's name
TEXT_WEIGHT = 0.6
_STRICT = ConfigDict(extra="forbid", strict=True)  # "5" is not a number


class Widen(StrEnum):
    """Whether products of other categories may match."""

    AUTO = "auto"  # if the label is uncertain, or its category has too few products
    NEVER = "never"
    ALWAYS = "always"


class Crops(StrEnum):
    """Which JPEGs an answer contains."""

    NONE = "none"
    OBJECTS = "objects"  # those of the question
    ALL = "all"  # those of the matches too


class Group(StrEnum):
    """Headings of the options in the command line's help, in order."""

    QUESTION = "Question"
    PRODUCTS = "Products"
    RANKING = "Ranking"
    MORE = "Additional results"


@dataclass(frozen=True, slots=True)
class Flag:
    """Metadata of an option that is a flag of `lookdex search`. metavar: stands for its value in the help."""

    group: Group
    metavar: str | None = None


_CORNERS = ("x0", "y0", "x1", "y1")


def _box(value: object) -> object:
    """Accept [x0, y0, x1, y1] besides {"x0": …}."""
    if isinstance(value, list | tuple) and len(value) == 4:
        return dict(zip(_CORNERS, value, strict=True))
    if isinstance(value, Mapping | Box):
        return value
    raise PydanticCustomError(
        "box", f"give four whole numbers in pixels: [{', '.join(_CORNERS)}], or an object with these names"
    )


def _columns(value: object) -> object:
    """Check names of columns here: pydantic's message for a union is only about its first type."""
    if isinstance(value, bool):
        return value
    names = value if isinstance(value, list | tuple) else [None]
    if len(names) <= MAX_FACETS and all(
        isinstance(name, str) and 0 < len(name) <= MAX_NAME for name in names
    ):
        return tuple(names)
    raise PydanticCustomError("facets", f"give true, or a list of at most {MAX_FACETS} names of columns")


_AnyBox = Annotated[Box, BeforeValidator(_box, json_schema_input_type=Box | tuple[int, int, int, int])]
_Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
_Columns = Annotated[tuple[_Name, ...], Field(max_length=MAX_FACETS)]
ReleaseId = _Name

_Object = Annotated[
    int | None,
    Field(ge=0, description="Search only this object of the photo: its number in the full answer, from 0."),
    Flag(Group.QUESTION, "N"),
]
_PhotoBox = Annotated[
    _AnyBox | None,
    Field(
        description="Search only this box of the photo, in pixels of the upright photo; x1 and y1 are exclusive."
    ),
    Flag(Group.QUESTION, "X0,Y0,X1,Y1"),
]
_Label = Annotated[
    str | None,
    Field(description="Label of the box, such as dress: products of that category come first."),
    Flag(Group.QUESTION, "NAME"),
]


@dataclass(frozen=True, slots=True)
class Pick:
    """The part of a photo to search with: an object of the answer, or a box with an optional label."""

    __pydantic_config__ = _STRICT

    object: _Object = None
    box: _PhotoBox = None
    label: _Label = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.object is not None and self.box is not None:
            raise BadQuery("both an object and a box of one photo are given: give one of them")
        if self.label is not None and self.box is None:
            raise BadQuery("a label is for a box: give the box too, or leave label out")


ALL = Pick()  # every object of the photo


@dataclass(frozen=True, slots=True)
class Options:
    """How a question is asked and answered. Options that contradict each other are refused."""

    __pydantic_config__ = _STRICT

    k: Annotated[int, Field(ge=1, le=MAX_K, description="Products per object."), Flag(Group.PRODUCTS)] = 5
    where: Annotated[
        str | None,
        Field(
            description="Filter on product columns: \"price < 50 and 'M' in sizes and launched >= '2026-01-01'\"."
        ),
        Flag(Group.PRODUCTS, "SQL"),
    ] = None
    object: _Object = None
    box: _PhotoBox = None
    label: _Label = None
    picks: Annotated[
        tuple[Pick, ...],
        Field(
            max_length=MAX_PHOTOS,
            description="With several photos of one item: the object or box of each, in order. An empty pick stands "
            "for the photo's main object.",
        ),
    ] = ()
    text: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=MAX_TEXT,
            description="Text, alone or with a photo or product: “in red”, 빨간색 원피스.",
        ),
        Flag(Group.QUESTION, "WORDS"),
    ] = None
    text_weight: Annotated[
        Share,
        Field(description="Weight of the text against the photo: 0 ignores the text, 1 the photo."),
        Flag(Group.RANKING, "0-1"),
    ] = TEXT_WEIGHT
    product: Annotated[
        str | None,
        Field(description="Find products similar to the product with this id."),
        Flag(Group.QUESTION, "ID"),
    ] = None
    goes_with: Annotated[
        bool,
        Field(description="Also find products like the other objects in the product's photos."),
        Flag(Group.MORE),
    ] = False
    colour: Annotated[
        Share,
        Field(description="Weight of colour similarity: 0 ignores colour, 1 ranks by colour only."),
        Flag(Group.RANKING, "0-1"),
    ] = 0.0
    widen: Annotated[
        Widen,
        Field(
            description="Allow other categories than the object's: never, always, or (auto) if its label is uncertain "
            "or its category has too few products."
        ),
        Flag(Group.PRODUCTS),
    ] = Widen.AUTO
    fold: Annotated[
        bool,
        Field(description="Hide matches with nearly the same picture as a better match."),
        Flag(Group.PRODUCTS),
    ] = True
    whole: Annotated[bool, Field(description="Search the whole photo too."), Flag(Group.MORE)] = True
    look: Annotated[
        bool,
        Field(description="Combine the best product of each object, of the same category, into an outfit."),
    ] = True
    look_photos: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_LOOK_PHOTOS,
            description="Number of catalogue photos to find that show such an outfit.",
        ),
        Flag(Group.MORE, "N"),
    ] = 0
    crops: Annotated[
        Crops,
        Field(
            description="JPEGs to include in the answer (base64 in JSON): none, those of the question's objects, or "
            "all, with those of the matches."
        ),
    ] = Crops.OBJECTS
    offset: Annotated[
        int,
        Field(
            ge=0,
            lt=MAX_K,
            description="Products per object to skip, for further pages of the same question, with the same `k`. "
            f"Pages end at {MAX_K} products.",
        ),
        Flag(Group.PRODUCTS, "N"),
    ] = 0
    release: Annotated[
        ReleaseId | None,
        Field(
            description="Answer only from this release: refuse the question if another one is live. For further pages, "
            "give the `release_id` of the first."
        ),
    ] = None
    sort: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=MAX_NAME,
            description="Sort by a product column instead of by score: ascending (price) or descending (-price), empty "
            "values last. Matches in the category and colour asked for come first, and good ones before others.",
        ),
        Flag(Group.RANKING, "COLUMN"),
    ] = None
    pool: Annotated[
        int | None,
        Field(
            ge=1,
            le=MAX_K,
            description="With `sort`: how many of the most similar products to sort (default: `k`), the same for all "
            "pages.",
        ),
        Flag(Group.RANKING, "N"),
    ] = None
    facets: Annotated[
        bool | _Columns,
        BeforeValidator(_columns, json_schema_input_type=bool | _Columns),
        Field(
            description="Count the products that match `where` by the values of these columns, such as category and "
            "price; true: of the configured ones."
        ),
        Flag(Group.MORE, "A,B,…"),
    ] = False

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
            raise BadQuery("goes_with is for a product: give the product, or leave goes_with out")
        if self.text_weight != TEXT_WEIGHT and self.text is None:
            raise BadQuery("text_weight is the weight of a text: give text too, or leave text_weight out")
        if self.look_photos and not self.look:
            raise BadQuery("look_photos finds photos of the look: leave look on, or leave look_photos out")

    def _check_page(self) -> None:
        if self.offset + self.k > MAX_K:
            raise BadQuery(f"offset + k is {self.offset + self.k}: pages end at {MAX_K} products")
        if self.sort == "-score":
            raise BadQuery(
                "score sorts the most similar first and cannot be reversed: give score, or a column"
            )
        if self.sort == "score":
            object.__setattr__(self, "sort", None)
        if self.pool is not None and self.sort is None:
            raise BadQuery("pool is the number of products to sort: give sort too, or leave pool out")
        if self.pool is not None and self.pool < self.k:
            raise BadQuery(f"pool is {self.pool}: it must be at least k, which is {self.k}")
        if self.sort is not None and self.offset and self.pool is None:
            raise BadQuery("further pages of a sorted list need pool: give the same pool for all pages")

    @property
    def pick(self) -> Pick:
        """The pick of a single photo."""
        return Pick(self.object, self.box, self.label)


def declarations() -> dict[str, FieldInfo]:
    """The fields of `Options`: type, limits and `Flag` (in the metadata), description and default."""
    hints = get_type_hints(Options, include_extras=True)
    return {
        field.name: FieldInfo.from_annotated_attribute(hints[field.name], field.default)
        for field in fields(Options)
    }


def read_options(value: str | bytes | Mapping[str, Any]) -> Options:
    """Read options from JSON, as text or decoded. Raises BadQuery with the field and what it may be."""
    try:
        text = value if isinstance(value, str | bytes) else json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadQuery(f"options is {shown(value)}: give JSON, or a dictionary of JSON values") from error
    with suppress(ValueError, RecursionError):  # not JSON, as pydantic will say
        json.loads(text, object_pairs_hook=_check_unique)
    try:
        return _adapter().validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = shorten(".".join(map(str, first["loc"]))) or "the JSON"
        unknown = first["type"] == "unexpected_keyword_argument"
        known = _known(Options if len(first["loc"]) == 1 else Pick) if unknown else ""
        raise BadQuery(f"options: {where}: {first['msg']}{known}") from error


def _check_unique(pairs: list[tuple[str, Any]]) -> None:
    """Raise BadQuery if an object has a name twice: pydantic would take the last value."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise BadQuery(f"options: {shorten(name)!r} is given more than once")
        seen.add(name)


def read_facets(text: str) -> bool | tuple[str, ...]:
    """Read `facets` from a URL or a flag: true, or names of columns separated by commas."""
    return text == "true" or tuple(text.split(","))


def options_of(**given: Any) -> Options:
    """Options from keyword arguments. Raises BadQuery for an unknown one, with the known ones."""
    if unknown := [name for name in given if name not in Options.__slots__]:
        raise BadQuery(f"there is no option {unknown[0]!r}{_known(Options)}")
    return Options(**given)


def _known(record: type[Options] | type[Pick]) -> str:
    return f"; known: {', '.join(record.__slots__)}"


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of options."""
    return _adapter().json_schema(mode="validation")


@cache
def _adapter() -> TypeAdapter[Options]:
    return TypeAdapter(Options)
