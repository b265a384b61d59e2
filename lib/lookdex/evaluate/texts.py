"""Text search quality: precision of the first k results of a text query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lookdex.errors import ConfigError
from lookdex.taxonomy import korean
from lookdex.taxonomy.categories import find_category

COLOUR, CATEGORY = "colour", "category"  # columns whose values have Korean names


class Language(StrEnum):
    EN = "en"
    KO = "ko"


@dataclass(frozen=True, slots=True)
class TextQuery:
    """A text query with what it asks for."""

    text: str
    """The query."""
    wanted: tuple[tuple[str, str], ...]
    """(column, value) pairs that a right item must have."""

    def answered_by(self, row: Mapping[str, str]) -> bool:
        return all(row[column] == value for column, value in self.wanted)


@dataclass(frozen=True, slots=True)
class QueryScore:
    """The score of one text query."""

    query: TextQuery
    precision: float
    """Share of right items in the first k, 0 … 1."""
    right: int
    """Number of right items in the gallery."""


@dataclass(frozen=True, slots=True)
class TextScore:
    """The score of text queries."""

    k: int
    precision: float
    """Mean over queries with at least k right items."""
    queries: tuple[QueryScore, ...]
    short: tuple[TextQuery, ...]
    """Queries with fewer."""


def generate_queries(
    rows: Sequence[Mapping[str, str]], columns: Sequence[str], language: Language
) -> tuple[list[TextQuery], list[str]]:
    """Generate queries such as "red dress" from the rows' values, each combination once, most frequent first.

    Returns the queries, and the values without a Korean name, whose combinations are skipped. Rows with an empty value
    are skipped too.
    """
    combinations = Counter(tuple(row[column] for column in columns) for row in rows)
    untranslated: set[str] = set()
    queries = []
    for values, _ in combinations.most_common():
        if not all(values):
            continue
        words = [
            value if language is Language.EN else korean_word(c, value)
            for c, value in zip(columns, values, strict=True)
        ]
        untranslated |= {value for value, word in zip(values, words, strict=True) if word is None}
        if None not in words:
            queries.append(TextQuery(" ".join(map(str, words)), tuple(zip(columns, values, strict=True))))
    return queries, sorted(untranslated)


def korean_word(column: str, value: str) -> str | None:
    """Translate a value: '빨간색' for the colour 'red', '원피스' for the category 'dress'; None if unknown."""
    if column == COLOUR:
        return korean.colour_name(value.lower())
    return korean.category_name(find_category(value))


def read_queries(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> list[TextQuery]:
    """Read queries from a table's rows: `text`, and a column per required value. Empty values are not required.

    Raises:
        ConfigError: a row without a text or without any value.
    """
    queries = []
    for row in rows:
        wanted = tuple((column, row[column]) for column in columns if row[column])
        if not row["text"] or not wanted:
            raise ConfigError(f"a query needs a text and at least one value that must agree: {row}")
        queries.append(TextQuery(row["text"], wanted))
    return queries


def max_answers(queries: Sequence[TextQuery], rows: Sequence[Mapping[str, str]]) -> int:
    """Return the largest number of rows that match any one query."""
    return max((sum(map(query.answered_by, rows)) for query in queries), default=0)


def score_texts(
    k: int, queries: Sequence[TextQuery], texts: np.ndarray, rows: Sequence[Mapping[str, str]], vectors: np.ndarray
) -> TextScore:  # fmt: skip
    """Rank the items for each text by cosine similarity; ties keep their order.

    Args:
        texts: (queries, dim).
        vectors: (n, dim), one per row. All of unit length.
    """
    names = {column for query in queries for column, _ in query.wanted}
    columns = {name: np.array([row[name] for row in rows]) for name in names}
    scores, short = [], []
    for query, text in zip(queries, texts, strict=True):
        right = np.all([columns[name] == value for name, value in query.wanted], axis=0)
        if right.sum() < k:
            short.append(query)
            continue
        first = np.argsort(-(vectors @ text), kind="stable")[:k]
        scores.append(QueryScore(query, float(right[first].mean()), int(right.sum())))
    mean = float(np.mean([one.precision for one in scores])) if scores else 0.0
    return TextScore(k, mean, tuple(scores), tuple(short))
