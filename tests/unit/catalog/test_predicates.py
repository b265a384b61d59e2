"""Values in SQL predicates are quoted for both engines that read them, DuckDB and Lance."""

from __future__ import annotations

from pathlib import Path

import duckdb
import lance
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.catalog.sql import quote, quote_list

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@settings(deadline=None)
@given(TEXTS | st.text("'\"\\-; ", max_size=8))
def test_duckdb_reads_a_quoted_value_unchanged(text: str) -> None:
    assert duckdb.execute(f"select {quote(text)}").fetchall() == [(text,)]


def test_lance_finds_quoted_values(tmp_path: Path) -> None:
    names = ["plain", "women's", "''", "\\'", 'a"b', "x' OR true --", "바지"]
    uri = str(tmp_path / "names.lance")
    table = lance.write_dataset(pa.table({"name": [*names, "another"]}), uri)
    assert table.to_table(filter=f"name IN ({quote_list(names)})")["name"].to_pylist() == names
    for name in names:
        assert table.to_table(filter=f"name = {quote(name)}")["name"].to_pylist() == [name]
