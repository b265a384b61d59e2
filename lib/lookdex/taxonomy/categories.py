"""lookdex's categories, and the mapping of other vocabularies (shop categories, model labels) to them."""

from __future__ import annotations

import re

from lookdex.taxonomy import lexicon

CATEGORIES = (
    "top", "outerwear", "dress", "skirt", "pants", "shorts", "shoes",
    "bag", "hat", "glasses", "belt", "scarf", "jewelry", "legwear",
)  # fmt: skip
_HEAD = re.compile(r"\b(?:with|without)\b", re.IGNORECASE)


def find_category(text: str) -> str | None:
    """Return the category named by the last known word, preferring words before “with”; None if there is none.

    >>> find_category("Women > Shoes > Running Sneakers"), find_category("여성 원피스"), find_category("person")
    ('shoes', 'dress', None)
    """
    return _find_last(_HEAD.split(text, maxsplit=1)[0]) or _find_last(text)


def normalise(text: str | None) -> str | None:
    """Map a shop's category to a lookdex category.

    Unknown words are kept in lower case, for detectors with their own labels. None and blanks give None.
    """
    if text is None or not text.strip():
        return None
    return find_category(text) or text.strip().lower()


def _find_last(text: str) -> str | None:
    named = (found.meaning.category for found in reversed(lexicon.find(text)))
    return next(filter(None, named), None)
