"""Quote values and names for SQL of Lance and DuckDB."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def quote(text: str) -> str:
    """A string as an SQL literal, with quotes in it doubled."""
    return "'" + text.replace("'", "''") + "'"


def quote_identifier(name: str) -> str:
    """A column name as a quoted SQL identifier, with double quotes in it doubled."""
    return '"' + name.replace('"', '""') + '"'


def quote_list(values: Iterable[str]) -> str:
    """Strings as SQL literals for `IN (…)`. "" for none, which is not a valid predicate."""
    return ", ".join(map(quote, values))


def normalize_nfc(text: str) -> str:
    """The text in Unicode's composed form (NFC), in which product ids are stored."""
    return unicodedata.normalize("NFC", text)
