"""Parse a query text, English or Korean: its category, its colour, and the words to embed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lookdex.taxonomy import lexicon
from lookdex.taxonomy.categories import category_of
from lookdex.taxonomy.lexicon import in_english

# Only “red” matters in “this, but in red”. Small text towers misread the filler words: of the first five results for
# photos
# of a rendered shop with such a text, 0.13 had the colour with all words, and 0.57 without
# these (text_weight 0.6, own category).
_FILLERS = frozenset((
    "a", "an", "and", "as", "but", "colour", "color", "for", "have", "in", "it", "like", "looking", "make", "of", "one",
    "please", "same", "similar", "something", "than", "that", "the", "this", "version", "want", "with", "you",
))  # fmt: skip
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Words:
    """category, colour: those that the text names, in lookdex's terms; None for none, or for several colours.

    essence: the text in English without filler words; the whole text if nothing is left.
    """

    category: str | None
    colour: str | None
    essence: str


def read(text: str) -> Words:
    """
    >>> read("this, but in red")
    Words(category=None, colour='red', essence='red')
    >>> read("빨간색 후드티")
    Words(category='top', colour='red', essence='red hoodie')
    """
    kept = [word for word in _WORD.findall(in_english(text)) if word.lower() not in _FILLERS]
    named = {found.meaning.colour for found in lexicon.find(text)} - {None}
    return Words(category_of(text), named.pop() if len(named) == 1 else None, " ".join(kept) or text.strip())


def telling(text: str) -> list[str]:
    """Lower-case words that may describe a thing."""
    return [word for word in map(str.lower, _WORD.findall(text)) if word not in _FILLERS and len(word) > 1]


def is_telling(text: str) -> bool:
    """
    >>> is_telling("빨간색으로"), is_telling("polka-dot"), is_telling("asdfgh qwerty")
    (True, True, False)
    """
    return any(m.category or m.colour or m.look for m in (found.meaning for found in lexicon.find(text)))
