"""What Python callers hand over, held to the same types as JSON: a wrong value is a BadQuery that names the argument.

There is one mechanism, pydantic's strict reading of JSON, for the library, the service and the command line alike: "5"
and 2.0 are no whole numbers, and True is no 1. numpy's numbers are numbers, and its small arrays are lists, but nothing
that is masked is either. What is read is used, and not what was given: a subclass of str may do as it likes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, cached_property
from typing import Any, get_type_hints

import numpy as np
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from lookdex.errors import BadQuery

SHOWN = 80  # characters of a value in a message
_OWN_WORDS = ("box",)  # kinds of errors that say themselves what is wanted
_LONGEST = 1000  # numbers of an array that is read as a list


def check_fields(record: Any) -> None:
    """Check the fields of a frozen dataclass by their annotations, in place: a list becomes a tuple, a word its enum.

    Raises BadQuery.
    """
    cls: Any = type(record)
    values = ((field, getattr(record, field.name)) for field in fields(cls))
    given = {field.name: value for field, value in values if value is not field.default}  # defaults are right
    if given:
        for name, value in _read(_of_fields(cls), given).items():
            object.__setattr__(record, name, value)


class Arguments:
    """Arguments of a function by their names, each with its type and pydantic's limits."""

    def __init__(self, **kinds: Any) -> None:
        self._kinds = kinds

    def read(self, **given: object) -> dict[str, Any]:
        """The values as plain ones of their types. Raises BadQuery for the first that is something else."""
        return _read(self._adapter, given)

    @cached_property
    def _adapter(self) -> TypeAdapter[dict[str, Any]]:
        return _adapter_of(self._kinds)


def texts(name: str, values: object) -> list[str]:
    """Several texts: a list, a tuple, a set, an array … of them, but no single text. Raises BadQuery."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise BadQuery(f"{name} is {shown(values)}: give a list of texts")
    try:
        found = list(values)
    except Exception as error:  # the iterator is the caller's, and may raise anything
        raise BadQuery(f"{name} cannot be read as a list of texts: {type(error).__name__}") from error
    return [_text(name, value) for value in found]


def _text(name: str, value: object) -> str:
    """As a plain str. Raises BadQuery."""
    if isinstance(value, str) and _has_json(value):
        return str.__str__(value)
    raise BadQuery(f"{name} holds {shown(value)}: give a list of texts")


def check_has(name: str, value: object, what: str, *attributes: str) -> None:
    """Check that an object is of a kind by what it has. what: the kind, for the message. Raises BadQuery."""
    for attribute in attributes:
        try:
            getattr(value, attribute)
        except Exception as error:  # the object is the caller's, and may raise anything
            raise BadQuery(f"{name} is {shown(value)}: give {what} (this has no {attribute})") from error


def shown(value: object) -> str:
    """A value in a message, cut short; of what has no text, its type."""
    try:
        text = repr(value)
    except Exception:  # the value is the caller's, and may raise anything
        return f"a value of the type {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _read(adapter: TypeAdapter[dict[str, Any]], given: dict[str, object]) -> dict[str, Any]:
    try:
        text = _json(given)
    except Exception as error:  # the values are the caller's, and may raise anything
        name = next((name for name, value in given.items() if not _has_json(value)), "a value")
        raise BadQuery(f"{name} is {shown(given.get(name))}: {_wanted(adapter, name)}") from error
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name, *below = map(str, first["loc"])
        own = f"{name} is {shown(given.get(name))}"
        if below:
            raise BadQuery(f"{own}: {'.'.join(below)}: {first['msg']}") from error
        words = first["msg"] if first["type"] in _OWN_WORDS else _wanted(adapter, name)
        raise BadQuery(f"{own}: {words}") from error


def _plain(value: object) -> object:
    """What JSON has no type for, as something that it has."""
    if isinstance(value, np.ma.MaskedArray):  # whose tolist() is None where it is masked
        raise TypeError
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.size <= _LONGEST):
        return value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def _json(value: object) -> bytes:
    """Raises whatever the value raises, and UnicodeEncodeError for half of a surrogate pair, which no JSON holds."""
    return json.dumps(value, default=_plain, ensure_ascii=False).encode()


def _has_json(value: object) -> bool:
    try:
        _json(value)
    except Exception:
        return False
    return True


@cache
def _of_fields(cls: type) -> TypeAdapter[dict[str, Any]]:
    hints = get_type_hints(cls, include_extras=True)
    return _adapter_of({field.name: hints[field.name] for field in fields(cls)})


def _adapter_of(kinds: dict[str, Any]) -> TypeAdapter[dict[str, Any]]:
    made: Any = TypedDict  # which mypy knows in its literal form only
    record = made("record", kinds, total=False)
    record.__pydantic_config__ = {"strict": True}
    return TypeAdapter(record)


def _wanted(adapter: TypeAdapter[dict[str, Any]], name: str) -> str:
    """What a field may be, from its JSON schema."""
    schema = adapter.json_schema()
    return f"give {_words(schema['properties'].get(name, {}), schema.get('$defs', {}))}"


def _words(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _words(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in schema:
        return ", or ".join(dict.fromkeys(_words(one, defs) for one in schema["anyOf"]))
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    kind = schema.get("type")
    if kind == "string":
        return f"text{_range(schema, 'Length', ' characters', ' of')}"
    return {
        "integer": f"a whole number{_range(schema, 'imum')}",
        "number": f"a number{_range(schema, 'imum')}",
        "boolean": "True or False",
        "null": "None",
        "array": f"a list{_range(schema, 'Items', ' values', ' of')}",
    }.get(str(kind), f"a record of {', '.join(schema.get('properties', ()))}")


def _range(schema: Mapping[str, Any], what: str, unit: str = "", before: str = " from") -> str:
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    if least is not None and most is not None:
        return f"{before} {_number(least)} to {_number(most)}{unit}"
    if least is not None:
        return f" of {_number(least)}{unit} or more"
    return f" of at most {_number(most)}{unit}" if most is not None else ""


def _number(value: float) -> str:
    """Whole ones with all of their digits."""
    return str(int(value)) if value == int(value) else f"{value:g}"
