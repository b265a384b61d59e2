"""The import rules of the house, by walking the code: data goes one way, each heavy dependency has one owner."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "lib" / "lookdex"
STAGES = ("catalog", "index", "release", "search")
# These put stages together; everything else outside the stages is shared and imports none of them.
COMPOSERS = (
    "__init__",
    "cli",
    "nightly",
    "planning",
    "service",
    "spark",
    "evaluate",
    "report",
    "tables_text",
    "training",
)
# Heavy dependency → the modules that may import it (a folder's name stands for all in it).
OWNERS = {
    "torch": ("models", "training"),
    "torchvision": ("models", "training"),
    "timm": ("models", "training"),
    "open_clip": ("models", "training"),
    "openvino": ("models",),
    "transformers": ("models", "training"),
    "simplejpeg": ("decoders", "images"),
    "pi_heif": ("decoders",),
    "boto3": ("storage",),
    "botocore": ("storage",),
    "lancedb": ("release", "search.catalog", "search.opened", "tables"),
    "lance": ("release", "search.catalog", "search.opened", "tables"),
    "pyspark": ("spark",),
    "airflow": (),
    "fastapi": ("service",),
    "starlette": ("service",),
    "uvicorn": ("service",),
    "prometheus_client": ("service",),
}
# Pillow decodes in decoders.py only; the others draw pictures of their own and open no foreign file.
DRAWERS = ("decoders", "sample", "search.sheet", "training", "evaluate.drawn")


def modules() -> Iterator[tuple[str, ast.Module]]:
    """('catalog.plan', its syntax tree) for every module of the package; 'catalog' for catalog/__init__.py."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        yield name, ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported(tree: ast.AST, module: str) -> set[str]:
    """Every dotted name that the tree imports when it runs; `from a import b` counts as a and a.b."""
    names: set[str] = set()
    for node in running(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}, line {node.lineno}: a relative import hides where it goes"
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def running(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`, which load nothing."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from running(node)


def stages_of(names: set[str]) -> set[str]:
    return {n.split(".")[1] for n in names if n.startswith("lookdex.")} & set(STAGES)


def within(module: str, places: tuple[str, ...]) -> bool:
    return any(module == place or module.startswith(place + ".") for place in places)


ALL = {module: imported(tree, module) for module, tree in modules()}


def test_package_is_found() -> None:
    assert {"records", "catalog.plan", "index.shard", "release.build", "cli"} <= set(ALL)


@pytest.mark.parametrize("module", [m for m in ALL if within(m, STAGES)])
def test_stages_never_import_each_other(module: str) -> None:
    own = module.split(".")[0]
    others = stages_of(ALL[module]) - {own}
    assert not others, f"lookdex.{module} imports another stage: {others}; they meet in records and Parquet"


@pytest.mark.parametrize("module", [m for m in ALL if not within(m, (*STAGES, *COMPOSERS))])
def test_shared_modules_import_no_stage(module: str) -> None:
    stages = stages_of(ALL[module])
    assert not stages, f"lookdex.{module} is shared and imports the stage {stages}"


@pytest.mark.parametrize("dependency", OWNERS)
def test_one_owner_for_each_heavy_dependency(dependency: str) -> None:
    users = {m for m, names in ALL.items() if any(within(n, (dependency,)) for n in names)}
    strangers = {m for m in users if not within(m, OWNERS[dependency])}
    assert not strangers, (
        f"{dependency} belongs to {OWNERS[dependency]}, but is imported by {sorted(strangers)}"
    )


def test_pillow_opens_files_in_one_place() -> None:
    users = {m for m, names in ALL.items() if any(within(n, ("PIL",)) for n in names)}
    strangers = {m for m in users if not within(m, DRAWERS)}
    assert not strangers, (
        f"Pillow belongs to decoders.py (and to what draws); imported by {sorted(strangers)}"
    )


def test_no_module_has_two_subjects() -> None:
    lengths = {m: len(tree_source(m).splitlines()) for m in ALL}
    long = {m: n for m, n in lengths.items() if n > 450}
    assert not long, f"past some 400 lines a module has two subjects: {long}"


def tree_source(module: str) -> str:
    path = PACKAGE.joinpath(*module.split("."))
    file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
    return file.read_text(encoding="utf-8")


HEAVY = sorted({*OWNERS, "PIL", "pyarrow", "duckdb", "pandas", "numpy"})


@pytest.mark.parametrize(
    "code",
    [
        "import lookdex",
        "from lookdex.cli.main import main\nmain(['--help'], standalone_mode=False)",
        "from lookdex.cli.main import main\nmain(['index', '--help'], standalone_mode=False)",
    ],
    ids=["import", "help", "verb-help"],
)
def test_answers_before_loading_anything_heavy(code: str) -> None:
    check = f"\nimport sys; print('LOADED', *sorted(set({HEAVY!r}) & sys.modules.keys()))"
    ran = subprocess.run(
        [sys.executable, "-c", code + check], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    assert ran.stdout.splitlines()[-1] == "LOADED"


@pytest.mark.parametrize("path", sorted((ROOT / "dags").glob("*.py")), ids=lambda p: p.name)
def test_dags_import_airflow_and_the_standard_library_only(path: Path) -> None:
    names = imported(ast.parse(path.read_text(encoding="utf-8")), path.name)
    foreign = {n.split(".")[0] for n in names} - set(sys.stdlib_module_names) - {"airflow"}
    assert not foreign


@pytest.mark.parametrize("path", sorted((ROOT / "jobs").glob("*.py")), ids=lambda p: p.name)
def test_jobs_are_thin(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    foreign = {n.split(".")[0] for n in imported(ast.parse(text), path.name)} - set(sys.stdlib_module_names)
    assert foreign <= {"lookdex"}, f"a job parses and calls lookdex; {path.name} imports {foreign}"
    assert len(text.splitlines()) <= 45
