"""The word lists of this package: fashion_words.toml and korean.toml, read once, also from a zip."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

Words = tuple[str, ...]
UNCHANGED = "unchanged"  # the term for synonyms that embedders get as they are


@dataclass(frozen=True, slots=True)
class FashionWords:
    """Words by lookdex's categories and colours; `things` and below: term for the embedder → synonyms."""

    categories: Mapping[str, Words]
    """English synonyms."""
    things: Mapping[str, Mapping[str, Words]]
    colours: Mapping[str, Mapping[str, Words]]
    looks: Mapping[str, Words]
    others: Mapping[str, Words]


@dataclass(frozen=True, slots=True)
class KoreanNames:
    """Names of categories and colours, the displayed one first."""

    categories: Mapping[str, Words]
    colours: Mapping[str, Words]


@cache
def fashion_words() -> FashionWords:
    data = _read("fashion_words.toml")
    return FashionWords(
        categories=_tuples(data["categories"]),
        things={category: _tuples(table) for category, table in data["things"].items()},
        colours={colour: _tuples(table) for colour, table in data["colours"].items()},
        looks=_tuples(data["looks"]),
        others=_tuples(data["others"]),
    )


@cache
def korean_names() -> KoreanNames:
    data = _read("korean.toml")
    return KoreanNames(_tuples(data["categories"]), _tuples(data["colours"]))


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("lookdex.taxonomy").joinpath(name).read_text(encoding="utf-8"))


def _tuples(table: Mapping[str, list[str]]) -> dict[str, Words]:
    return {name: tuple(words) for name, words in table.items()}
