"""lookdex's categories, and the mapping of other vocabularies (shop categories, model labels) to them."""

from __future__ import annotations

import re

from lookdex.taxonomy import lexicon

CATEGORIES = (
    "top", "outerwear", "dress", "skirt", "pants", "shorts", "shoes",
    "bag", "hat", "glasses", "belt", "scarf", "jewelry", "legwear",
)  # fmt: skip
_HEAD = re.compile(r"\b(?:with|without)\b", re.IGNORECASE)


def category_of(text: str) -> str | None:
    """Return the category named by the last known word, preferring words before “with”; None if there is none.

    >>> category_of("Women > Shoes > Running Sneakers"), category_of("여성 원피스"), category_of("person")
    ('shoes', 'dress', None)
    """
    return _last(_HEAD.split(text, maxsplit=1)[0]) or _last(text)


def normalise(text: str | None) -> str | None:
    """Map a shop's category to a lookdex category.

    Unknown words are kept in lower case, for detectors with their own labels. None and blanks give None.
    """
    if text is None or not text.strip():
        return None
    return category_of(text) or text.strip().lower()


def _last(text: str) -> str | None:
    named = (found.meaning.category for found in reversed(lexicon.find(text)))
    return next(filter(None, named), None)
