"""`lookdex evaluate end-to-end` on a published catalogue, with the fakes as models."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from PIL import Image

from lookdex.catalog import json_codec
from lookdex.errors import ConfigError
from lookdex.evaluate import ask
from lookdex.evaluate.lanes import QueryObject
from lookdex.records import Box, Thresholds
from lookdex.storage import open_store
from tests.fakes import FakeDetector, FakeEmbedder
from tests.support import verbs
from tests.support.catalogs import picture, publish, recipe_with_digests, stock

RED_TOP, BLUE_SHOES = "p000", "p004"  # by their colours


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A catalogue of six products, and two query photos: a top with shoes, and a top alone."""
    store = open_store(tmp_path / "catalog")
    publish(store, "r1", stock(products=6, photos=1), recipe=recipe_with_digests())
    rows = ["image,product_id,category,x0,y0,x1,y1"]
    for name, colours in {"both": ("red", "blue"), "one": ("red",)}.items():
        pixels = picture(*colours, shade=5)
        (tmp_path / "looks").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / f"looks/{name}.png")
        for found in FakeDetector().detect([pixels])[0]:
            product = RED_TOP if found.label == "top" else BLUE_SHOES
            box = found.box
            rows.append(f"looks/{name},{product},{found.label},{box.x0},{box.y0},{box.x1},{box.y1}")
    rows += ["looks/one.png,p001,hat,0,0,20,20", "looks/one.png,sold-out,top,,,,"]
    (tmp_path / "queries.csv").write_text("\n".join([*rows, ""]))
    return tmp_path


def run(shop: Path, *arguments: str | Path) -> Result:
    verb = (
        "evaluate",
        "end-to-end",
        "--catalog",
        shop / "catalog",
        "--queries",
        shop / "queries.csv",
        "-k",
        "5",
    )
    return verbs.run(*map(str, verb), *map(str, arguments))


def test_figures_pictures_and_thresholds(shop: Path) -> None:
    done = run(shop, "--json", shop / "out.json", "--markdown", shop / "out.md", "--pictures", shop / "drawn",
               "--thresholds", shop / "thresholds.json")  # fmt: skip
    assert done.exit_code == 0, done.output
    figures = json.loads((shop / "out.json").read_text())
    # Of the four objects with products in the catalogue, the detector finds all but the hat.
    assert (figures["photos"], figures["objects"], figures["found"]) == (2, 4, 0.75)
    assert figures["not_in_catalogue"] == ["sold-out"]
    detected = figures["lanes"]["detected object"]
    assert detected["answered"] == 3
    assert detected["of_all"] == {"objects": 4, "first": 0.75, "among_5": 0.75, "among_k": 0.75}
    assert detected["of_found"] == {"objects": 3, "first": 1.0, "among_5": 1.0, "among_k": 1.0}
    # The best-scored object is the top in both photos: red comes before blue at the same score.
    assert figures["lanes"]["best-scored object"]["of_all"]["first"] == 0.5
    assert figures["lanes"]["true box"]["answered"] == 4
    assert figures["by_category"]["hat"]["detected object"]["answered"] == 0
    assert (shop / "out.md").read_text() == done.stdout
    kept = json_codec.from_json(Thresholds, (shop / "thresholds.json").read_bytes())
    assert kept.embedder == FakeEmbedder.name
    assert kept.by_category["top"].pooled
    assert kept.all is not None
    assert (kept.all.kept, kept.all.right) == (1.0, 3)
    assert kept.all.false_accepts == 0.0
    assert "based on 3 right matches" in done.stderr
    assert not (shop / "drawn/worst.png").exists()  # no wrong answer to draw


def test_worst_cases_are_drawn(shop: Path) -> None:
    text = (shop / "queries.csv").read_text()
    (shop / "queries.csv").write_text(text.replace(RED_TOP, "p002"))  # the true product is a green skirt
    done = run(shop, "--pictures", shop / "drawn")
    assert done.exit_code == 0, done.output
    with Image.open(shop / "drawn/worst.png") as sheet:
        assert sheet.width > 900
        assert sheet.height > 500


def test_queries_without_products_of_the_catalogue_are_an_error(shop: Path) -> None:
    (shop / "queries.csv").write_text("image,product_id,category\nlooks/one,x,top\n")
    done = run(shop)
    assert done.exit_code == 2
    assert "has none of the products" in done.output
    (shop / "queries.csv").write_text("image,product_id,category\nlooks/one,p003,bag\n")
    done = run(shop, "--thresholds", shop / "thresholds.json")
    assert done.exit_code == 2
    assert "nothing to calibrate on" in done.output


def test_truth_file_of_a_sample_is_read(shop: Path) -> None:
    box = {"x0": 1, "y0": 2, "x1": 30, "y1": 40, "width": 96, "height": 96}
    rows = [
        {"image_key": "looks/both.png", "kind": "look", "category": "handbag", "product_id": "A", **box},
        {"image_key": "photos/A/front.jpg", "kind": "product", "category": "bag", "product_id": "A", **box},
    ]
    pq.write_table(pa.Table.from_pylist(rows), shop / "truth.parquet")
    queries = ask.read_queries(shop / "truth.parquet")
    path = shop / "looks/both.png"
    assert queries == [ask.QueryPhoto(path, (QueryObject(str(path), "A", "bag", Box(1, 2, 30, 40)),))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,product_id\nlooks/one,A\n", "no column 'category'"),
        ("image,product_id,category\nlooks/one,,top\n", "has no image, product_id or category"),
        ("image,product_id,category,x0,y0,x1,y1\nlooks/one,A,top,1,2,three,4\n", "must be pixels"),
        ("image,kind,product_id,category\nlooks/one,product,A,top\n", "has no query rows"),
        ("image,product_id,category\nlooks/none,A,top\n", "has no photo 'looks/none'"),
    ],
)
def test_invalid_query_table_is_reported(text: str, message: str, shop: Path) -> None:
    (shop / "queries.csv").write_text(text)
    with pytest.raises(ConfigError, match=message):
        ask.read_queries(shop / "queries.csv")
