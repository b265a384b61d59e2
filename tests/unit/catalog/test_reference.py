"""Names of types in the reference, and the descriptions of columns and fields."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pytest

from lookdex.catalog import reference
from lookdex.catalog.schemas import IMAGES_COLUMNS, PALETTE, PLAN_COLUMNS, items_columns


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pa.list_(pa.string()), "list<string>"),
        (pa.list_(pa.float32(), 7), "float32[dim]"),
        (pa.timestamp("us", tz="UTC"), "timestamp[us, UTC]"),
        (PALETTE, "list<struct<l: float32, a: float32, b: float32, share: float32>>"),
    ],
)
def test_arrow_types_have_plain_names(kind: pa.DataType, name: str) -> None:
    assert reference.arrow_type(kind) == name


@dataclass(frozen=True)
class Undescribed:
    size: int


def test_a_field_without_a_description_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"Undescribed\.size"):
        reference.field_rows(Undescribed)


def test_every_column_has_one_name_and_a_one_line_description() -> None:
    for columns in (PLAN_COLUMNS, IMAGES_COLUMNS, items_columns(3)):
        assert len({column.name for column in columns}) == len(columns)
        assert all(c.description.endswith(".") and "\n" not in c.description for c in columns)
