"""The documents are true: their reference is the code's, and what they name exists."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable

import click
import pytest

from lookdex.cli import main
from lookdex.cli.evaluate import evaluate
from lookdex.records import Change, Reason, Status
from lookdex.service.http.connections import CloseReason
from lookdex.service.http.observe import Metrics
from lookdex.service.http.problems import ProblemKind
from tests.support.documents import ALL, BLOCKS, PAGES, TEXTS, generated
from tests.support.paths import ROOT

PACKAGE = ROOT / "lib" / "lookdex"


def test_the_blocks_to_run_are_there() -> None:
    assert list(BLOCKS) == [
        "walkthrough", "example", "airflow", "sql", "report", "notebook", "backend", "node", "operate"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("page", "name", "module"),
    [
        ("docs/configuration.md", "settings", "lookdex.config"),
        ("docs/tables.md", "columns", "lookdex.catalog.reference"),
        ("docs/api.md", "api", "infra.api_reference"),
    ],
)
def test_generated_parts_are_up_to_date(page: str, name: str, module: str) -> None:
    made = subprocess.run(
        [sys.executable, "-m", module], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert generated(page, name) == made.stdout.rstrip("\n"), f"paste the output of `python -m {module}`"


def test_commands_and_options_exist() -> None:
    verbs = [*main.main.commands.values(), *evaluate.commands.values()]
    options = {
        option
        for verb in verbs
        for parameter in verb.get_params(click.Context(verb))
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    named = set(re.findall(r"lookdex ([a-z]+) +(?:[a-z.]+ )?--", ALL)) | set(
        re.findall(r"`lookdex ([a-z]+)`", ALL)
    )
    assert named <= set(main.main.commands)
    assert {"reindex", "rollback", "resume"} <= named
    lines = [line for line in ALL.splitlines() if re.match(r"\s*lookdex ", line)]
    for option in (o for line in lines for o in re.findall(r"(?<= )--[a-z-]+", line)):
        assert option in options, option


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s#]+)", TEXTS[page]):
        if not link.startswith(("https:", "http:")):
            assert ((ROOT / page).parent / link).exists(), link


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    prose = re.sub(r"^```.*?^```", "", TEXTS[page], flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_headings(page: str) -> None:
    for file, anchor in re.findall(r"\]\(([\w./-]*)#([^)\s]+)\)", TEXTS[page]):
        target = ((ROOT / page).parent / file).resolve().relative_to(ROOT).as_posix() if file else page
        assert anchor in anchors(target), f"{file}#{anchor}"


def exists(path: str) -> bool:
    """Whether a path of the repository, or of the package lookdex, names something. `*` is any text."""
    return any(any(folder.glob(path.rstrip("/"))) for folder in (ROOT, PACKAGE, PACKAGE.parent))


def paths_in(text: str) -> set[str]:
    """What looks like a path of a file or folder of the repository, in backticks."""
    code = set(re.findall(r"`([\w.*/-]+)`", text))
    files = {name for name in code if re.search(r"[\w*]\.(py|toml|sql|js|mjs|yaml|Dockerfile|md)$", name)}
    folders = {name for name in code if re.match(r"(infra|dags|jobs|sql|lib|tests|docs)/", name)}
    return files | folders


# Files that a user writes.
OWN = {"lookdex.toml", "config.json", "gunicorn.conf.py"}


@pytest.mark.parametrize("page", PAGES)
def test_files_and_folders_exist(page: str) -> None:
    for path in paths_in(TEXTS[page]) - OWN:
        assert exists(path), path


def test_paths_of_architecture_are_checked() -> None:
    found = paths_in(TEXTS["docs/architecture.md"])
    assert {"storage/base.py", "service/page/js/words-*.js"} <= found
    assert not exists("storage/nothing.py")


def test_packages_of_architecture_exist() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", TEXTS["docs/architecture.md"], re.MULTILINE)
    packages = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert {"records", "search", "lookdex_tiny"} <= set(packages)
    for name in packages:
        assert exists(name) or exists(f"{name}.py"), name


def test_modules_exist() -> None:
    for name in set(re.findall(r"\b(?:lookdex|lookdex_tiny|lookdex_sample|infra)(?:\.[a-z_]+)+", ALL)):
        parts = name.split(".")
        roots = [ROOT / "infra" if parts[0] == "infra" else ROOT / "lib" / parts[0]]
        # The last part may be a name in a module, such as lookdex.open_catalog.
        for part in parts[1:-1]:
            roots = [root / part for root in roots]
        folder, last = roots[0], parts[-1]
        in_module = folder.with_suffix(".py").exists() or (folder / "__init__.py").exists()
        assert in_module or (folder / last).exists() or (folder / f"{last}.py").exists(), name


def missing(page: str, names: Iterable[str]) -> list[str]:
    """The names that a page does not have in backticks."""
    return [name for name in names if f"`{name}`" not in TEXTS[page]]


def test_tables_has_every_status_and_reason() -> None:
    assert missing("docs/tables.md", [*Status, *Reason]) == []
    assert all(change in TEXTS["docs/tables.md"] for change in Change if change is not Change.UNCHANGED)


def test_service_has_every_problem_and_metric() -> None:
    problems = [kind.slug for kind in ProblemKind if kind is not ProblemKind.CLIENT_GONE]
    assert missing("docs/service.md", problems) == []
    exposed = Metrics().text().decode()
    metrics = re.findall(r"^# TYPE (lookdex_\w+)", exposed, re.MULTILINE)
    assert missing("docs/service.md", [name for name in metrics if not name.endswith("_created")]) == []


def test_the_runbook_has_every_reason_of_a_closed_connection() -> None:
    assert missing("docs/operating.md", CloseReason) == []


def test_every_page_is_checked_and_linked_from_the_readme() -> None:
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")}
    assert pages <= set(PAGES)
    assert pages <= set(re.findall(r"\]\(([^)\s#]+)", TEXTS["README.md"]))
