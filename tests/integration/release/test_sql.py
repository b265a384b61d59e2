"""The example queries for analysts run on a DuckDB connection as documented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from lookdex.catalog import tables
from lookdex.errors import ReleaseNotFound
from lookdex.records import Reason
from lookdex.storage import open_store
from tests.support import nights
from tests.support.nights import Photo
from tests.support.paths import ROOT

EXAMPLES = sorted(path.name for path in (ROOT / "sql/examples").glob("*.sql"))


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    store = open_store(str(tmp_path_factory.mktemp("catalog")))
    source = [
        *nights.photos(4), Photo("p0000/b.jpg", product="p0000", labels=("bag", "top")),
        Photo("bad.jpg", reason=Reason.CORRUPT), Photo("late.jpg", reason=Reason.UNAVAILABLE),
    ]  # fmt: skip
    stock = pa.table({"product_id": [f"p{i:04d}" for i in range(4)], "price": [5.0, 15.0, 25.0, 35.0]})
    nights.publish(store, "n1", source[:1], products=stock)
    nights.publish(store, "n2", source, products=stock)
    return store.uri


def run(uri: str, name: str) -> list[dict[str, Any]]:
    with tables.duckdb_connection(uri) as connection:
        result = connection.sql(tables.sql_text(f"examples/{name}")).to_arrow_table()
    rows: list[dict[str, Any]] = result.to_pylist()
    return rows


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_runs(uri: str, name: str) -> None:
    assert isinstance(run(uri, name), list)


def test_examples_are_found() -> None:
    assert len(EXAMPLES) >= 3


def test_colours_by_category_example(uri: str) -> None:
    found = {(row["label"], row["colour"]): row["products"] for row in run(uri, "colours_by_category.sql")}
    assert found == {("top", "red"): 4, ("bag", "red"): 1}


def test_rejected_photos_example(uri: str) -> None:
    found = {(row["status"], row["reason"]): row["example"] for row in run(uri, "rejected_photos.sql")}
    assert found == {("rejected", "corrupt"): "bad.jpg", ("failed", "unavailable"): "late.jpg"}


def test_price_by_label_example(uri: str) -> None:
    top = next(row for row in run(uri, "price_by_label.sql") if row["label"] == "top")
    assert (top["highest"], top["products"]) == (35.0, 4)


def test_look_alikes_example(uri: str) -> None:
    """The vectors are random: no two products look alike until one vector is copied."""
    with tables.duckdb_connection(uri) as connection:
        query = tables.sql_text("examples/look_alikes.sql")
        assert connection.sql(query).fetchall() == []
        copied = connection.sql("""
            SELECT * REPLACE ((SELECT vector FROM items WHERE scope = 'object' AND label = 'top' LIMIT 1) AS vector)
            FROM items
        """).to_arrow_table()
    with duckdb.connect() as connection:
        connection.register("items", copied)
        rows = connection.sql(query).fetchall()
    assert len(rows) == 6
    assert ("p0000", "p0001", "top") in {row[:3] for row in rows}
    assert rows[0][3] == pytest.approx(1, abs=1e-5)


def test_connection_shows_one_release(uri: str) -> None:
    with tables.duckdb_connection(uri, release="n1") as connection:
        assert connection.execute("SELECT count(*) FROM images").fetchone() == (1,)
    with tables.duckdb_connection(uri) as connection:
        assert connection.execute("SELECT count(*) FROM images").fetchone() == (7,)


def test_connection_without_a_live_release_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReleaseNotFound, match="lookdex reindex"):
        tables.duckdb_connection(str(tmp_path))


def test_sql_blocks_are_split_by_name() -> None:
    blocks = tables.sql_blocks("-- about\n-- name: one\nSELECT 1;\n\n-- name: two\n-- why\nSELECT 2;\n")
    assert blocks == {"one": "SELECT 1", "two": "-- why\nSELECT 2"}
