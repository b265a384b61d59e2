"""What the products file changes: which products leave, and which columns are added, removed or change type. No I/O.

With a products file, photos are linked only to products that it lists, and photos of unlisted products alone are
dropped. Each night decides this from the file alone, so an incremental night gives the same rows as a full one.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa

from lookdex.catalog.column_types import describe_type
from lookdex.catalog.schemas import IMAGES_SCHEMA
from lookdex.records import ColumnChange, Unlisted

EXAMPLES = 5

_SHOWN = """
create temp table shown as select image_key, unnest(product_ids) as product_id from photos;
create temp table was as
    select image_key, unnest(product_ids) as product_id from ledger semi join photos using (image_key);
create temp table sold as
    select image_key, list(product_id order by product_id) as product_ids
    from shown semi join listed using (product_id)
    group by image_key;
create temp table unsold as
    select image_key, image_key in (select image_key from ledger) as live
    from photos anti join sold using (image_key)
    where len(product_ids) > 0;
"""
_PHOTOS = """
select photos.* replace (coalesce(sold.product_ids, photos.product_ids) as product_ids)
from photos left join sold using (image_key)
where sold.image_key is not null or len(photos.product_ids) = 0
order by image_key
"""
_LEAVING = "select distinct product_id from was anti join listed using (product_id) order by product_id"
_LEFT_OUT = """
select distinct product_id from shown semi join (from unsold where not live) using (image_key) order by product_id
"""


@dataclass(frozen=True, slots=True)
class Assortment:
    """photos: the photos to keep, with the columns of `link_products`. leaving, left_out: as in PlanSummary."""

    photos: pa.Table
    leaving: Unlisted
    left_out: Unlisted


def drop_unlisted(
    linked: pa.Table, listed: pa.Array | pa.ChunkedArray, ledger: pa.Table | None
) -> Assortment:
    """Drop photos whose products are all missing from the products file.

    Photos without a product stay; the others keep only listed products in `product_ids`. linked: from
    `products.link_products`. listed: product ids of the file (strings). ledger: the live ledger (IMAGES_SCHEMA).
    """
    with duckdb.connect() as database:
        database.register("photos", linked)
        database.register("listed", pa.table({"product_id": listed}))
        was = ledger if ledger is not None else IMAGES_SCHEMA.empty_table()
        database.register("ledger", was.select(["image_key", "product_ids"]))
        database.execute(_SHOWN)
        photos = database.sql(_PHOTOS).to_arrow_table().select(linked.column_names).cast(linked.schema)
        counted = dict(database.execute("select live, count(*) from unsold group by live").fetchall())
        leaving = _read_unlisted(database, _LEAVING, counted.get(True, 0))
        return Assortment(photos, leaving, _read_unlisted(database, _LEFT_OUT, counted.get(False, 0)))


def _read_unlisted(database: duckdb.DuckDBPyConnection, query: str, photos: int) -> Unlisted:
    products = database.sql(query).to_arrow_table()["product_id"]
    return Unlisted(len(products), photos, tuple(products.slice(0, EXAMPLES).to_pylist()))


def compare_columns(live: pa.Schema, planned: pa.Schema) -> tuple[ColumnChange, ...]:
    """The product columns (except product_id) that tonight adds, removes or changes in type, sorted by name."""
    columns = [{field.name: field.type for field in schema} for schema in (live, planned)]
    return tuple(
        ColumnChange(name, *_type_names(*(kinds.get(name) for kinds in columns)))
        for name in sorted({*columns[0], *columns[1]} - {"product_id"})
        if columns[0].get(name) != columns[1].get(name)
    )


def _type_names(live: pa.DataType | None, planned: pa.DataType | None) -> tuple[str, str]:
    """Both types in plain words, with Arrow's names where the plain words are the same."""
    words = [describe_type(kind) if kind is not None else "" for kind in (live, planned)]
    if words[0] == words[1]:
        words = [f"{word} ({kind})" for word, kind in zip(words, (live, planned), strict=True)]
    return words[0], words[1]
