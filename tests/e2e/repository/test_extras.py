"""Without extras, every verb works or names the extra that it needs."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import Any

import pytest

from lookdex.runtime.extras import EXTRA_OF, EXTRAS
from tests.support.paths import ROOT

# Run by a Python without the extras' packages. Prints the exit code and the output of each verb.
PLAIN = """
import importlib.abc, json, os, sys
from pathlib import Path

BLOCKED = set(json.loads(sys.argv[1]))

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
from click.testing import CliRunner
import lookdex
from lookdex import models, service
from lookdex.catalog import tables
from lookdex.cli.main import main
from lookdex.errors import LookdexError
from lookdex.imaging.codec import encode_jpeg
from lookdex.models import digests
from lookdex.storage import open_store
from tests.support import nights
from tests.support.catalogs import picture, publish, stock
from tests.fakes import FakeDetector, FakeEmbedder, recipe

folder = Path(sys.argv[2])
os.chdir(folder)
TINY = recipe(detector="lookdex-tiny", detector_digest=digests.detector_digest("lookdex-tiny"),
              embedder="lookdex-tiny", embedder_digest=digests.embedder_digest("lookdex-tiny"))
publish(open_store("shop"), "night-1", stock(2), recipe=TINY)
Path("photos/a").mkdir(parents=True)
photo = Path("photos/a/look.jpg")
photo.write_bytes(encode_jpeg(picture("red"), 96))
Path("items.csv").write_text("image,label\\nlook.jpg,top\\n")
Path("queries.csv").write_text("image,product_id,category\\nlook.jpg,p000,top\\n")
Path("boxes.json").write_text(json.dumps({"images": [{"id": 1, "file_name": "look.jpg", "width": 96, "height": 96}],
    "categories": [{"id": 1, "name": "top"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 12, 70, 70], "area": 4900, "iscrowd": 0}]}))
Path("western.csv").write_bytes("product_id,title\\na,Kleid für Mädchen\\n".encode("cp1252"))
nights.publish(open_store("nights"), "night", nights.photos(2))
nights.index_night(open_store("tiny"), "night", nights.photos(2), recipe=TINY)

def cli_verb(*arguments):
    done = CliRunner().invoke(main, arguments)
    error = done.exception if not isinstance(done.exception, SystemExit) else None
    return [done.exit_code, done.output[-400:] + (f"{type(error).__name__}: {error}" if error else "")]

def called(function):
    try:
        function()
        return [0, ""]
    except LookdexError as error:
        return [2, str(error)]
    except BaseException as error:
        return [1, f"{type(error).__name__}: {error}"]

catalog = lookdex.open_catalog("shop")
models_given = {"detector": FakeDetector(name="lookdex-tiny"), "embedder": FakeEmbedder(name="lookdex-tiny")}
fakes = lookdex.open_catalog("shop", **models_given)
photos = ("--images", "photos/a", "--items", "items.csv")
evaluate = ("--label", "label")
SHOP = ("--catalog", "shop")
print(json.dumps({
    "reindex": cli_verb("reindex", "--source", "photos", "--catalog", "new"),
    "plan": cli_verb("plan", "--source", "photos", "--catalog", "new"),
    "plan western": cli_verb("plan", "--source", "photos", "--catalog", "new", "--products", "western.csv",
                             "--pattern", "{product_id}/{name}.jpg"),
    "index": cli_verb("index", "--catalog", "tiny", "--run-id", "night"),
    "build": cli_verb("build", "--catalog", "tiny", "--run-id", "night"),
    "audit": cli_verb("audit", "--catalog", "tiny", "--run-id", "night"),
    "promote": cli_verb("promote", "--catalog", "nights", "--run-id", "night"),
    "rollback": cli_verb("rollback", "--catalog", "nights", "--to", "night"),
    "resume": cli_verb("resume", "--catalog", "nights"),
    "releases": cli_verb("releases", *SHOP),
    "report": cli_verb("report", "--catalog", "nights", "--out", "report.html"),
    "sample": cli_verb("sample", "--out", "sample", "--products", "1", "--looks", "0"),
    "serve": cli_verb("serve", *SHOP, "--port", "0"),
    "token": cli_verb("token", "shop"),
    "search": cli_verb("search", str(photo), *SHOP),
    "search --text": cli_verb("search", "--text", "red", *SHOP),
    "search --product": cli_verb("search", "--product", "p000", *SHOP),
    "evaluate retrieval": cli_verb("evaluate", "retrieval", *photos, *evaluate),
    "evaluate detection": cli_verb("evaluate", "detection", "--images", "photos/a", "--coco", "boxes.json"),
    "evaluate end-to-end": cli_verb("evaluate", "end-to-end", "--queries", "queries.csv", *photos[:2], *SHOP),
    "evaluate zero-shot": cli_verb("evaluate", "zero-shot", *photos, *evaluate),
    "evaluate text": cli_verb("evaluate", "text", *photos, "--from", "label", "-k", "1"),
    "Catalog.load": called(catalog.load),
    "Catalog.search": called(lambda: catalog.search(photo)),
    "Catalog.search of given models": called(lambda: fakes.search(photo)),
    "Catalog.similar": called(lambda: catalog.similar("p000")),
    "Catalog.to_pandas": called(catalog.to_pandas),
    "create_app": called(lambda: service.create_app),
    "load_detector": called(lambda: models.load_detector),
    "load_embedder": called(lambda: models.load_embedder),
    "duckdb_connection": called(lambda: tables.duckdb_connection("nights").sql("select 1 from items").fetchall()),
    "verbs": sorted(name for name in main.commands if name != "evaluate")
             + sorted(f"evaluate {name}" for name in main.commands["evaluate"].commands),
}))
"""
NEEDS = {
    "reindex": "spark", "plan": "", "plan western": "spark", "index": "spark", "build": "", "audit": "", "promote": "",
    "rollback": "", "resume": "", "releases": "", "report": "", "sample": "", "serve": "serve", "token": "",
    "search": "models", "search --text": "models", "search --product": "", "evaluate retrieval": "models",
    "evaluate detection": "models", "evaluate end-to-end": "models", "evaluate zero-shot": "models",
    "evaluate text": "models", "Catalog.load": "models", "Catalog.search": "models",
    "Catalog.search of given models": "", "Catalog.similar": "", "Catalog.to_pandas": "notebook", "create_app": "serve",
    "load_detector": "models", "load_embedder": "models", "duckdb_connection": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Verb or function → its exit code and its output, where no package of an extra can be imported."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PLAIN, json.dumps(sorted(EXTRA_OF)), tmp_path_factory.mktemp("plain")],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("what", NEEDS)
def test_without_extras_each_call_works_or_names_its_extra(outcomes: dict[str, Any], what: str) -> None:
    code, output = outcomes[what]
    assert "ModuleNotFoundError" not in output
    assert "Traceback" not in output
    if NEEDS[what]:
        assert f"pip install 'lookdex[{NEEDS[what]}]'" in output
        assert code == 2
    else:
        assert "pip install" not in output
        assert code in (0, 1, 3)
        assert "Error: " not in output, output


def test_every_verb_is_covered(outcomes: dict[str, Any]) -> None:
    assert set(outcomes["verbs"]) <= set(NEEDS)


def test_extras_match_setup_py() -> None:
    """`EXTRA_OF` has the import names of their packages."""
    tree = ast.parse((ROOT / "setup.py").read_text())
    lists = {
        node.targets[0].id: [item.value for item in node.value.elts
                             if isinstance(item, ast.Constant) and isinstance(item.value, str)]
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.List)
    }  # fmt: skip
    imported = {"open-clip-torch": "open_clip"}
    for extra, requirements in lists.items():
        if extra == "test":
            continue
        for requirement in requirements:
            name = requirement.split(";")[0].split(">")[0].strip().lower().replace("_", "-")
            package = imported.get(name, name.replace("-", "_"))
            assert package in EXTRA_OF, f"{requirement} of the extra {extra}"
            assert EXTRA_OF[package] == extra or package == "pandas"
    assert set(EXTRAS) <= set(lists)
