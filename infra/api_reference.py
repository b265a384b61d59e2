"""The public names of lookdex with their signatures, as Markdown: `python -m infra.api_reference`.

A test compares docs/api.md with it.
"""

from __future__ import annotations

import enum
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any

from pydantic import TypeAdapter

import lookdex
from lookdex import LookdexError

_WIDTH = 120
_STARS: dict[object, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
_QUALIFIER = re.compile(r"\b(?:[a-z_]\w*\.)+(?=[A-Za-z])")  # collections.abc.


def markdown() -> str:
    """The reference in docs/api.md."""
    parts = [
        "## Catalogues",
        _functions({"open_catalog": lookdex.open_catalog}),
        *_catalog(),
        "### `Release`",
        "The record of a release: see [tables](tables.md).",
        "## Questions",
        *_record(lookdex.Options, defaults=True),
        _functions({"Pick": lookdex.Pick, "Box": lookdex.Box}),
        _enumerations(lookdex.Widen, lookdex.Crops, lookdex.Scope),
        "## Answers",
        "Fields and properties. `None` is null in JSON.",
    ]
    for record in (lookdex.Answer, lookdex.FoundObject, lookdex.Match, lookdex.Look, lookdex.Facets):
        parts += _record(record)
    return "\n\n".join([*parts, "## Errors", _errors()])


def _catalog() -> Iterator[str]:
    yield "### `Catalog`"
    yield _summary(lookdex.Catalog)
    yield _table("property | type | ", _properties(lookdex.Catalog))
    yield _functions(_methods(lookdex.Catalog))


def _record(record: type, *, defaults: bool = False) -> Iterator[str]:
    """A record with its fields, properties and methods."""
    yield f"### `{record.__name__}`"
    yield _summary(record)
    hints = typing.get_type_hints(record)
    described = TypeAdapter(record).json_schema(mode="serialization")["properties"]
    rows = []
    for field in fields(record):
        default = [_default(field)] if defaults else []
        text = described[field.name].get("description", "")
        rows.append([f"`{field.name}`", f"`{_type(hints[field.name])}`", *default, text])
    if defaults:
        yield _table("field | type | default | ", rows)
    else:
        yield _table("field | type | ", [*rows, *_properties(record)])
        if methods := _methods(record):
            yield _functions(methods)


def _properties(owner: type) -> list[list[str]]:
    rows = []
    for name, value in vars(owner).items():
        getter = getattr(getattr(value, "wrapped", value), "fget", None)  # pydantic wraps its computed fields
        if getter and not name.startswith("_"):
            kind = _type(inspect.signature(getter).return_annotation)
            rows.append([f"`{name}`", f"`{kind}`", _summary(getter)])
    return rows


def _methods(owner: type) -> dict[str, Callable[..., Any]]:
    return {
        name: value
        for name, value in vars(owner).items()
        if inspect.isfunction(value) and not name.startswith("_")
    }


def _functions(functions: Mapping[str, Callable[..., Any]]) -> str:
    """A list of functions: each one's signature as wrapped code, above its summary."""
    lines = []
    for name, function in functions.items():
        wrapped = textwrap.fill(
            f"- `{_signature(name, function)}`",
            _WIDTH,
            subsequent_indent="  ",
            break_on_hyphens=False,
            break_long_words=False,
        )
        lines.append("\\\n  ".join(filter(None, [wrapped, _summary(function)])))
    return "\n".join(lines)


def _signature(name: str, function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    arguments: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not any(text.startswith("*") for text in arguments):
            arguments.append("*")
        stars = _STARS.get(parameter.kind, "")
        default = "" if parameter.default is parameter.empty else f" = {_value(parameter.default)}"
        arguments.append(f"{stars}{parameter.name}: {_type(parameter.annotation)}{default}")
    returned = "" if inspect.isclass(function) else f" -> {_type(signature.return_annotation)}"
    return f"{name}({', '.join(arguments)}){returned}"


def _enumerations(*kinds: type[enum.Enum]) -> str:
    rows = []
    for kind in kinds:
        rows.append([f"`{kind.__name__}`", ", ".join(f"`{one.value}`" for one in kind), _summary(kind)])
    return _table("enumeration | values | ", rows)


def _errors() -> str:
    exported = {getattr(lookdex, name) for name in lookdex.__all__}
    rows = []
    for error in filter(exported.__contains__, _with_derived(LookdexError)):
        bases = ", ".join(f"`{base.__name__}`" for base in error.__bases__ if base in exported)
        rows.append([f"`{error.__name__}`", bases, str(error.exit_code), _summary(error)])
    return _table("error | is a | exit code | ", rows)


def _with_derived(error: type[LookdexError]) -> Iterator[type[LookdexError]]:
    yield error
    for derived in error.__subclasses__():
        yield from _with_derived(derived)


def _type(annotation: object) -> str:
    """A type without the modules of its names, and with `X | None` for Optional."""
    if isinstance(annotation, str):
        return _QUALIFIER.sub("", annotation)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return " | ".join(_type(one) for one in typing.get_args(annotation)).replace("NoneType", "None")
    return _QUALIFIER.sub("", inspect.formatannotation(annotation))


def _default(field: Field[Any]) -> str:
    return f"`{_value(field.default)}`" if field.default is not MISSING else ""


def _value(value: object) -> str:
    return repr(value.value if isinstance(value, enum.Enum) else value)


def _summary(documented: object) -> str:
    """The first paragraph of a docstring."""
    return (inspect.getdoc(documented) or "").partition("\n\n")[0].replace("\n", " ")


def _table(head: str, rows: list[list[str]]) -> str:
    cells = [[cell.replace("\n", " ").replace("|", "\\|") for cell in row] for row in rows]
    rule = " | ".join("---" for _ in head.split("|"))
    return "\n".join(f"| {line} |" for line in [head.rstrip(), rule, *map(" | ".join, cells)])


if __name__ == "__main__":
    print(markdown())
