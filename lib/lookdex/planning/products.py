"""The shop's products file, and the pattern or mapping that links photos to products."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from lookdex.catalog.column_types import held
from lookdex.catalog.schemas import items_schema
from lookdex.catalog.sql import quoted
from lookdex.config import NightSettings
from lookdex.errors import ConfigError
from lookdex.planning.feed import ids
from lookdex.planning.feed.datafile import Found, Reading, Refused, read_file
from lookdex.runtime.wording import pluralize
from lookdex.taxonomy.categories import normalise

RESERVED = frozenset(items_schema(1).names) - {"product_id"}
KNOWN = ("category", "price")  # product columns that lookdex itself reads, in any case
# The name of an unnamed CSV column, and names that Lance reserves.
UNFIT = ("", "*", "_rowid", "_rowaddr", "_rowoffset", "_distance", "_score")
UNFIT_CHARACTERS = frozenset('."`\0')
FIELDS = {
    "product_id": r"([^/]+?)",
    "name": r"[^/]+",
    "ext": r"[A-Za-z0-9]+",
    "*": r".*?",
}


@dataclass(frozen=True, slots=True)
class Products:
    """The products file.

    table: product_id (unique strings, see `ids.clean`) first, then every column that the tables can hold, each of a
    type of `column_types`. refused: the other columns. found: how the file was read.
    """

    table: pa.Table
    refused: tuple[Refused, ...]
    found: Found


def load_products(uri: str, reading: Reading | None = None) -> Products:
    """Read the products file (see `datafile`): product_id and all its columns.

    A column named like one of lookdex's own (colour, label, score …), in any case, becomes product_<name>.
    reading: what the settings say about the file.

    Raises ConfigError when the file or its column product_id does not exist, ids are missing or repeated, or two
    columns have the same name.
    """
    file = read_file(uri, ("product_id",), reading or Reading(flags=True))
    table = ids.clean_column(file.table, "product_id", uri)
    counts = table["product_id"].value_counts()
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(repeated):
        raise ConfigError(
            f"{uri} gives {pluralize(len(repeated), 'product id')} more than once, e.g. {ids.shown(repeated, 5)}; "
            "each product must have one row"
        )
    names = [own_name(name) for name in table.column_names]
    refused = tuple(Refused(own_name(one.name), one.why) for one in file.refused)
    folded = [name.lower() for name in (*names, *(one.name for one in refused))]
    if taken := sorted({name for name in names if folded.count(name.lower()) > 1}):
        raise ConfigError(f"{uri} has two columns for {_names(taken)}; rename one of them")
    table = table.rename_columns(names)
    ordered = table.select(["product_id", *(name for name in names if name != "product_id")])
    return Products(ordered, refused, file.found)


def configured(settings: NightSettings) -> Products | None:
    """The products file of the settings; None when none is set. Raises what `load_products` raises."""
    if not settings.products:
        return None
    reading = Reading.of(settings.products_encoding, settings.products_separator, settings.products_types)
    return load_products(settings.products, reading)


def own_name(name: str) -> str:
    """The name in the tables of a column of the products file."""
    if name.lower() in RESERVED:
        return f"product_{name}"
    return name.lower() if name.lower() in KNOWN else name


def choose(products: Products, columns: Sequence[str] = ()) -> pa.Table:
    """Select product_id and the named columns (default: all).

    columns: names in the file or in the tables, in any case. Raises ConfigError when a column does not exist, or has a
    type or name that the table cannot hold.
    """
    table = products.table
    refused = {one.name: one.why for one in products.refused}
    known = {name.lower(): name for name in (*table.column_names, *refused)}
    own = [known.get(own_name(name).lower(), own_name(name)) for name in columns]
    missing = [name for name in own if name.lower() not in known]
    if missing:
        raise ConfigError(
            f"the products file has no column {_names(missing)}; its columns: {_names(known.values())}"
        )
    names = list(dict.fromkeys(name for name in (own or known.values()) if name != "product_id"))
    unfit = [
        name
        for name in names
        if name.lower() in UNFIT or not UNFIT_CHARACTERS.isdisjoint(name) or name in refused
    ]
    rest = ",".join(name for name in names if name not in unfit)
    for name in unfit:
        if name in refused:
            raise ConfigError(
                f"the products file cannot be published: {refused[name]}, or leave the column out: --product-columns "
                f"{rest or '…'}"
            )
    if unfit:
        raise ConfigError(
            f"the products file's column {', '.join(map(repr, unfit))} has a name that the table cannot hold (empty, "
            "reserved by Lance, or with a dot or a quote). Rename it in the products file, or leave it out: "
            f"--product-columns {rest or '…'}"
        )
    return table.select(["product_id", *names])


def load_mapping(uri: str) -> pa.Table:
    """Read the mapping file (see `datafile`): image_key and product_id, both strings. A photo may have several rows."""
    table = read_file(uri, ("image_key", "product_id"), Reading()).table
    table = ids.clean_column(ids.clean_column(table, "image_key", uri), "product_id", uri)
    return table.select(["image_key", "product_id"])


def digest(products: pa.Table) -> str:
    """16 hex digits over names, types and values, independent of the order of rows."""
    ordered = products.sort_by("product_id").combine_chunks()
    sink = hashlib.sha256(str([(field.name, str(field.type)) for field in ordered.schema]).encode())
    buffer = io.BytesIO()
    pa.csv.write_csv(_flat(ordered), buffer)
    sink.update(buffer.getbuffer())
    return sink.hexdigest()[:16]


def link_products(
    listing: pa.Table,
    products: pa.Table | None = None,
    pattern: str | None = None,
    mapping: pa.Table | None = None,
) -> pa.Table:
    """Add `product_ids` (list of strings, sorted, [] when none) and `category` (string or null) to the listing.

    The category is that of the first product that has one, as a label of the detector (see `categories.normalise`).
    Product ids that `products` does not list are kept. Ids and mapped keys are compared after `ids.clean`.

    pattern: must match the whole key. {product_id} and {name} match anything without '/', {ext} letters and digits,
    {*} anything; {product_id} and {*} match as few characters as possible. mapping: image_key and product_id.

    Raises ConfigError for a pattern without {product_id}, or when both a pattern and a mapping are given.
    """
    if pattern and mapping is not None:
        raise ConfigError("give a pattern or a mapping file, not both")
    with duckdb.connect() as database:
        database.register("listing", listing)
        database.register("kinds", _categories(products))
        keys = listing["image_key"]
        if mapping is not None:
            database.register("spelt", pa.table({"image_key": keys, "clean": ids.clean(keys)}))
            database.register("mapping", mapping)
            named = database.sql(
                "select distinct spelt.image_key, product_id "
                "from mapping join spelt on clean = mapping.image_key"
            )
        elif pattern:
            expression = quoted(_expression(pattern))
            named = database.sql(
                f"select image_key, regexp_extract(image_key, {expression}, 1) as product_id "
                f"from listing where regexp_matches(image_key, {expression})"
            )
        else:
            named = database.sql("select '' as image_key, '' as product_id where false")
        found = named.to_arrow_table()
        clean = pa.table({"image_key": found["image_key"], "product_id": ids.clean(found["product_id"])})
        database.register("links", clean.filter(pc.not_equal(clean["product_id"], "")))
        linked = database.sql(
            """
            with grouped as (
                select image_key,
                       list(product_id order by product_id) as product_ids,
                       first(category order by product_id) filter (category is not null) as category
                from links left join kinds using (product_id)
                group by image_key
            )
            select image_key, etag, bytes,
                   coalesce(product_ids, []::varchar[]) as product_ids, category
            from listing left join grouped using (image_key)
            order by image_key
            """
        ).to_arrow_table()
    return linked.cast(
        pa.schema([*listing.schema, ("product_ids", pa.list_(pa.string())), ("category", pa.string())])
    )


def _expression(pattern: str) -> str:
    """An RE2 expression with the product id as group 1."""
    fields = re.findall(r"\{([^{}]*)\}", pattern)
    unknown = sorted(set(fields) - set(FIELDS))
    if unknown or fields.count("product_id") != 1:
        wrong = f"has an unknown field {{{unknown[0]}}}" if unknown else "needs {product_id} exactly once"
        known = ", ".join(f"{{{field}}}" for field in FIELDS)
        raise ConfigError(
            f"the pattern {pattern!r} {wrong}; the fields are {known}, e.g. '{{product_id}}/{{name}}.jpg'"
        )
    parts = re.split(r"\{([^{}]*)\}", pattern)
    whole = "".join(FIELDS[part] if i % 2 else re.escape(part) for i, part in enumerate(parts))
    return rf"(?s)\A{whole}\z"


def _categories(products: pa.Table | None) -> pa.Table:
    """product_id and category, normalised once per distinct value."""
    if products is None or "category" not in products.column_names:
        return pa.table({"product_id": pa.array([], pa.string()), "category": pa.array([], pa.string())})
    try:
        text = products["category"].cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ConfigError(
            f"the products file's column category holds {held(products.schema.field('category').type)}, but must be "
            "text; write one category for each product, or rename the column"
        ) from error
    words = text.combine_chunks().dictionary_encode()
    if isinstance(words, pa.ChunkedArray):
        words = words.unify_dictionaries().combine_chunks()
    labels = pa.array([normalise(word) for word in words.dictionary.to_pylist()], pa.string())
    return pa.table({"product_id": products["product_id"], "category": labels.take(words.indices)})


def _flat(table: pa.Table) -> pa.Table:
    """The table with every column as text, so that the digest does not depend on Arrow's layout."""
    with duckdb.connect() as database:
        database.execute("set TimeZone = 'UTC'")
        database.register("t", table)
        return database.sql("select columns(*)::varchar from t").to_arrow_table()


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)
