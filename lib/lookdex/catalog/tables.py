"""Open the two Lance tables of a catalogue at the versions of a release.

`items` has the vectors; `images` is the ledger, with one row per photo and its outcome. A table has many versions, and
a release names one of each. Do not read the newest version: it may be an unaudited candidate.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from functools import reduce
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

# Lance reads these when it is imported: no centroids in index statistics, no line on stderr for each empty partition.
os.environ.setdefault("LANCE_INCLUDE_VECTOR_CENTROIDS", "false")
os.environ.setdefault("LANCE_LOG", "error")

import lance
import pyarrow as pa
import pyarrow.compute as pc

from lookdex.catalog import promotion_log
from lookdex.catalog.json_codec import check_format
from lookdex.catalog.lance_errors import convert_errors
from lookdex.catalog.schemas import IMAGES_SCHEMA, items_schema
from lookdex.errors import CorruptData, NotFound, ReleaseNotFound
from lookdex.records import Release
from lookdex.storage import Store, open_store

if TYPE_CHECKING:
    import duckdb

ITEMS = "tables/items.lance"
IMAGES = "tables/images.lance"
VECTOR_INDEX = "vector_idx"
FORMATS = {ITEMS: 1, IMAGES: 1}  # the newest formats that this version reads; it writes the same
# Columns that every release has. Older ones have no palette.
_NEEDED = (
    *(
        "item_id",
        "image_key",
        "product_id",
        "scope",
        "role",
        "label",
        "score",
        "x0",
        "y0",
        "x1",
        "y1",
        "colour",
    ),
    *("vector", "crop"),
)
_SHOWN = 5  # errors in one message
log = logging.getLogger(__name__)
_FORMAT = b"lookdex.format"  # schema metadata; a table without it has format 1


class Tables(NamedTuple):
    """Both tables at the versions of one release."""

    items: lance.LanceDataset
    images: lance.LanceDataset


def open_table(catalog: Store, key: str, version: int | None = None) -> lance.LanceDataset:
    """Open a table at a version (default: the newest).

    Raises ReleaseNotFound when it does not exist, CorruptData when it cannot be read, NewerFormat.
    """
    with convert_errors(table_name(catalog, key, version)):
        table = _open(catalog, key, version)
        found = read_format(
            table.schema
        )  # Lance reads the schema lazily, so this must be inside `convert_errors`
    check_format(found, FORMATS[key], f"{catalog.uri}/{key}")
    return table


def open_items(catalog: Store, release: Release) -> lance.LanceDataset:
    """Open `items` of a release. Raises what `open_table` raises, and CorruptData when it does not match the record."""
    table = open_table(catalog, ITEMS, release.items_version)
    own = items_schema(release.dim)
    wrong = [
        f"{name} is {_type_of(table.schema, name)} and not {own.field(name).type}"
        for name in _NEEDED
        if _type_of(table.schema, name) != own.field(name).type
    ]
    columns = release.product_columns
    wrong += [f"there is no column {name!r}" for name in columns if name not in table.schema.names]
    wrong += [
        f"the product column {name!r} has the name of one of lookdex's own"
        for name in _NEEDED
        if name in columns
    ]
    wrong += [f"the product column {name!r} is named twice" for name, n in Counter(columns).items() if n > 1]
    if wrong:
        raise CorruptData(
            f"{table_name(catalog, ITEMS, release.items_version)} does not match the record of release "
            f"{release.release_id}: {'; '.join(wrong[:_SHOWN])}. Restore the record, or make another release live: "
            "`lookdex rollback --to RELEASE`."
        )
    return table


def _type_of(schema: pa.Schema, name: str) -> pa.DataType | None:
    return schema.field(name).type if name in schema.names else None


def _open(catalog: Store, key: str, version: int | None) -> lance.LanceDataset:
    try:
        return lance.dataset(catalog.lance_uri(key), version=version, storage_options=catalog.lance_options)
    except ValueError as error:
        if "not found" not in str(error):
            raise
        which = "the table" if version is None else f"version {version} of the table"
        raise ReleaseNotFound(
            f"{which} {key} is not in {catalog.uri}. It was cleaned up or never written; "
            "`lookdex releases` lists the releases that can be opened."
        ) from error


def table_name(catalog: Store, key: str, version: int | None = None) -> str:
    """A table's name for messages."""
    return f"{catalog.uri}/{key}" + ("" if version is None else f" at version {version}")


def read_format(schema: pa.Schema) -> int:
    """The format in a table's schema."""
    text = (schema.metadata or {}).get(_FORMAT, b"1")
    return int(text) if text.isdigit() else 1


def add_format(schema: pa.Schema, key: str) -> pa.Schema:
    """The schema with the format of a new table."""
    return schema.with_metadata({**(schema.metadata or {}), _FORMAT: str(FORMATS[key]).encode()})


def open_newest(catalog: Store, key: str) -> lance.LanceDataset | None:
    """Open a table at its newest version; None when no night has written it yet."""
    try:
        return open_table(catalog, key)
    except ReleaseNotFound:
        return None


def open_tables(catalog: Store, release: Release) -> Tables:
    """Open `items` and `images` of a release."""
    return Tables(open_items(catalog, release), open_table(catalog, IMAGES, release.images_version))


def read_ledger(catalog: Store, release: Release) -> pa.Table:
    """Read the `images` table of a release: IMAGES_SCHEMA, one row per photo.

    Columns that an older version did not write are null; columns of a newer version are left out.
    """
    table = open_table(catalog, IMAGES, release.images_version)
    with convert_errors(table_name(catalog, IMAGES, release.images_version)):
        known = set(table.schema.names)
        rows = table.to_table(columns=[name for name in IMAGES_SCHEMA.names if name in known])
        return conform(rows, IMAGES_SCHEMA)


def conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """`rows` with the columns of `schema`, in its order: cast, or null if `rows` does not have them."""
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def read_described_products(catalog: Store, release: Release) -> pa.Array:
    """The unique ids (strings) of a release's products with values in product columns.

    Empty, with a warning, when `items` cannot be read: a night of all photos repairs it, so planning must not fail.
    """
    columns = list(release.product_columns)
    found = [pa.array([], pa.string())]
    if columns:
        try:
            items = open_items(catalog, release)
            with convert_errors(table_name(catalog, ITEMS, release.items_version)):
                for batch in items.to_batches(
                    columns=["product_id", *columns], filter="product_id IS NOT NULL"
                ):
                    known = reduce(pc.or_, (pc.is_valid(batch[name]) for name in columns))
                    found.append(pc.unique(batch["product_id"].filter(known)))
        except (CorruptData, NotFound) as error:
            log.warning("products that would lose their product columns are not counted: %s", error)
    return pc.unique(pa.concat_arrays(found))


def duckdb_connection(uri: str, release: str | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with the views `items` and `images` of the live release (or of the release with this id).

    Queries read rows from Lance as they run, and only the columns that they name. The connection stays on the release
    that it was opened with. Raises ReleaseNotFound when nothing is live.

    >>> con = lookdex.catalog.tables.duckdb_connection("s3://shop/catalog")
    >>> con.sql("SELECT label, count(*) FROM items GROUP BY label").df()
    """
    catalog = open_store(uri)
    if release is not None:
        return connect(open_tables(catalog, promotion_log.load_release(catalog, release)))
    return connect(open_tables(catalog, promotion_log.require_live_release(catalog)))


def connect(tables: Tables) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB connection with the views `items` and `images`, and times in UTC."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("items", tables.items)
    connection.register("images", tables.images)
    return connection


def sql_text(name: str) -> str:
    """Read a file of `sql/`, such as 'items/checks.sql': installed as lookdex.sql, or beside lib/ in a checkout."""
    try:
        root = resources.files("lookdex.sql")
    except ModuleNotFoundError:
        root = Path(__file__).parents[3] / "sql"
    return root.joinpath(name).read_text(encoding="utf-8")


def sql_blocks(text: str) -> dict[str, str]:
    """The queries of a file, by the name in the `-- name: …` line above each."""
    blocks: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("-- name:"):
            lines = blocks.setdefault(line.removeprefix("-- name:").strip(), [])
        elif blocks:
            lines.append(line)
    return {name: "\n".join(lines).strip().rstrip(";") for name, lines in blocks.items()}
