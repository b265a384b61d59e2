"""What filters can offer of a release: its categories and its range of prices, counted in products."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

MOST_CATEGORIES = 200  # a column with more values is no list to choose from; the most frequent are told


@dataclass(frozen=True, slots=True)
class Category:
    """A value of the shop's own category column, and how many products have it."""

    name: str
    products: int


@dataclass(frozen=True, slots=True)
class PriceRange:
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Facets:
    """products: distinct ones. categories: most products first; () without such a column. price: None without any."""

    products: int
    categories: tuple[Category, ...]
    price: PriceRange | None


def facets_of(rows: pa.Table) -> Facets:
    """The facets of rows that have `product_id` and may have `category` (text) and `price` (a number)."""
    rows = rows.filter(pc.is_valid(rows["product_id"]))
    return Facets(pc.count_distinct(rows["product_id"]).as_py(), _categories(rows), _price(rows))


def _categories(rows: pa.Table) -> tuple[Category, ...]:
    if "category" not in rows.column_names or not pa.types.is_string(rows.schema.field("category").type):
        return ()
    counted = rows.group_by("category").aggregate([("product_id", "count_distinct")]).to_pylist()
    found = [
        Category(row["category"], row["product_id_count_distinct"]) for row in counted if row["category"]
    ]
    return tuple(sorted(found, key=lambda c: (-c.products, c.name))[:MOST_CATEGORIES])


def _price(rows: pa.Table) -> PriceRange | None:
    if "price" not in rows.column_names:
        return None
    kind = rows.schema.field("price").type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        return None
    prices = pc.cast(rows["price"], pa.float64())
    prices = prices.filter(pc.is_finite(prices))
    if not len(prices):
        return None
    ends = pc.min_max(prices).as_py()
    return PriceRange(ends["min"], ends["max"])
