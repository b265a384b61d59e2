"""Command-line options for settings, and commands that exit with the documented codes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import Field
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from lookdex.catalog.lance_errors import reading
from lookdex.config import (
    DEFAULT_FILE,
    SETTINGS,
    SharedSettings,
    find_unknown_variables,
    read_file,
    settings_by_name,
    variable_name,
)
from lookdex.errors import AuditFailed, ConfigError, LookdexError
from lookdex.runtime.extras import extras

REQUIRED = ("source", "catalog")
TRUST = ("detector", "embedder", "trusted_models")  # for commands that load models named by the catalogue


class Columns(click.ParamType):  # type: ignore[type-arg]  # older clicks have no argument
    """A list of names: 'a,b' on the command line, a list in the TOML file."""

    name = "columns"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            self.fail(f"{value!r} is not a list of names", param, ctx)
        return tuple(name.strip() for name in names if name.strip())


class Switch(click.types.BoolParamType):
    """A boolean: a flag on the command line, true or false in the TOML file, 1, true, yes, on … in a variable."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:
        if not isinstance(value, bool | str):
            self.fail(f"{value!r} is not true or false", param, ctx)
        return bool(super().convert(value, param, ctx))


class OutputFile(click.Path):
    """A file to write when the work is done. Checked at the start, so that a wrong path fails early.

    suffixes: the suffixes it may have; none allows all.
    """

    def __init__(self, *suffixes: str) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)
        self._suffixes = suffixes

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.absolute().parent.is_dir():
            self.fail(f"the folder {path.parent} does not exist", param, ctx)
        if self._suffixes and path.suffix.lower() not in self._suffixes:
            self.fail(f"{path.name!r} must end in one of {' '.join(self._suffixes)}", param, ctx)
        return path


def click_type(entry: Field[Any]) -> Any:
    """click's type for a setting, with its limits or choices."""
    if entry.metadata["choices"]:
        return click.Choice(entry.metadata["choices"])
    limits = entry.metadata["minimum"], entry.metadata["maximum"]
    kinds = {
        "str": str,
        "int": click.IntRange(*limits),
        "float": click.FloatRange(*limits),
        "float | None": click.FloatRange(*limits),
        "tuple[str, ...]": Columns(),
        "bool": Switch(),
    }
    return kinds[str(entry.type)]


class SettingOption(click.Option):
    """The option of a setting. Its errors say when the value came from the environment."""

    def get_error_hint(self, ctx: click.Context | None) -> str:
        hint = super().get_error_hint(ctx)
        source = ctx.get_parameter_source(str(self.name)) if ctx else None
        return f"{hint} ({self.envvar} in the environment)" if source is ParameterSource.ENVIRONMENT else hint


def with_settings(
    model: type[SharedSettings], *names: str, optional: tuple[str, ...] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add options for the named settings of the model, in this order; without names, for all of them.

    The function gets them as one `model`, named `settings`.

    Args:
        optional: those of `REQUIRED` that this command does not need.
    """
    entries = settings_by_name(model)
    required = [name for name in REQUIRED if name in entries]
    names = names or tuple(dict.fromkeys([*required, *entries]))

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @click.pass_context
        def call(context: click.Context, /, **values: Any) -> Any:
            own = {name: values.pop(name) for name in names}
            needed = [name for name in REQUIRED if name in own and name not in optional]
            if missing := [name for name in needed if not own[name]]:
                raise click.UsageError(
                    f"Missing option --{missing[0]} (or {variable_name(missing[0])}).", context
                )
            return function(settings=model(**own), **values)

        call.__name__, call.__doc__ = function.__name__, function.__doc__
        call.__click_params__ = list(getattr(function, "__click_params__", []))  # type: ignore[attr-defined]  # as click
        for name in reversed(names):
            call = _option(entries[name])(call)
        return call

    return decorate


def _option(entry: Field[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option of a setting."""
    flag = entry.name.replace("_", "-")
    return click.option(
        f"--{flag}/--no-{flag}" if isinstance(entry.default, bool) else f"--{flag}",
        cls=SettingOption,
        type=click_type(entry),
        default=entry.default,
        envvar=variable_name(entry.name),
        metavar=entry.metadata["metavar"],
        help=entry.metadata["help"],
        show_default=entry.default not in ("", None, ()),
    )


def warn_of_unknown_variables() -> None:
    """Warn on stderr of LOOKDEX_… variables that are not settings, such as misspelt ones."""
    for name, near in find_unknown_variables(name for name, value in os.environ.items() if value).items():
        hint = f"did you mean {near}?" if near else "`python -m lookdex.config` lists the settings"
        click.echo(f"lookdex: the variable {name} is not a setting and is ignored; {hint}", err=True)


Settings = TypeVar("Settings", bound=SharedSettings)


def read_environment(model: type[Settings], **defaults: Any) -> Settings:
    """The model's settings from LOOKDEX_<NAME> variables, over `defaults`, for programs without a command line.

    Raises ConfigError with the name of the variable.
    """
    warn_of_unknown_variables()
    values = dict(defaults)
    for name, entry in settings_by_name(model).items():
        text = os.environ.get(variable_name(name))
        if not text:  # as on the command line, an empty variable counts as not set
            continue
        try:
            values[name] = click.types.convert_type(click_type(entry))(text)
        except click.BadParameter as error:
            raise ConfigError(f"{variable_name(name)}: {error.message}") from error
    if not values.get("catalog"):
        raise ConfigError("LOOKDEX_CATALOG is not set; give s3://bucket/prefix or a folder")
    return model(**values)


class Command(click.Command):
    """A command that exits with the documented codes, standalone (a job) or as a subcommand of `lookdex`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(
            click.Option(["--config", "config_file"], metavar="FILE", envvar="LOOKDEX_CONFIG", is_eager=True,
                         expose_value=False, callback=load_settings, help="TOML file with settings [./lookdex.toml].")
        )  # fmt: skip

    def invoke(self, ctx: click.Context) -> Any:
        where = f"a table of {ctx.params['catalog']}" if ctx.params.get("catalog") else "a table"
        try:
            with reading(where, lance_only=True), extras():
                return super().invoke(ctx)
        except LookdexError as error:
            name = ctx.command_path if ctx.parent else f"lookdex {ctx.info_name}"
            click.secho(f"{name}: {error}", fg="red", err=True)
            if isinstance(error, AuditFailed):
                for check, rows in error.offenders.items():
                    for row in rows:
                        click.echo(f"  {check}: {json.dumps(row, default=str, ensure_ascii=False)}", err=True)
            ctx.exit(error.exit_code)


def load_settings(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Use the settings file's values as defaults of this command's options.

    They are checked here, because later errors could not name the file. Also warns of unknown variables.
    """
    if not context.resilient_parsing:
        warn_of_unknown_variables()
    try:
        found = read_file(value)
    except ConfigError as error:
        raise click.UsageError(str(error), context) from error
    for name, setting in found.items():
        try:
            click.types.convert_type(click_type(SETTINGS[name]))(setting)
        except click.BadParameter as error:
            file = value or DEFAULT_FILE
            raise click.UsageError(f"the settings file {file}: {name}: {error.message}", context) from error
    context.default_map = {**found, **(context.default_map or {})}


class GroupedOption(click.Option):
    """An option that --help shows under the heading of its group."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


def grouped_option(group: str) -> Callable[..., Callable[..., Any]]:
    """Like `click.option`, for options of a group."""

    def option(*names: str, **attributes: Any) -> Callable[..., Any]:
        return click.option(*names, cls=GroupedOption, group=group, **attributes)

    return option


class GroupedCommand(Command):
    """A command whose help lists its options by group, those without a group last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None:
                groups.setdefault(getattr(param, "group", ""), []).append(record)
        rest = groups.pop("", [])
        for title, records in [*groups.items(), ("Options", rest)]:
            with formatter.section(title):
                formatter.write_dl(records)


run_id_option = click.option(
    "--run-id",
    required=True,
    metavar="ID",
    help="Id of the run. A retry with the same id continues where the last attempt stopped.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def command(name: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Decorator: make the function a subcommand of `lookdex`."""
    return click.command(name, cls=Command)
