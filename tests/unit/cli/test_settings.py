"""Commands and their settings, from flags, variables and files, and the errors of wrong ones."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex import config
from lookdex.cli import main, options
from lookdex.config import NightSettings, ServiceSettings
from lookdex.errors import ConfigError
from lookdex.storage import open_store
from tests.support.paths import ROOT
from tests.support.verbs import run


@pytest.mark.parametrize("name", sorted(main.main.commands))
def test_every_command_and_option_has_a_help_text(name: str) -> None:
    verb = main.main.commands[name]
    assert verb.help
    for option in verb.get_params(click.Context(verb)):
        if isinstance(option, click.Option) and option.name not in ("products", "looks", "seed", "help"):
            assert option.help, f"lookdex {name} {option.opts[0]} has no help"
    assert run(name, "--help").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("plan", "--catalog", "c"),
        ("index", "--catalog", "c"),
        ("reindex", "--source", "s", "--catalog", "c", "--limit", "0"),
        ("search", "--catalog", "c"),
        ("search", "--catalog", "c", "--text", "red", "--box", "1,2,3,4"),
        ("search", "/nowhere.jpg", "--catalog", "c"),
        ("plan", "--source", "s", "--catalog", "c", "--config", "/nowhere.toml"),
        ("plan", "--source", "s", "--catalog", "c", "--min-score", "5"),
        ("reindex", "--source", "s", "--catalog", "c", "--shard-images", "0"),
        ("search", __file__, "--catalog", "c", "--png", "/nowhere/answer.png"),
        ("search", __file__, "--catalog", "c", "--png", "answer.txt"),
        ("evaluate", "retrieval", "--images", ".", "--json", "/nowhere/out.json"),
        ("sample",),
    ],
)
def test_wrong_usage_exits_with_status_2_and_a_message(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Error" in result.output
    assert "Traceback" not in result.output


def resolved(arguments: list[str], environment: dict[str, str], path: Path) -> NightSettings:
    """The settings of a command with these arguments, environment and settings file."""
    found: list[NightSettings] = []

    @click.command(cls=options.Command)
    @options.with_settings(NightSettings, "batch", "product_columns", "min_score", "keep_unlisted")
    def probe(settings: NightSettings) -> None:
        found.append(settings)

    result = CliRunner().invoke(
        probe, ["--config", str(path), *arguments], env=environment, catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    return found[0]


@settings(deadline=None)
@given(
    flag=st.none() | st.integers(1, 9),
    environment=st.none() | st.integers(10, 19),
    file=st.none() | st.integers(20, 29),
)
def test_a_flag_overrides_the_environment_the_file_and_the_default_in_this_order(
    tmp_path_factory: pytest.TempPathFactory, flag: int | None, environment: int | None, file: int | None
) -> None:
    path = tmp_path_factory.mktemp("config") / "lookdex.toml"
    path.write_text("" if file is None else f"batch = {file}\n")
    arguments = [] if flag is None else ["--batch", str(flag)]
    variables = {} if environment is None else {"LOOKDEX_BATCH": str(environment)}
    expected = next(v for v in (flag, environment, file, NightSettings().batch) if v is not None)
    assert resolved(arguments, variables, path).batch == expected


def test_lists_are_read_from_flags_variables_and_files(tmp_path: Path) -> None:
    path = tmp_path / "lookdex.toml"
    path.write_text('product_columns = ["title", "price"]\n')
    assert resolved([], {}, path).product_columns == ("title", "price")
    assert resolved([], {"LOOKDEX_PRODUCT_COLUMNS": "a, b"}, path).product_columns == ("a", "b")
    assert resolved(["--product-columns", "c"], {}, path).product_columns == ("c",)


@pytest.mark.parametrize("flag", [None, True, False])
@pytest.mark.parametrize("variable", [None, "1", "yes", "false", "0"])
@pytest.mark.parametrize("file", [None, True, False])
def test_switches_are_read_from_flags_variables_and_files(
    tmp_path: Path, flag: bool | None, variable: str | None, file: bool | None
) -> None:
    path = tmp_path / "lookdex.toml"
    path.write_text("" if file is None else f"keep_unlisted = {str(file).lower()}\n")
    arguments = [] if flag is None else ["--keep-unlisted" if flag else "--no-keep-unlisted"]
    variables = {} if variable is None else {"LOOKDEX_KEEP_UNLISTED": variable}
    from_variable = None if variable is None else variable in ("1", "yes")
    expected = next(value for value in (flag, from_variable, file, False) if value is not None)
    assert resolved(arguments, variables, path).keep_unlisted is expected
    if flag is None and file is None:
        with pytest.MonkeyPatch.context() as environment:
            for name, value in variables.items():
                environment.setenv(name, value)
            assert options.read_environment(NightSettings, catalog="c").keep_unlisted is expected


def test_one_file_configures_the_nightly_run_and_the_service(tmp_path: Path) -> None:
    path = tmp_path / "lookdex.toml"
    path.write_text('device = "cuda"\nshard_images = 5\nqueue = 3\n')
    assert config.read_file(str(path)) == {"device": "cuda", "shard_images": 5, "queue": 3}
    night, service = config.settings_by_name(NightSettings), config.settings_by_name(ServiceSettings)
    assert set(night) & set(service) == set(config.settings_by_name(config.SharedSettings))
    assert set(night) | set(service) == set(config.SETTINGS)
    assert "queue" not in night
    assert "shard_images" not in service


def test_a_program_reads_the_variables_of_its_own_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKDEX_CATALOG", "s3://shop/lookdex")
    monkeypatch.setenv("LOOKDEX_SHARD_IMAGES", "none")
    monkeypatch.setenv("LOOKDEX_QUEUE", "3")
    assert options.read_environment(ServiceSettings, port=9) == ServiceSettings(
        catalog="s3://shop/lookdex", queue=3, port=9
    )
    with pytest.raises(ConfigError, match="LOOKDEX_SHARD_IMAGES"):
        options.read_environment(NightSettings)


@pytest.mark.parametrize(
    "environment", [{}, {"LOOKDEX_PRODUCTS": "p.csv", "LOOKDEX_KEEP_UNLISTED": "1"}], ids=str
)
def test_settings_of_other_commands_are_ignored(tmp_path: Path, environment: dict[str, str]) -> None:
    path = tmp_path / "lookdex.toml"
    path.write_text('products = "p.csv"\nproduct_columns = ["title"]\nkeep_unlisted = true\n')
    catalog = str(tmp_path / "c")
    result = run("build", "--catalog", catalog, "--run-id", "n1", "--config", str(path), **environment)
    assert result.exit_code == 1
    assert "lookdex plan" in result.stderr  # the only error is that there is no such run
    assert "is not a setting" not in result.stderr


@pytest.mark.parametrize(
    "flag", [("--products", "p.csv"), ("--product-columns", "title"), ("--keep-unlisted",)], ids=" ".join
)
def test_flags_of_other_commands_are_refused(tmp_path: Path, flag: tuple[str, ...]) -> None:
    result = run("build", "--catalog", str(tmp_path / "c"), "--run-id", "n1", *flag)
    assert result.exit_code == 2
    assert f"No such option '{flag[0]}'" in result.output


@pytest.mark.parametrize("text", ["batch = ", "bathc = 3\n", "[models]\ndetector = 'x'\n"])
def test_the_error_of_a_wrong_settings_file_names_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lookdex.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=str(path)):
        config.read_file(str(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('min_score = "high"', "min_score: 'high' is not a valid float"),
        ("min_score = 3", "min_score: 3"),
        ('port = "x"', "port: 'x' is not a valid integer"),
        ('product_columns = ["a", 5]', "product_columns: ['a', 5] is not a list of names"),
        ("keep_unlisted = 3", "keep_unlisted: 3 is not true or false"),
        ('keep_unlisted = "maybe"', "keep_unlisted: 'maybe' is not a valid boolean"),
        ("product_columns = 5", "product_columns: 5 is not a list of names"),
        ('engine = "gpu"', "engine: 'gpu' is not one of"),
    ],
)
def test_the_error_of_a_wrong_value_in_a_settings_file_names_the_file(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "lookdex.toml"
    path.write_text(text)
    result = run("plan", "--source", "s", "--catalog", "c", "--config", str(path))
    assert result.exit_code == 2
    assert f"the settings file {path}: {message}" in " ".join(result.output.split())


def test_the_error_of_a_wrong_value_in_a_variable_names_the_variable() -> None:
    result = run("serve", "--catalog", "c", LOOKDEX_PORT="abc")
    assert result.exit_code == 2
    assert "'--port' (LOOKDEX_PORT in the environment): 'abc' is not" in " ".join(result.output.split())


def test_the_error_of_a_wrong_value_of_a_flag_does_not_name_the_variable() -> None:
    result = run("serve", "--catalog", "c", "--port", "abc", LOOKDEX_PORT="80")
    assert result.exit_code == 2
    assert "LOOKDEX_PORT" not in result.output


def test_each_unknown_variable_causes_a_warning(tmp_path: Path) -> None:
    known = dict.fromkeys(("LOOKDEX_RETRIES", "LOOKDEX_JOBS_ENV", "LOOKDEX_PORT_8000_TCP_ADDR", "OTHER"), "1")
    empty = {"LOOKDEX_EMPTY": ""}
    result = run("releases", "--catalog", str(tmp_path), LOOKDEX_PROT="1", LOOKDEX_XYZ="1", **known, **empty)
    warnings = [line for line in result.stderr.splitlines() if "is not a setting" in line]
    assert warnings == [
        "lookdex: the variable LOOKDEX_PROT is not a setting and is ignored; did you mean LOOKDEX_PORT?",
        (
            "lookdex: the variable LOOKDEX_XYZ is not a setting and is ignored; "
            "`python -m lookdex.config` lists the settings"
        ),
    ]
    assert not result.stdout


def test_variables_of_the_dags_jobs_and_scripts_are_known() -> None:
    files = [path for name in ("dags", "infra", "jobs") for path in (ROOT / name).rglob("*")
             if path.is_file() and "node_modules" not in path.parts]  # fmt: skip
    named = {
        name for path in files for name in re.findall(r"\bLOOKDEX_[A-Z_]+\b", path.read_text(errors="ignore"))
    }
    assert {"LOOKDEX_SCHEDULE", "LOOKDEX_AIRFLOW_ENV"} <= named
    assert config.find_unknown_variables(named) == {}


@pytest.mark.parametrize("arguments", [(), ("--json",)], ids=str)
def test_the_releases_of_a_folder_without_a_catalogue_are_an_error(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    result = run("releases", "--catalog", str(tmp_path), *arguments)
    assert result.exit_code == 1
    assert "there is no catalogue in" in result.output


def test_nothing_is_live_during_the_first_night(tmp_path: Path) -> None:
    open_store(str(tmp_path)).put("runs/n1/plan-0.json", b"{}")
    result = run("releases", "--catalog", str(tmp_path))
    assert result.exit_code == 0
    assert "nothing is live" in result.output
