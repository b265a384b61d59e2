"""The answer to a query: typed, wholly from one release, as JSON and as a table for terminals."""

from __future__ import annotations

import base64
import io
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any

from lookdex import colour, korean
from lookdex.records import Box, Recipe, Swatch

FORMAT = 1  # of the JSON; raised when a field changes its meaning or goes


class Kind(StrEnum):
    """What a lane asked with."""

    OBJECT = "object"  # found by the detector
    BOX = "box"  # drawn by the caller
    IMAGE = "image"  # the whole photo
    TEXT = "text"
    VECTOR = "vector"


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
    """A product of the answer, by its most similar row.

    `similarity` is the cosine of the two vectors (-1 … 1), computed exactly whatever the index approximates;
    `distance` is 1 - similarity. `product_id` is None for a photo that is tied to no product. `box` holds
    pixels of the photo `image_key`. `columns` are the product's (title, price, …). `palette` is what the row's
    object looks like in at most five colours, and `colour_similarity` (0 … 1) how alike that is to the lane's; ()
    and None where a lane has no picture, or the release is of a lookdex that kept no palettes.
    """

    rank: int  # 1 is the most similar
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

    @property
    def colour_ko(self) -> str | None:
        """`colour` in Korean."""
        return korean.colour_shown(self.colour)


@dataclass(frozen=True, slots=True)
class FoundObject:
    """One lane of the query and its matches, each of another product.

    `box` holds pixels of the upright query photo; None for text and vectors. `exhausted`: the table holds
    fewer products that fit than were asked for. `main`: the most prominent object of the photo. `palette`: at most
    five colours of the object's own pixels, largest share first; () for the whole photo, text and vectors.
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
    text: str | None = None  # what was asked with, for Kind.TEXT
    palette: tuple[Swatch, ...] = field(default=(), repr=False)

    @property
    def colour_ko(self) -> str | None:
        """`colour` in Korean."""
        return korean.colour_shown(self.colour)


@dataclass(frozen=True, slots=True)
class Answer:
    """Every object found, best score first, and the whole photo as one more lane.

    A query by text or vector has one object and no `whole`. `seconds` is the time of each step.
    """

    release_id: str
    released_at: datetime
    models: Models
    objects: tuple[FoundObject, ...]
    whole: FoundObject | None
    seconds: Mapping[str, float]
    width: int | None = None  # of the upright query photo, pixels
    height: int | None = None
    format: int = FORMAT

    @property
    def lanes(self) -> tuple[FoundObject, ...]:
        """The objects, then the whole photo."""
        return self.objects if self.whole is None else (*self.objects, self.whole)

    @property
    def no_object(self) -> bool:
        """The detector found nothing: only the whole photo answers."""
        return not self.objects

    def as_dict(self, *, crops: bool = False) -> dict[str, Any]:
        """Plain values for JSON; with `crops`, the JPEGs as base64, else without them."""
        return {
            "format": self.format,
            "release_id": self.release_id,
            "released_at": self.released_at.isoformat(),
            "models": _fields(self.models),
            "width": self.width,
            "height": self.height,
            "no_object": self.no_object,
            "objects": [_object(found, crops) for found in self.objects],
            "whole": None if self.whole is None else _object(self.whole, crops),
            "seconds": {step: round(value, 6) for step, value in self.seconds.items()},
        }

    def to_json(self, *, crops: bool = False) -> str:
        return json.dumps(self.as_dict(crops=crops), ensure_ascii=False, indent=1, allow_nan=False)

    def to_table(self, *, width: int | None = None) -> str:
        """The answer as text for a terminal of `width` columns (default: this terminal's)."""
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        shown = _shown_columns(self)
        out = io.StringIO()
        console = Console(
            file=out,
            width=width or shutil.get_terminal_size((120, 24)).columns,
            color_system=None,
            highlight=False,
        )
        table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=False)
        for name in ("object", "#", "product", "similarity", *shown):
            right = name in ("#", "similarity") or name == "price"
            table.add_column(name, justify="right" if right else "left", no_wrap=name in ("#", "similarity"))
        for lane in self.lanes:
            cells = [Text(describe(lane)), *map(Text, ("", "no product fits", "", *("" for _ in shown)))]
            for match in lane.matches:
                values = (_cell(match.columns.get(name)) for name in shown)
                cells[1:] = map(Text, (str(match.rank), match.product_id or match.image_key,
                                       f"{match.similarity:.3f}", *values))  # fmt: skip
                table.add_row(*cells)
                cells[0] = Text("")
            if not lane.matches:
                table.add_row(*cells)
            table.add_section()
        if self.no_object:
            console.print("No object found: the whole photo answers.")
        console.print(table)
        total = sum(self.seconds.values())
        console.print(
            f"release {self.release_id} of {self.released_at:%Y-%m-%d %H:%M} · {total * 1000:.0f} ms"
        )
        return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def describe(lane: FoundObject) -> str:
    """A lane in a few words: “red dress 0.87”, “whole photo”."""
    if lane.kind is Kind.OBJECT:
        name = " ".join(filter(None, (lane.colour, lane.label)))
        return name if lane.score is None else f"{name} {lane.score:.2f}"
    return {
        Kind.BOX: " ".join(filter(None, (lane.colour, "drawn box"))),
        Kind.IMAGE: "whole photo",
        Kind.TEXT: f"“{lane.text}”",
        Kind.VECTOR: "vector",
    }[lane.kind]


def _shown_columns(answer: Answer) -> list[str]:
    """At most four product columns: those every shop has first."""
    present: dict[str, None] = {}
    for lane in answer.lanes:
        for match in lane.matches:
            present.update(dict.fromkeys(match.columns))
    usual = [name for name in ("title", "category", "colour", "price") if name in present]
    return (usual + [name for name in present if name not in usual and name != "url"])[:4]


def _cell(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _fields(record: Models | Box | Swatch) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__}


def _object(found: FoundObject, crops: bool) -> dict[str, Any]:
    value = {
        "kind": str(found.kind),
        "box": None if found.box is None else _fields(found.box),
        "label": found.label,
        "score": found.score,
        "colour": found.colour,
        "colour_ko": found.colour_ko,
        "palette": _palette(found.palette),
        "main": found.main,
        "text": found.text,
        "exhausted": found.exhausted,
        "matches": [_match(match, crops) for match in found.matches],
    }
    return value | ({"crop": _plain(found.crop)} if crops else {})


def _match(match: Match, crops: bool) -> dict[str, Any]:
    other = ("box", "columns", "crop", "palette")
    value = {name: getattr(match, name) for name in match.__slots__ if name not in other}
    value |= {"colour_ko": match.colour_ko, "palette": _palette(match.palette), "box": _fields(match.box)}
    value["columns"] = {name: _plain(v) for name, v in match.columns.items()}
    return value | ({"crop": _plain(match.crop)} if crops else {})


def _palette(palette: tuple[Swatch, ...]) -> list[dict[str, Any]]:
    """Each colour in L*a*b*, and as a screen shows it (`hex`), with its share."""
    return [_fields(swatch) | {"hex": colour.hex_of(swatch)} for swatch in palette]


def _plain(value: object) -> object:
    """A value of an Arrow column as JSON has it: no NaN, dates as ISO 8601, bytes as base64."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return float(value)
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case Mapping():
            return {str(k): _plain(v) for k, v in value.items()}
        case list() | tuple() | set():
            return [_plain(v) for v in value]
        case _:
            return str(value)
