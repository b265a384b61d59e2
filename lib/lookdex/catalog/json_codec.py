"""Records to JSON and back.

The reader is strict about what it needs (a missing or mistyped field is `CorruptData`, named by its path) and
lenient about what it does not know (an added field of a later version is ignored).

A stored record carries its format and a checksum of its content (`sealed`): one flipped bit in a number would
otherwise pass for another number. A record's class declares the newest format that it reads as `FORMAT` (default 1); a
record of a newer format raises `NewerFormat`. Records without a checksum come from older versions, and are accepted.
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
    """UTF-8 JSON of a dataclass, indented for people, with a newline at its end. Datetimes become ISO 8601."""
    return _adapter(record.__class__).dump_json(record, indent=1) + b"\n"


def sealed(record: Any) -> bytes:
    """`to_json` with the format and a checksum of the content: what the catalogue stores."""
    content = {**json.loads(to_json(record)), "format": format_of(record.__class__)}
    content[CHECKSUM] = _checksum(content)
    return json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"


def from_json(cls: type[R], data: bytes, what: str = "") -> R:
    """The record of type `cls` in `data`; `what` (a key, a file) is named in the error.

    Raises CorruptData, and NewerFormat for a record that this version does not know yet.
    """
    name = what or cls.__name__
    try:
        content = json.loads(data)
        if isinstance(content, dict):
            if CHECKSUM in content and content[CHECKSUM] != _checksum(content):
                raise ValueError("its content does not match its checksum")
            check_format(content.get("format"), format_of(cls), name)
        return given_json(cls, data)
    except (ValueError, RecursionError) as error:
        raise CorruptData(f"{name} is damaged: {error}. Restore it, or run the night again.") from error


def given_json(cls: type[R], data: bytes) -> R:
    """A record from a user, who may have edited it. Raises ValueError, which says briefly what is wrong."""
    adapter: TypeAdapter[R] = _adapter(cls)  # type: ignore[arg-type]  # mypy: type[R] is not Hashable
    return _valid(lambda: adapter.validate_json(data))


def reread(record: R) -> R:
    """A record that a caller made, as it would be read. Raises ValueError for what no stored record may hold."""
    adapter: TypeAdapter[R] = _adapter(record.__class__)  # type: ignore[arg-type]
    content = asdict(record)  # type: ignore[call-overload]  # a dataclass, as all records
    return _valid(lambda: adapter.validate_python(content))


def _valid(read: Callable[[], R]) -> R:
    try:
        return read()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"{where}: {first['msg']}") from error


def format_of(cls: type) -> int:
    """The newest format of a record that this version reads, and the one that it writes."""
    return int(getattr(cls, "FORMAT", 1))


def check_format(found: object, newest: int, what: str) -> None:
    """Raises NewerFormat when `found` is a format beyond `newest`. None: written before there were formats."""
    if isinstance(found, int) and found > newest:
        raise NewerFormat(
            f"{what} was written by a newer lookdex (format {found}; this one reads up to {newest}). "
            "Upgrade lookdex here."
        )


def _checksum(content: dict[str, Any]) -> str:
    """SHA-256 (hex) over the content's canonical JSON, so that it does not depend on indentation."""
    rest = {name: value for name, value in content.items() if name != CHECKSUM}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)
