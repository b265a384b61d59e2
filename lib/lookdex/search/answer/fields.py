"""Types of an answer's fields: the Python value, its limits, and how it is written as JSON."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import partial
from typing import Annotated, Any

from pydantic import ConfigDict, Field, JsonValue, PlainSerializer, SerializationInfo

from lookdex.imaging import colour
from lookdex.records import Swatch


class Record:
    """Base of an answer's records. A field's docstring is its description in the JSON Schema."""

    __slots__ = ()
    __pydantic_config__ = ConfigDict(
        use_attribute_docstrings=True, json_schema_serialization_defaults_required=True
    )


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


def _jpeg(value: bytes | None, info: SerializationInfo) -> str | None:
    wanted = info.context is not None and info.context["crops"]
    return base64.b64encode(value).decode("ascii") if wanted and value is not None else None


_SIX_PLACES = PlainSerializer(
    partial(round, ndigits=6)
)  # most values were float32, which has no further digits
Rounded = Annotated[float, _SIX_PLACES]
Cosine = Annotated[float, Field(ge=-1.001, le=1.001), _SIX_PLACES]
Share = Annotated[float, Field(ge=0, le=1.001), _SIX_PLACES]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Hex = Annotated[str, Field(pattern="^#[0-9a-f]{6}$")]
Plain = Annotated[Any, PlainSerializer(plain, return_type=JsonValue)]
Columns = Annotated[
    Mapping[str, Any],
    PlainSerializer(plain, return_type=dict[str, JsonValue]),
    Field(
        description="The product's columns (title, price, …) as in the release: dates and times as ISO 8601 text, "
        "whole numbers with all their digits, decimal fractions with more digits than a double holds as text."
    ),
]
Jpeg = Annotated[
    bytes | None,
    PlainSerializer(_jpeg),
    Field(
        description="JPEG, base64; null unless requested.", json_schema_extra={"contentEncoding": "base64"}
    ),
]


@dataclass(frozen=True, slots=True)
class PaletteColour(Record):
    """A colour: CIE L*a*b* (D65), its share, and its sRGB value."""

    l: Rounded  # noqa: E741
    a: Rounded
    b: Rounded
    share: Share
    hex: Hex

    @classmethod
    def of(cls, swatch: Swatch) -> PaletteColour:
        return cls(swatch.l, swatch.a, swatch.b, swatch.share, colour.to_hex(swatch))


def _palette(swatches: tuple[Swatch, ...]) -> tuple[PaletteColour, ...]:
    return tuple(map(PaletteColour.of, swatches))


Palette = Annotated[tuple[Swatch, ...], PlainSerializer(_palette)]
