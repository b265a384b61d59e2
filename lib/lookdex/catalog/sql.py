"""Values in SQL predicates, as Lance and DuckDB read them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def quoted(text: str) -> str:
    """A value as SQL text: a quote within it is doubled."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A column's name as a quoted SQL identifier; double quotes within it are doubled."""
    return '"' + name.replace('"', '""') + '"'


def listed(values: Iterable[str]) -> str:
    """Values as SQL texts for `IN (…)`; none is "", which stands in no predicate."""
    return ", ".join(map(quoted, values))


def composed(text: str) -> str:
    """In Unicode's composed form (NFC): product ids are stored in it, however a caller's keyboard spells them."""
    return unicodedata.normalize("NFC", text)
