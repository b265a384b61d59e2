"""Facets: columns of a release, counted in distinct products, for filters to offer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from lookdex.search.answer.fields import Count, Plain, Positive, Record

MAX_VALUES = 200  # a longer list is no use to choose from
MAX_BUCKETS = 8


class FacetKind(StrEnum):
    """How a column is counted."""

    VALUES = "values"  # text, booleans and list elements: by value
    RANGE = "range"  # numbers and dates: from the least to the greatest


@dataclass(frozen=True, slots=True)
class Value(Record):
    """A value of a column, and how many products have it."""

    value: Plain
    products: Positive


@dataclass(frozen=True, slots=True)
class Bucket(Record):
    """How many products have a value from `least` to `most`, both included."""

    least: Plain
    most: Plain
    products: Positive


@dataclass(frozen=True, slots=True)
class Facet(Record):
    """A column, counted in distinct products."""

    column: str
    kind: FacetKind
    """values: text, booleans and list elements; range: numbers and dates."""
    missing: Count
    """Products without a value."""
    values: Annotated[tuple[Value, ...], Field(max_length=MAX_VALUES)] = ()
    """Most products first; of a list, each element counts. [] for a range."""
    others: Count = 0
    """Products with a value that is not listed."""
    least: Plain = None
    """Of a range; null if no product has a value."""
    most: Plain = None
    buckets: Annotated[tuple[Bucket, ...], Field(max_length=MAX_BUCKETS)] = ()
    """Of a range: ascending, of about equal numbers of products, without overlap."""


@dataclass(frozen=True, slots=True)
class Category:
    """A value of the column `category`, and how many products have it."""

    name: str
    products: int


@dataclass(frozen=True, slots=True)
class PriceRange:
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Facets(Record):
    """The products that pass `where` and have an object."""

    products: Annotated[Count, Field(description="Distinct products.")]
    columns: Annotated[tuple[Facet, ...], Field(description="In the order in which they were asked for.")]

    def of(self, column: str) -> Facet | None:
        return next((facet for facet in self.columns if facet.column == column), None)

    @property
    def categories(self) -> tuple[Category, ...]:
        """The values of the column `category`, most products first; () without such a column of text."""
        facet = self.of("category")
        values = () if facet is None else facet.values
        return tuple(Category(one.value, one.products) for one in values if isinstance(one.value, str))

    @property
    def price(self) -> PriceRange | None:
        """Range of the column `price`; None if it holds no numbers."""
        facet = self.of("price")
        if facet is None or facet.least is None or isinstance(facet.least, date):
            return None
        return PriceRange(float(facet.least), float(facet.most))
