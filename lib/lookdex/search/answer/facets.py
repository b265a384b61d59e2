"""Columns of a release, counted in distinct products: what filters can offer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

MOST_VALUES = 200  # a column with more is no list to choose from: the most frequent ones are listed
BUCKETS = 8


class FacetKind(StrEnum):
    """How a column is told."""

    VALUES = "values"  # text, true or false, and the elements of lists: value by value
    RANGE = "range"  # numbers and dates: from the least to the most


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a column, and how many products have it."""

    value: Any
    products: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many products have a value from `least` to `most`, both included."""

    least: Any
    most: Any
    products: int


@dataclass(frozen=True, slots=True)
class Facet:
    """A column, counted in distinct products. missing: those without a value.

    values: the most frequent first, at most MOST_VALUES; others: products that have a value that is not among them. Of
    a list each element counts. least, most, buckets: of a range, the buckets of about as many products each, in order;
    a value is in one bucket only.
    """

    column: str
    kind: FacetKind
    missing: int
    values: tuple[Value, ...] = ()
    others: int = 0
    least: Any = None
    most: Any = None
    buckets: tuple[Bucket, ...] = ()


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
    """products: distinct ones. columns: in the order in which they were asked for."""

    products: int
    columns: tuple[Facet, ...]

    def of(self, column: str) -> Facet | None:
        return next((facet for facet in self.columns if facet.column == column), None)

    @property
    def categories(self) -> tuple[Category, ...]:
        """The values of the column `category`, most products first; () without such a column of text."""
        facet = self.of("category")
        return () if facet is None else tuple(Category(one.value, one.products) for one in facet.values
                                              if isinstance(one.value, str))  # fmt: skip

    @property
    def price(self) -> PriceRange | None:
        """Of the column `price`, where it holds numbers."""
        facet = self.of("price")
        if facet is None or facet.least is None or isinstance(facet.least, date):
            return None
        return PriceRange(float(facet.least), float(facet.most))
