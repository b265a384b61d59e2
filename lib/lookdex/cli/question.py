"""The flags of a question, made from the declarations in `search.query.options`."""

from __future__ import annotations

import re
from enum import Enum
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args

import click

from lookdex.cli.options import GroupedCommand, GroupedOption

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


class BoxType(click.ParamType):  # type: ignore[type-arg]  # older clicks have no argument
    """x0,y0,x1,y1"""

    name = "box"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            x0, y0, x1, y1 = map(int, value.split(",")) if isinstance(value, str) else value
        except (TypeError, ValueError):
            self.fail("four whole numbers: x0,y0,x1,y1", param, ctx)
        return x0, y0, x1, y1


class FacetsType(click.ParamType):  # type: ignore[type-arg]  # older clicks have no argument
    """a,b or true"""

    name = "facets"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from lookdex.search.query.options import read_facets

        return read_facets(value) if isinstance(value, str) else value


class QuestionCommand(GroupedCommand):
    """A command with the flags of a question, before its own."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*question_flags(), *super().get_params(ctx)]


@cache
def question_flags() -> list[GroupedOption]:
    """The fields of `Options` that are flags, in the order of their groups.

    They are made on first use: importing them with pydantic would slow down `lookdex --help`.
    """
    from lookdex.search.query.options import Flag, Group, declarations

    declared = declarations()
    names = {name: f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}" for name in declared}
    flags = []
    for name, field in declared.items():
        flag = next((data for data in field.metadata if isinstance(data, Flag)), None)
        if flag is None:
            continue
        own, kind, default = names[name], _click_type(name, field), field.default
        flags.append(
            GroupedOption(
                [f"{own}/--no-{own[2:]}" if default is True else own, name],
                group=flag.group,
                type=kind,
                is_flag=kind is bool,
                default=default.value if isinstance(default, Enum) else default,
                show_default=default is not None and default is not False,
                metavar=flag.metavar,
                help=re.sub(r"`(\w+)`", lambda word: names.get(word[1], word[1]), field.description or ""),
            )
        )
    groups: list[str] = list(Group)
    return sorted(flags, key=lambda flag: groups.index(flag.group))


def _click_type(name: str, field: FieldInfo) -> Any:
    """click's type for a field, with its limits or choices."""
    if name == "box":
        return BoxType()
    if name == "facets":
        return FacetsType()
    kinds: Any = get_args(field.annotation) or (field.annotation,)
    (kind,) = (one for one in kinds if one is not NoneType)
    if issubclass(kind, Enum):
        return click.Choice([one.value for one in kind])
    minimum, maximum = (next((getattr(data, limit) for data in field.metadata if hasattr(data, limit)), None)
                   for limit in ("ge", "le"))  # fmt: skip
    return {int: click.IntRange(minimum, maximum), float: click.FloatRange(minimum, maximum)}.get(kind, kind)
