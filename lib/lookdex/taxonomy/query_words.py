"""Parse a query text, English or Korean: its category, its colour, and the words to embed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lookdex.taxonomy import lexicon
from lookdex.taxonomy.categories import find_category
from lookdex.taxonomy.lexicon import translate

# Only “red” matters in “this, but in red”. Small text towers misread the filler words: of the first five results for
# photos of a rendered shop with such a text, 0.13 had the colour with all words, and 0.57 without these (text_weight
# 0.6, own category).
_FILLERS = frozenset((
    "a", "an", "and", "as", "but", "colour", "color", "for", "have", "in", "it", "like", "looking", "make", "of", "one",
    "please", "same", "similar", "something", "than", "that", "the", "this", "version", "want", "with", "you",
))  # fmt: skip
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Words:
    """A parsed text."""

    category: str | None
    """The category that it names, in lookdex's terms."""
    colour: str | None
    """The colour that it names; None for none or several."""
    essence: str
    """The text in English without filler words; the whole text if nothing is left."""


def parse(text: str) -> Words:
    """Parse a text.

    >>> parse("this, but in red")
    Words(category=None, colour='red', essence='red')
    >>> parse("빨간색 후드티")
    Words(category='top', colour='red', essence='red hoodie')
    """
    kept = [word for word in _WORD.findall(translate(text)) if word.lower() not in _FILLERS]
    named = {found.meaning.colour for found in lexicon.find(text)} - {None}
    return Words(
        find_category(text), named.pop() if len(named) == 1 else None, " ".join(kept) or text.strip()
    )


def descriptive_words(text: str) -> list[str]:
    """Find the words that may describe a thing, in lower case."""
    return [word for word in map(str.lower, _WORD.findall(text)) if word not in _FILLERS and len(word) > 1]


def is_descriptive(text: str) -> bool:
    """Whether a word of the text names a category, a colour or a look.

    >>> is_descriptive("빨간색으로"), is_descriptive("polka-dot"), is_descriptive("asdfgh qwerty")
    (True, True, False)
    """
    return any(m.category or m.colour or m.look for m in (found.meaning for found in lexicon.find(text)))
