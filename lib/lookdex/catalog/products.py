"""Which products the photos show: the shop's products file, and the pattern or mapping that ties keys to it."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from lookdex.categories import normalise
from lookdex.columns import held
from lookdex.errors import ConfigError, NotFound
from lookdex.predicates import quoted
from lookdex.records import items_schema
from lookdex.storage import open_store
from lookdex.wording import count_of

RESERVED = frozenset(items_schema(1).names) - {"product_id"}
# Lance's own, and that of a CSV's unnamed column.
UNFIT = ("", "_rowid", "_rowaddr", "_rowoffset", "_distance", "_score")
UNFIT_CHARACTERS = frozenset('."`')
FIELDS = {
    "product_id": r"([^/]+?)",
    "name": r"[^/]+",
    "ext": r"[A-Za-z0-9]+",
    "*": r".*?",
}
# What a number would lose of a code: the zeros that it begins with, what is hexadecimal of it, and digits after the
# 15th (the most that any float64 keeps), but not the many decimals of a computed price.
_CODE = r"^\s*[+-]?(?:0[0-9xX]|\d{16})"


def load_products(uri: str) -> pa.Table:
    """The products file (.csv or .parquet, local or s3://): product_id as string first, then its other columns.

    A column with the name of one of lookdex's own (colour, label, score …) is called product_<name> here. A CSV's
    column of numbers stays text where one of them begins with a zero before another digit, or has more than 15 digits
    before the point: it holds codes (00012, an EAN), of which a number would lose something.

    Raises ConfigError when the file or its column product_id is not there, or ids are missing or given twice.
    """
    table = _read(uri, "product_id")
    counts = table["product_id"].value_counts()
    twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(twice):
        raise ConfigError(
            f"{uri} gives {count_of(len(twice), 'product id')} more than once, e.g. {_names(twice[:5].to_pylist())}; "
            "a product is one row"
        )
    names = [f"product_{name}" if name in RESERVED else name for name in table.column_names]
    if taken := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{uri} has two columns for {_names(taken)}; rename one of them")
    table = table.rename_columns(names)
    return table.select(["product_id", *(name for name in names if name != "product_id")])


def choose(products: pa.Table, columns: Sequence[str] = ()) -> pa.Table:
    """product_id and the named columns, as the file or as lookdex calls them (none named: all).

    Raises ConfigError when one is not there, or has a name that no column of the table can have.
    """
    own = [f"product_{name}" if name in RESERVED else name for name in columns]
    missing = [name for name in own if name not in products.column_names]
    if missing:
        raise ConfigError(
            f"the products file has no column {_names(missing)}; its columns: {_names(products.column_names)}"
        )
    chosen = (
        products.select(["product_id", *(name for name in own if name != "product_id")]) if own else products
    )
    unfit = [name for name in chosen.column_names if name in UNFIT or not UNFIT_CHARACTERS.isdisjoint(name)]
    if unfit:
        rest = ",".join(name for name in chosen.column_names[1:] if name not in unfit)
        raise ConfigError(
            f"the products file's column {', '.join(map(repr, unfit))} has a name that the table cannot hold (none, "
            "one of the table's own, or one with a dot or a quote). Rename it in the products file, or leave it out: "
            f"--product-columns {rest or '…'}"
        )
    return chosen


def load_mapping(uri: str) -> pa.Table:
    """The mapping file (.csv or .parquet): image_key, product_id, both strings. Several rows tie several products."""
    return _read(uri, "image_key", "product_id").select(["image_key", "product_id"])


def digest(products: pa.Table) -> str:
    """16 hex digits of names, types and values, whatever the order of the rows."""
    ordered = products.sort_by("product_id").combine_chunks()
    sink = hashlib.sha256(str([(field.name, str(field.type)) for field in ordered.schema]).encode())
    buffer = io.BytesIO()
    pa.csv.write_csv(_flat(ordered), buffer)
    sink.update(buffer.getbuffer())
    return sink.hexdigest()[:16]


def tie(
    listing: pa.Table,
    products: pa.Table | None = None,
    pattern: str | None = None,
    mapping: pa.Table | None = None,
) -> pa.Table:
    """The listing with `product_ids` (list of strings, sorted, [] when none) and `category` (string or null).

    `pattern` is read over the whole key: {product_id} and {name} match without '/', {ext} letters and digits, {*}
    anything; {product_id} and {*} take as few characters as they can. `mapping` has image_key and product_id. The
    category is that of the first product that has one, in the detector's labels (see `categories.normalise`). A
    product id that `products` lacks is kept. Raises ConfigError for a pattern without {product_id}, or both ways at
    once.
    """
    if pattern and mapping is not None:
        raise ConfigError("give a pattern or a mapping file, not both: each says which product a photo shows")
    with duckdb.connect() as database:
        database.register("listing", listing)
        database.register("kinds", _categories(products))
        if mapping is not None:
            database.register("mapping", mapping)
            database.execute("create temp view ties as select distinct image_key, product_id from mapping")
        elif pattern:
            expression = quoted(_expression(pattern))
            database.execute(
                f"create temp view ties as select image_key, regexp_extract(image_key, {expression}, 1) as product_id "
                f"from listing where regexp_matches(image_key, {expression})"
            )
        else:
            database.execute("create temp view ties as select '' as image_key, '' as product_id where false")
        tied = database.sql(
            """
            with grouped as (
                select image_key,
                       list(product_id order by product_id) as product_ids,
                       first(category order by product_id) filter (category is not null) as category
                from ties left join kinds using (product_id)
                group by image_key
            )
            select image_key, etag, bytes,
                   coalesce(product_ids, []::varchar[]) as product_ids, category
            from listing left join grouped using (image_key)
            order by image_key
            """
        ).to_arrow_table()
    return tied.cast(
        pa.schema([*listing.schema, ("product_ids", pa.list_(pa.string())), ("category", pa.string())])
    )


def _expression(pattern: str) -> str:
    """An RE2 expression with the product id as group 1."""
    fields = re.findall(r"\{([^{}]*)\}", pattern)
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown or fields.count("product_id") != 1:
        wrong = f"knows no {{{unknown[0]}}}" if unknown else "needs {product_id} once"
        known = ", ".join(f"{{{field}}}" for field in FIELDS)
        raise ConfigError(
            f"the pattern {pattern!r} {wrong}; its fields are {known}, e.g. '{{product_id}}/{{name}}.jpg'"
        )
    parts = re.split(r"\{([^{}]*)\}", pattern)
    whole = "".join(FIELDS[part] if i % 2 else re.escape(part) for i, part in enumerate(parts))
    return rf"(?s)\A{whole}\z"


def _categories(products: pa.Table | None) -> pa.Table:
    """product_id, category: normalised once per distinct word of the shop."""
    if products is None or "category" not in products.column_names:
        return pa.table({"product_id": pa.array([], pa.string()), "category": pa.array([], pa.string())})
    try:
        text = products["category"].cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ConfigError(
            f"the products file's column category holds {held(products.schema.field('category').type)}: it tells what "
            "a product is, in text; write one category for each product, or rename the column"
        ) from error
    words = text.combine_chunks().dictionary_encode()
    if isinstance(words, pa.ChunkedArray):
        words = words.unify_dictionaries().combine_chunks()
    labels = pa.array([normalise(word) for word in words.dictionary.to_pylist()], pa.string())
    return pa.table({"product_id": products["product_id"], "category": labels.take(words.indices)})


def _read(uri: str, *ids: str) -> pa.Table:
    """A .csv or .parquet file whose columns `ids` are there, strings, and without nulls."""
    parent, _, name = uri.rpartition("/")
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise ConfigError(f"{uri}: a .csv or a .parquet file is needed here")
    try:
        data = pa.BufferReader(open_store(parent or ("/" if uri.startswith("/") else ".")).get(name))
    except NotFound as error:
        raise ConfigError(f"{uri} does not exist") from error
    try:
        if suffix == ".parquet":
            table = pa.parquet.read_table(data)
        else:
            table = _read_csv(data, *ids)
    except (pa.ArrowInvalid, pa.ArrowException) as error:
        raise ConfigError(f"{uri} cannot be read: {error}") from error
    if unreadable := [
        field.name for field in table.schema if suffix == ".csv" and pa.types.is_binary(field.type)
    ]:
        raise ConfigError(f"{uri}: the column {unreadable[0]!r} is not UTF-8; save the file as UTF-8")
    for column in ids:
        if column not in table.column_names:
            raise ConfigError(f"{uri} has no column {column!r}; its columns: {_names(table.column_names)}")
        values = table[column].cast(pa.string())
        if values.null_count or pc.any(pc.equal(values, "")).as_py():
            empty = pc.sum(pc.or_(pc.is_null(values), pc.equal(pc.fill_null(values, ""), ""))).as_py()
            raise ConfigError(f"{uri}: {count_of(empty, 'row')} without a {column}; fill it in or drop them")
        table = table.set_column(table.column_names.index(column), column, values)
    return table


def _read_csv(data: pa.BufferReader, *ids: str) -> pa.Table:
    """Numbers as numbers, but as text, as they are written, the columns `ids` and those in which a value is a code."""
    table = pa.csv.read_csv(data, convert_options=_as_text(ids))
    numbers = {field.name for field in table.schema if _is_number(field.type)}
    if not numbers:
        return table
    data.seek(0)
    written = pa.csv.read_csv(data, convert_options=_as_text(numbers))
    for place, name in enumerate(table.column_names):
        values = written.column(place)
        if name in numbers and pc.any(pc.match_substring_regex(values, _CODE)).as_py():
            table = table.set_column(place, name, values)
    return table


def _as_text(names: Iterable[str]) -> pa.csv.ConvertOptions:
    return pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _flat(table: pa.Table) -> pa.Table:
    """The table with each column as text, for a digest that does not hang on Arrow's layout."""
    with duckdb.connect() as database:
        database.register("t", table)
        return database.sql("select columns(*)::varchar from t").to_arrow_table()


def _names(names) -> str:  # type: ignore[no-untyped-def]
    return ", ".join(str(name) for name in names)
