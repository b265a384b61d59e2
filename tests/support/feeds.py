"""Publish products files, and read the result with each of the five readers of a release."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lookdex.catalog import promotion_log, tables
from lookdex.search.catalog import Catalog
from lookdex.storage import open_store
from tests import fakes
from tests.support import catalogs, nights

Values = Mapping[str, Any]  # of a column, by product id


def ids(count: int) -> list[str]:
    return [f"p{n:04d}" for n in range(count)]


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


@dataclass(frozen=True)
class Published:
    """A catalogue with one photo per product. kinds: the types of its product columns."""

    uri: str
    kinds: dict[str, pa.DataType]

    @cached_property
    def catalog(self) -> Catalog:
        return catalogs.opened(self.uri)

    def values(self) -> dict[str, dict[str, Values]]:
        """Reader → column → product id → value, for the four readers that return values."""
        names = list(self.kinds)
        wanted = ["product_id", *names]
        entry = promotion_log.live_release(open_store(self.uri))
        assert entry is not None
        opened = tables.open_tables(open_store(self.uri), entry[1])
        lance = opened.items.to_table(columns=wanted, filter="scope = 'object'").to_pylist()
        connection = tables.connect(opened)
        columns = ", ".join(f'"{name}"' for name in wanted)
        duck = [
            dict(zip(wanted, row, strict=True))
            for row in connection.sql(f"select {columns} from items where scope = 'object'").fetchall()
        ]
        frame = self.catalog.to_pandas(columns=wanted)
        pandas = [dict(zip(wanted, row, strict=True)) for row in frame.itertuples(index=False, name=None)]
        answer = json.loads(
            self.catalog.search_vector(np.ones(nights.DIM), k=len(lance), crops=False).to_json()
        )
        matches = [
            {"product_id": match["product_id"], **match["columns"]}
            for match in answer["objects"][0]["matches"]
        ]
        read = {"lance": lance, "duckdb": duck, "pandas": pandas, "json": matches}
        return {
            reader: {name: {row["product_id"]: row[name] for row in rows} for name in names}
            for reader, rows in read.items()
        }

    def filtered(self, where: str) -> set[str]:
        """The products that match a filter."""
        return set(self.catalog.to_pandas(where, columns=["product_id"])["product_id"])


def publish(folder: Path, products: pa.Table) -> Published:
    """Run with these products (product_id and columns of the fixed list), build as usual, and make it live."""
    store = open_store(str(folder))
    photos = [
        nights.Photo(f"{product}/a.jpg", product=product) for product in products["product_id"].to_pylist()
    ]
    night = nights.index_night(
        store, "night-1", photos, recipe=fakes.recipe(), shard_images=1000, products=products
    )
    release = promotion_log.save_release(store, nights.build(store, night))
    promotion_log.append(store, release_id=release.release_id, action="promote", expected=None)
    return Published(
        str(folder), {entry.name: entry.type for entry in products.schema if entry.name != "product_id"}
    )


def plain(value: Any) -> Any:
    """Normalise a value from Arrow or a reader to a plain Python value."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    match value:
        case float() if math.isnan(value):  # pandas returns NaN for null; no column holds a NaN
            return None
        case bool() | np.bool_():
            return bool(value)
        case np.integer():
            return int(value)
        case np.floating():
            return float(value)
        case pd.Timestamp():
            assert value.nanosecond == 0
            return plain(value.to_pydatetime())
        case datetime():
            return value if value.tzinfo is None else value.astimezone(UTC)
        case time():
            return value.isoformat()
        case UUID():
            return str(value)
        case dict():
            return {key: plain(field) for key, field in value.items()}
        case list() | tuple() | np.ndarray():
            return [plain(item) for item in value]
        case _:
            return value


def in_json(value: Any, written: Any) -> bool:
    """Whether the JSON value represents the plain one."""
    match value:
        case bool() | None | str():
            return type(written) is type(value) and written == value
        case date():
            return bool(written == value.isoformat())
        case Decimal():
            return isinstance(written, str | int | float) and Decimal(str(written)) == value
        case dict():
            return written.keys() == value.keys() and all(
                in_json(field, written[key]) for key, field in value.items()
            )
        case list():
            return len(written) == len(value) and all(map(in_json, value, written))
        case _:
            return not isinstance(written, bool) and bool(written == value)


def same(value: Any, kind: pa.DataType, reader: str) -> Callable[[Any], bool]:
    """A predicate: whether a reader's value equals the plain one."""
    if pa.types.is_float32(kind) and value is not None:  # 45.3 is written as such, and is the same 32 bits
        return lambda read: read is not None and np.float32(read) == np.float32(value)
    if reader == "json":
        return lambda read: in_json(value, read)
    counts = isinstance(value, int | Decimal) and not isinstance(value, bool)  # 2^64 - 1 is a decimal
    kinds = (int, Decimal) if counts else (type(value),)
    return lambda read: type(plain(read)) in kinds and plain(read) == value


def check(published: Published, expected: Mapping[str, Values]) -> None:
    """Each reader returns the values, and filters find them. expected: column → product id → value."""
    for reader, columns in published.values().items():
        for name, values in columns.items():
            wrong = {
                product: (expected[name][product], read)
                for product, read in values.items()
                if not same(expected[name][product], published.kinds[name], reader)(read)
            }
            assert not wrong, f"{reader} reads {name} ({published.kinds[name]}) as {wrong}"
            assert values.keys() == expected[name].keys(), reader
    for name, values in expected.items():
        empty = {product for product, value in values.items() if value is None}
        assert published.filtered(f'"{name}" is null') == empty, f"{name} is null"
        known = [value for value in values.values() if value is not None]
        if known and (literal := literal_of(known[0], published.kinds[name])):
            equal = {product for product, value in values.items() if value is not None and value == known[0]}
            assert published.filtered(f'"{name}" = {literal}') == equal, f"{name} = {literal}"


def literal_of(value: Any, kind: pa.DataType) -> str:
    """A value as a filter literal; '' if filters cannot express it."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return repr(float(np.float32(value)) if pa.types.is_float32(kind) else value)
        case int():
            return str(value)
        case Decimal():
            return f"{value:f}"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case datetime():
            return f"timestamp '{value.replace(tzinfo=None).isoformat(sep=' ')}'"
        case date():
            return f"date '{value.isoformat()}'"
        case _:
            return ""
