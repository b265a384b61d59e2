"""The categories, and other people's names for them: a shop's words for what it sells, another model's labels."""

from __future__ import annotations

import re

from lookdex.taxonomy import lexicon

CATEGORIES = (
    "top", "outerwear", "dress", "skirt", "pants", "shorts", "shoes",
    "bag", "hat", "glasses", "belt", "scarf", "jewelry", "legwear",
)  # fmt: skip
_HEAD = re.compile(r"\b(?:with|without)\b", re.IGNORECASE)


def category_of(text: str) -> str | None:
    """The category that the last telling word names, of those before “with” if there is one, or None.

    >>> category_of("Women > Shoes > Running Sneakers"), category_of("여성 원피스"), category_of("person")
    ('shoes', 'dress', None)
    """
    return _last(_HEAD.split(text, maxsplit=1)[0]) or _last(text)


def normalise(text: str | None) -> str | None:
    """A shop's category as one of ours. Unknown words stay themselves, in lower case, for detectors with labels of
    their own; None and blanks give None."""
    if text is None or not text.strip():
        return None
    return category_of(text) or text.strip().lower()


def _last(text: str) -> str | None:
    named = (found.meaning.category for found in reversed(lexicon.find(text)))
    return next(filter(None, named), None)
