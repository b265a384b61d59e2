"""The answer to a question: a record, and by the same declaration its JSON with the published schema.

Each field's type says how it is written (`fields`), its docstring what it means. A field that changes its meaning or is
removed makes another format; a new field does not, so readers must ignore fields that they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import ConfigDict, TypeAdapter, computed_field

from lookdex.records import Recipe
from lookdex.search.answer import text
from lookdex.search.answer.facets import Facets
from lookdex.search.answer.fields import Positive, Record, Rounded
from lookdex.search.answer.json_schema import public_form
from lookdex.search.answer.lanes import FoundObject
from lookdex.search.answer.look import Look

FORMAT: Final = 2


@dataclass(frozen=True, slots=True)
class Models(Record):
    """The release's models, with the digests of their weights."""

    detector: str
    detector_digest: str
    embedder: str
    embedder_digest: str

    @classmethod
    def of(cls, recipe: Recipe) -> Models:
        return cls(recipe.detector, recipe.detector_digest, recipe.embedder, recipe.embedder_digest)


@dataclass(frozen=True, slots=True)
class Next(Record):
    """The options of the next page; all others stay the same."""

    offset: Positive
    release: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Record):
    """An answer of lookdex, wholly from one release. Fields that are not described here may be added."""

    __pydantic_config__ = ConfigDict(**Record.__pydantic_config__, title="lookdex answer")

    format: Literal[2] = FORMAT
    release_id: str
    released_at: datetime
    """When the release was built."""
    models: Models
    width: int | None = None
    """Of the upright photo, in pixels."""
    height: int | None = None
    objects: tuple[FoundObject, ...]
    """Every object, best score first; for a text, product or vector its only lane."""
    whole: FoundObject | None
    """The whole photo as one more lane."""
    look: Look | None = None
    """For photos with two or more objects."""
    goes_with: tuple[FoundObject, ...] = ()
    """What is worn with the product that was asked for, if requested."""
    seconds: Mapping[str, Rounded]
    """Time of each step."""
    next: Next | None = None
    """The next page; null if no lane has more products, or the limit of pages is reached."""
    facets: Facets | None = None
    """If requested."""

    @computed_field
    @property
    def no_object(self) -> bool:
        """No object was found in the photo: the only lane is the whole photo."""
        return not self.objects

    @property
    def lanes(self) -> tuple[FoundObject, ...]:
        """The objects, then the whole photo."""
        return self.objects if self.whole is None else (*self.objects, self.whole)

    @property
    def all_lanes(self) -> tuple[FoundObject, ...]:
        """The lanes, then those of what goes with the product."""
        return (*self.lanes, *self.goes_with)

    def as_dict(self, *, crops: bool = False) -> dict[str, Any]:
        """The JSON of `to_json` as plain values."""
        plain: dict[str, Any] = _JSON.dump_python(self, mode="json", context={"crops": crops})
        return plain

    def to_json(self, *, crops: bool = False, indent: int | None = 1) -> str:
        """JSON of the schema `answer-2.json`; with `crops`, the JPEGs as base64, else null."""
        return _JSON.dump_json(self, indent=indent, context={"crops": crops}).decode()

    def to_table(self, *, width: int | None = None) -> str:
        """The answer as text for a terminal of `width` columns (default: this terminal's)."""
        above = [text.NO_OBJECT] if self.no_object else []
        return text.as_table(self.all_lanes, above, self.notes(), width)

    def notes(self) -> list[str]:
        """Lines of text on the look, the facets and the release."""
        release = text.release_line(self.release_id, self.released_at, self.seconds)
        return [*text.notes(self.look, self.facets), release]


_JSON = TypeAdapter(Answer)


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of an answer."""
    return public_form(_JSON.json_schema(mode="serialization"))
