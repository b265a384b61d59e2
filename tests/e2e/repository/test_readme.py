"""The documents are true: their commands run, their reference matches the code, their links resolve."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lookdex import config
from lookdex.catalog.schemas import IMAGES_SCHEMA, items_schema
from lookdex.cli import main
from lookdex.cli.evaluate import evaluate
from tests.support import nodejs
from tests.support.paths import ROOT

PAGES = (
    "README.md", "docs/nightly.md", "docs/airflow-and-spark.md", "docs/tables.md", "docs/analysts.md",
    "docs/library.md", "docs/service.md", "docs/clients.md", "docs/page.md", "docs/configuration.md",
    "docs/models.md", "docs/evaluating.md", "docs/training.md", "docs/operating.md", "docs/limits.md",
    "docs/architecture.md", "docs/glossary.md", "CONTRIBUTING.md", "SECURITY.md",
)  # fmt: skip
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
ALL = "\n".join(TEXTS.values())
BLOCK = re.compile(r"<!-- run: (\w+) -->\n```(\w+)\n(.*?)```", re.DOTALL)
BLOCKS = {name: (language, text) for name, language, text in BLOCK.findall(ALL)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the layout of a checkout, for what the commands write."""
    folder = tmp_path_factory.mktemp("readme")
    for name in (".venv", "dags", "infra", "jobs", "lib", "sql"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "LOOKDEX_", "SPARK_"))
    }
    kept.pop("PYTHONPATH", None)
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


# In this order: each block uses the results of those before it.
@pytest.mark.parametrize("name", list(BLOCKS))
def test_commands_run(name: str, folder: Path, environment: dict[str, str]) -> None:
    language, text = BLOCKS[name]
    if name == "node":
        nodejs.install()
        environment = environment | {"PATH": f"{nodejs.NODE.parent}{os.pathsep}{environment['PATH']}"}
    command = [sys.executable, "-c", text] if language == "python" else ["bash", "-euc", text]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    if name == "walkthrough":
        assert (folder / "answer.png").stat().st_size > 10_000
        assert "live     release" in done.stdout
    if name == "report":
        assert (folder / "report.html").stat().st_size > 100_000
    if name == "node":
        objects = json.loads(done.stdout)["objects"]
        assert objects
        assert all(len({match["product_id"] for match in lane["matches"]}) == 3 for lane in objects)


def test_all_command_blocks_are_found() -> None:
    assert list(BLOCKS) == [
        "walkthrough",
        "airflow",
        "sql",
        "report",
        "notebook",
        "backend",
        "node",
        "operate",
    ]


def test_settings_table_matches_the_code() -> None:
    page = TEXTS["docs/configuration.md"]
    shown = re.search(r"<!-- settings.*?-->\n(.*?)\n<!-- /settings -->", page, re.DOTALL)
    assert shown
    assert shown[1] == config.markdown_table(), "paste what `python -m lookdex.config` prints"


def test_verbs_and_options_that_are_named_exist() -> None:
    verbs = [*main.main.commands.values(), *evaluate.commands.values()]
    options = {option for verb in verbs for p in verb.params for option in p.opts}
    named = set(re.findall(r"lookdex ([a-z]+) +(?:[a-z.]+ )?--", ALL)) | set(
        re.findall(r"`lookdex ([a-z]+)`", ALL)
    )
    assert named <= set(main.main.commands)
    assert {"reindex", "rollback", "resume"} <= named
    lines = [line for line in ALL.splitlines() if re.match(r"\s*lookdex ", line)]
    for option in (o for line in lines for o in re.findall(r"(?<= )--[a-z-]+", line)):
        assert option in options, option


def test_every_column_is_described() -> None:
    for name in [*items_schema(1).names, *IMAGES_SCHEMA.names]:
        assert re.search(rf"^\| .*\b{name}\b.*\|", TEXTS["docs/tables.md"], re.MULTILINE), (
            f"docs/tables.md does not describe {name}"
        )


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s#]+)", TEXTS[page]):
        if not link.startswith(("https:", "http:")):
            assert ((ROOT / page).parent / link).exists(), link


def test_files_that_are_named_exist() -> None:
    for name in re.findall(r"`((?:infra|dags|jobs|sql|lib)/[\w./-]+)`", ALL):
        assert (ROOT / name).exists(), name


def test_every_page_is_checked_and_linked_from_the_readme() -> None:
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")}
    assert pages <= set(PAGES)
    assert pages <= set(re.findall(r"\]\(([^)\s#]+)", TEXTS["README.md"]))
