"""The queries for analysts run as they stand, through the snippet that the documentation gives."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import lookdex.catalog.tables
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


def run(uri: str, name: str) -> list[dict]:
    with lookdex.catalog.tables.duckdb_connection(uri) as connection:
        return (
            connection.sql(lookdex.catalog.tables.sql_text(f"examples/{name}")).to_arrow_table().to_pylist()
        )


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_runs(uri: str, name: str) -> None:
    assert isinstance(run(uri, name), list)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3


def test_colours_by_category(uri: str) -> None:
    found = {(row["label"], row["colour"]): row["products"] for row in run(uri, "colours_by_category.sql")}
    assert found == {("top", "red"): 4, ("bag", "red"): 1}


def test_rejected_photos(uri: str) -> None:
    found = {(row["status"], row["reason"]): row["example"] for row in run(uri, "rejected_photos.sql")}
    assert found == {("rejected", "corrupt"): "bad.jpg", ("failed", "unavailable"): "late.jpg"}


def test_price_by_label(uri: str) -> None:
    top = next(row for row in run(uri, "price_by_label.sql") if row["label"] == "top")
    assert (top["highest"], top["products"]) == (35.0, 4)


def test_look_alikes(uri: str) -> None:
    """The fake vectors are random: no pair is alike until one vector is copied."""
    with lookdex.catalog.tables.duckdb_connection(uri) as connection:
        query = lookdex.catalog.tables.sql_text("examples/look_alikes.sql")
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


def test_a_connection_shows_one_release(uri: str) -> None:
    with lookdex.catalog.tables.duckdb_connection(uri, release="n1") as connection:
        assert connection.execute("SELECT count(*) FROM images").fetchone() == (1,)
    with lookdex.catalog.tables.duckdb_connection(uri) as connection:
        assert connection.execute("SELECT count(*) FROM images").fetchone() == (7,)


def test_nothing_live_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReleaseNotFound, match="lookdex reindex"):
        lookdex.catalog.tables.duckdb_connection(str(tmp_path))


def test_blocks_are_named() -> None:
    blocks = lookdex.catalog.tables.sql_blocks(
        "-- about\n-- name: one\nSELECT 1;\n\n-- name: two\n-- why\nSELECT 2;\n"
    )
    assert blocks == {"one": "SELECT 1", "two": "-- why\nSELECT 2"}


def test_the_ledgers_check_knows_every_reason() -> None:
    query = lookdex.catalog.tables.sql_blocks(lookdex.catalog.tables.sql_text("images/checks.sql"))[
        "every photo has an outcome, and a reason where it failed"
    ]
    listed = [set(re.findall(r"'(\w+)'", line)) for line in query.splitlines() if " IN (" in line]
    assert set().union(*listed) - {"rejected", "failed"} == set(Reason)
