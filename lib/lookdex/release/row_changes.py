"""Which rows a night adds, keeps and removes: pure functions over Arrow tables, joined by DuckDB. No I/O."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from lookdex.catalog.schemas import IMAGES_SCHEMA
from lookdex.errors import CorruptData
from lookdex.records import Change, Reason, Status

FULL_FRAGMENT = 16_384  # rows; a later night may merge smaller fragments
MAX_SMALL = (
    16  # small fragments to leave alone: each costs a query some 50 µs, but merging rewrites their rows
)

# For an outcome `o`: the photo is not to blame, so its earlier rows may stay.
_MAY_STAY = f"(o.status = '{Status.FAILED}' AND o.reason IS DISTINCT FROM '{Reason.BREAKS_MODEL}')"


def check_outcomes(plan: pa.Table, outcomes: pa.Table) -> None:
    """Raise CorruptData unless every planned photo has exactly one outcome."""
    rows = (
        _connect(plan=plan, outcomes=outcomes)
        .sql(f"""
        WITH wanted AS (SELECT image_key, count(*) n FROM plan WHERE change <> '{Change.DELETED}' GROUP BY 1),
             got AS (SELECT image_key, count(*) n FROM outcomes GROUP BY 1)
        SELECT coalesce(wanted.image_key, got.image_key), coalesce(wanted.n, 0), coalesce(got.n, 0)
        FROM wanted FULL JOIN got USING (image_key)
        WHERE wanted.n IS DISTINCT FROM 1 OR got.n IS DISTINCT FROM 1 ORDER BY 1
    """)
        .fetchall()
    )
    if rows:
        key, wanted, got = rows[0]
        raise CorruptData(
            f"{len(rows)} photos are not exactly once in the plan and once in the shards, first {key!r} "
            f"(planned {wanted}, found {got}). Nothing was built; start the night again under a new run id."
        )


def find_unsold_failures(outcomes: pa.Table, live: pa.Table | None, sold: pa.Array | None) -> pa.Table:
    """image_key of failed photos whose live rows may not stay, because they name a product that is no longer sold.

    sold: ids of the products that may be in the release; None: all may.
    """
    if live is None or sold is None:
        return outcomes.select(["image_key"]).slice(0, 0)
    return (
        _connect(outcomes=outcomes, live=live, sold=pa.table({"product_id": sold}))
        .sql(f"""
            SELECT DISTINCT image_key
            FROM (SELECT image_key, unnest(product_ids) AS product_id FROM live)
                ANTI JOIN sold USING (product_id)
                SEMI JOIN (FROM outcomes WHERE status = '{Status.FAILED}') USING (image_key)
        """)
        .to_arrow_table()
    )


def build_ledger_rows(
    outcomes: pa.Table, live: pa.Table | None, keep_failed: bool, unsold: pa.Table | None = None
) -> pa.Table:
    """The `images` rows for tonight's outcomes. first_seen is carried over.

    A failed photo that is in the ledger keeps its earlier values (its items are still in the table), with tonight's
    status, reason, recipe and run. It does not keep them when it breaks a model, is among `unsold` (from
    `find_unsold_failures`), or `keep_failed` is False because old vectors may not stay.
    """
    old = live if live is not None else IMAGES_SCHEMA.empty_table()
    gone = unsold if unsold is not None else old.select(["image_key"]).slice(0, 0)
    kept = f"({_MAY_STAY} AND l.image_key IS NOT NULL AND u.image_key IS NULL AND {keep_failed})"
    tonight = {"image_key", "status", "reason", "recipe", "run_id"}
    columns = [
        "coalesce(l.first_seen, o.first_seen) AS first_seen"
        if name == "first_seen"
        else f"o.{name}"
        if name in tonight
        else f"CASE WHEN {kept} THEN l.{name} ELSE o.{name} END AS {name}"
        for name in IMAGES_SCHEMA.names
    ]
    query = (
        f"SELECT {', '.join(columns)} FROM outcomes o LEFT JOIN live l USING (image_key) "
        "LEFT JOIN unsold u ON u.image_key = o.image_key ORDER BY o.image_key"
    )
    return _connect(outcomes=outcomes, live=old, unsold=gone).sql(query).to_arrow_table().cast(IMAGES_SCHEMA)


def find_replaced_keys(plan: pa.Table, outcomes: pa.Table, unsold: pa.Table) -> pa.Table:
    """image_key of the photos that lose their live items: deleted, indexed again, breaking a model, or `unsold`."""
    return (
        _connect(plan=plan, outcomes=outcomes, unsold=unsold)
        .sql(f"""
            SELECT image_key FROM plan WHERE change = '{Change.DELETED}'
            UNION ALL
            SELECT image_key FROM outcomes o WHERE NOT {_MAY_STAY}
            UNION ALL
            SELECT image_key FROM unsold
        """)
        .to_arrow_table()
    )


def find_rows(keys: pa.Table, rows: pa.RecordBatchReader) -> np.ndarray:
    """Row ids (uint64, sorted) of the `rows` (image_key, _rowid) whose photo is among `keys`."""
    return _ids(_connect(keys=keys, live=rows), "SELECT _rowid FROM live SEMI JOIN keys USING (image_key)")


def find_stale_rows(products: pa.Table, rows: pa.RecordBatchReader) -> np.ndarray:
    """Row ids (uint64, sorted) of the `rows` (product_id, product columns, _rowid) that differ from `products`."""
    names = [name for name in products.column_names if name != "product_id"]
    if not names:
        return np.empty(0, np.uint64)
    differs = " OR ".join(f'live."{name}" IS DISTINCT FROM products."{name}"' for name in names)
    query = f"SELECT _rowid FROM live LEFT JOIN products USING (product_id) WHERE {differs}"
    return _ids(_connect(products=products, live=rows), query)


def find_small_fragments(sizes: dict[int, int]) -> list[int]:
    """Fragments to merge: all small ones, once there are more than MAX_SMALL. sizes: fragment id → rows."""
    small = [number for number, rows in sizes.items() if rows < FULL_FRAGMENT]
    return small if len(small) > MAX_SMALL else []


def _ids(connection: duckdb.DuckDBPyConnection, query: str) -> np.ndarray:
    return np.sort(connection.sql(query).to_arrow_table()["_rowid"].to_numpy().astype(np.uint64))


def _connect(**tables: pa.Table | pa.RecordBatchReader) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for name, table in tables.items():
        connection.register(name, table)
    return connection
