"""Convert records to JSON and back.

A missing or mistyped field raises `CorruptData` with its path. Unknown fields, of later versions, are ignored.

A stored record has its format and a checksum of its content (`to_sealed_json`): a flipped bit in a number would give
another valid number. A class declares the newest format that it reads as `FORMAT` (default 1); newer records raise
`NewerFormat`. Records without a checksum come from older versions and are accepted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from lookdex.errors import CorruptData, NewerFormat

R = TypeVar("R")
CHECKSUM = "checksum"


def to_json(record: Any) -> bytes:
    """A dataclass as UTF-8 JSON, indented, with a newline at the end. Datetimes become ISO 8601."""
    return _adapter(record.__class__).dump_json(record, indent=1) + b"\n"


def to_sealed_json(record: Any) -> bytes:
    """`to_json` with the format and a checksum, for records that the catalogue stores."""
    content = {**json.loads(to_json(record)), "format": newest_format(record.__class__)}
    content[CHECKSUM] = _checksum(content)
    return json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"


def from_json(cls: type[R], data: bytes, what: str = "") -> R:
    """Read a stored record. what: its key or file, for errors.

    Raises CorruptData, and NewerFormat for a record of a later version.
    """
    name = what or cls.__name__
    try:
        content = json.loads(data)
        if isinstance(content, dict):
            if CHECKSUM in content and content[CHECKSUM] != _checksum(content):
                raise ValueError("its content does not match its checksum")
            check_format(content.get("format"), newest_format(cls), name)
        return given_json(cls, data)
    except (ValueError, RecursionError) as error:
        raise CorruptData(f"{name} is damaged: {error}. Restore it, or run the night again.") from error


def given_json(cls: type[R], data: bytes) -> R:
    """Read a record that a user may have edited. Raises ValueError with a short message."""
    adapter: TypeAdapter[R] = _adapter(cls)  # type: ignore[arg-type]  # mypy: type[R] is not Hashable
    return _valid(lambda: adapter.validate_json(data))


def validate(record: R) -> R:
    """Validate a record that a caller made, as if it were read. Raises ValueError for invalid values."""
    adapter: TypeAdapter[R] = _adapter(record.__class__)  # type: ignore[arg-type]  # likewise
    content = asdict(record)  # type: ignore[call-overload]  # a dataclass, as all records
    return _valid(lambda: adapter.validate_python(content))


def _valid(read: Callable[[], R]) -> R:
    try:
        return read()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"{where}: {first['msg']}") from error


def newest_format(cls: type) -> int:
    """The newest format of a record that this version reads; it also writes this format."""
    return int(getattr(cls, "FORMAT", 1))


def check_format(found: object, newest: int, what: str) -> None:
    """Raise NewerFormat when `found` is later than `newest`. None: written before there were formats."""
    if isinstance(found, int) and found > newest:
        raise NewerFormat(
            f"{what} was written by a newer lookdex (format {found}; this one reads up to {newest}). "
            "Upgrade lookdex here."
        )


def _checksum(content: dict[str, Any]) -> str:
    """SHA-256 (hex) of the content's canonical JSON, so that indentation does not matter."""
    rest = {name: value for name, value in content.items() if name != CHECKSUM}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)
