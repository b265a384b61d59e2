"""Records to JSON and back.

The reader is strict about what it needs (a missing or mistyped field is `CorruptData`, named by its path) and
lenient about what it does not know (an added field of a later version is ignored).
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from lookdex.errors import CorruptData

R = TypeVar("R")


def to_json(record: Any) -> bytes:
    """UTF-8 JSON of a dataclass, indented for people, with a newline at its end. Datetimes become ISO 8601."""
    return _adapter(record.__class__).dump_json(record, indent=1) + b"\n"


def from_json(cls: type[R], data: bytes, what: str = "") -> R:
    """The record of type `cls` in `data`; `what` (a key, a file) is named in the error. Raises CorruptData."""
    try:
        return given_json(cls, data)
    except ValueError as error:
        raise CorruptData(
            f"{what or cls.__name__} is damaged or of another version: {error}. "
            "Restore it, or run the night again."
        ) from error


def given_json(cls: type[R], data: bytes) -> R:
    """As `from_json`, for what a user hands over. Raises ValueError: what is wrong with it, in a few words."""
    adapter: TypeAdapter[R] = _adapter(cls)  # type: ignore[arg-type]  # mypy: type[R] is not Hashable
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"{where}: {first['msg']}") from error


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)
