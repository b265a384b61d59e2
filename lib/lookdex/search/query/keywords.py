"""The keyword arguments that type checkers allow for `Catalog.search` and the like.

They are the fields of `Options` that are not parameters of their own there. They cannot be generated, since type
checkers run no code; a test compares them with `Options`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

from lookdex.search.query.options import Pick, Widen


class MoreOptions(TypedDict, total=False):
    """Options of every question."""

    text_weight: float
    colour: float
    widen: Widen | Literal["auto", "never", "always"]
    fold: bool
    whole: bool
    look: bool
    look_photos: int
    offset: int
    release: str | None
    sort: str | None
    pool: int | None
    facets: bool | Sequence[str]


class SearchOptions(MoreOptions, total=False):
    """Options of `Catalog.search`."""

    object: int | None
    label: str | None
    picks: Sequence[Pick]
    text: str | None


class TextOptions(MoreOptions, total=False):
    """Options of `Catalog.search_text`."""

    product: str | None
    goes_with: bool


class SimilarOptions(MoreOptions, total=False):
    """Options of `Catalog.similar`."""

    text: str | None
    goes_with: bool
