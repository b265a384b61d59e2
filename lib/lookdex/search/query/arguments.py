"""Arguments of Python callers, checked by type: a wrong value raises BadQuery, which names the argument.

The library, the service and the command line use the same check, pydantic's strict reading of JSON: "5" and 2.0 are not
whole numbers, and True is not 1. Numbers of numpy count as numbers and its small arrays as lists, unless masked. The
result is built from the JSON, not from the caller's objects: a subclass of str may override anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, cached_property
from typing import Any, get_type_hints

import numpy as np
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic requires it before Python 3.12

from lookdex.errors import BadQuery

SHOWN = 80  # characters of a value in a message
_WITH_ADVICE = ("box",)  # types of errors whose message says what to give
_MAX_ARRAY = 1000  # numbers of an array that is read as a list


def check_fields(record: Any) -> None:
    """Check and convert the fields of a frozen dataclass by their annotations: a list to a tuple, text to an enum.

    Raises BadQuery.
    """
    cls: Any = type(record)
    values = ((field, getattr(record, field.name)) for field in fields(cls))
    given = {field.name: value for field, value in values if value is not field.default}
    if given:
        for name, value in _read(_of_fields(cls), given).items():
            object.__setattr__(record, name, value)


class Arguments:
    """The parameters of a function: names and types, with pydantic's limits."""

    def __init__(self, **types: Any) -> None:
        self._types = types

    def read(self, **given: object) -> dict[str, Any]:
        """The values, converted to their types. Raises BadQuery for the first wrong one."""
        return _read(self._adapter, given)

    @cached_property
    def _adapter(self) -> TypeAdapter[dict[str, Any]]:
        return _adapter_of(self._types)


def texts(name: str, values: object) -> list[str]:
    """The texts in a list or another iterable, but not in a single text. Raises BadQuery."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise BadQuery(f"{name} is {shown(values)}: give a list of texts")
    try:
        items = list(values)
    except Exception as error:  # the iterator is the caller's, and may raise anything
        raise BadQuery(f"{name} cannot be read as a list of texts: {type(error).__name__}") from error
    return [_text(name, item) for item in items]


def _text(name: str, value: object) -> str:
    """The text as a plain str. Raises BadQuery."""
    if isinstance(value, str) and _is_json(value):
        return str.__str__(value)
    raise BadQuery(f"{name} holds {shown(value)}: give a list of texts")


def check_has(name: str, value: object, what: str, *attributes: str) -> None:
    """Check that an object has these attributes. what: its type, for the message. Raises BadQuery."""
    for attribute in attributes:
        try:
            getattr(value, attribute)
        except Exception as error:  # the object is the caller's, and may raise anything
            raise BadQuery(f"{name} is {shown(value)}: give {what} (this has no {attribute})") from error


def shown(value: object) -> str:
    """A value for a message: shortened, or only its type if its repr fails."""
    try:
        text = repr(value)
    except Exception:  # the value is the caller's, and may raise anything
        return f"a value of the type {type(value).__name__}"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _read(adapter: TypeAdapter[dict[str, Any]], given: dict[str, object]) -> dict[str, Any]:
    try:
        text = _json(given)
    except Exception as error:  # the values are the caller's, and may raise anything
        name = next((name for name, value in given.items() if not _is_json(value)), "a value")
        raise BadQuery(f"{name} is {shown(given.get(name))}: {_expected(adapter, name)}") from error
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name, *path = map(str, first["loc"])
        advice = first["msg"] if first["type"] in _WITH_ADVICE else _expected(adapter, name)
        if path:
            advice = f"{'.'.join(path)}: {first['msg']}"
        raise BadQuery(f"{name} is {shown(given.get(name))}: {advice}") from error


def _plain(value: object) -> object:
    """A value that JSON has no type for, as one that it has."""
    if isinstance(value, np.ma.MaskedArray):  # tolist() would be None where it is masked
        raise TypeError
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.size <= _MAX_ARRAY):
        return value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def _json(value: object) -> bytes:
    """The value as JSON. Raises whatever the value raises, and UnicodeEncodeError for a lone surrogate."""
    return json.dumps(value, default=_plain, ensure_ascii=False).encode()


def _is_json(value: object) -> bool:
    try:
        _json(value)
    except Exception:
        return False
    return True


@cache
def _of_fields(cls: type) -> TypeAdapter[dict[str, Any]]:
    hints = get_type_hints(cls, include_extras=True)
    return _adapter_of({field.name: hints[field.name] for field in fields(cls)})


def _adapter_of(types: dict[str, Any]) -> TypeAdapter[dict[str, Any]]:
    create: Any = TypedDict  # mypy knows only calls with literals
    record = create("record", types, total=False)
    record.__pydantic_config__ = {"strict": True}
    return TypeAdapter(record)


def _expected(adapter: TypeAdapter[dict[str, Any]], name: str) -> str:
    """What to give for a field, from its JSON schema."""
    schema = adapter.json_schema()
    return f"give {_described(schema['properties'].get(name, {}), schema.get('$defs', {}))}"


def _described(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _described(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "anyOf" in schema:
        return ", or ".join(dict.fromkeys(_described(one, defs) for one in schema["anyOf"]))
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
    """“ from 1 to 1000”, of the keywords min… and max… in a schema."""
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    above, below = schema.get(f"exclusiveMin{what}"), schema.get(f"exclusiveMax{what}")
    if above is not None:
        return f" above {_number(above)}{unit}" + (f", at most {_number(most)}" if most is not None else "")
    if below is not None and schema["type"] == "integer":
        most = below - 1
    if least is not None and least == most:
        return f"{before} {_number(least)}{unit}"
    if least is not None and most is not None:
        return f"{before} {_number(least)} to {_number(most)}{unit}"
    if least is not None:
        return f" of {_number(least)}{unit} or more"
    return f" of at most {_number(most)}{unit}" if most is not None else ""


def _number(value: float) -> str:
    """A number for a message: whole ones with all digits."""
    return str(int(value)) if value == int(value) else f"{value:g}"
