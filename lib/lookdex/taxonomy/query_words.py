"""What a text names: a category, a colour, and the words that are left for the embedder. English and Korean. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lookdex.taxonomy import lexicon
from lookdex.taxonomy.categories import category_of
from lookdex.taxonomy.lexicon import in_english

# Of “this, but in red” only “red” tells what is wanted. Small text towers take the others for something, too: of the
# five first answers to photos of a rendered shop with such a text, 0.13 had the colour with all words, 0.57 without
# these (text_weight 0.6, own category).
_EMPTY = frozenset((
    "a", "an", "and", "as", "but", "colour", "color", "for", "have", "in", "it", "like", "looking", "make", "of", "one",
    "please", "same", "similar", "something", "than", "that", "the", "this", "version", "want", "with", "you",
))  # fmt: skip
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Words:
    """category, colour: what the text names, in lookdex's own words; None for none, or for more than one colour.

    essence: the text in English without words that say nothing about a thing; all of it where nothing else is left.
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
    kept = [word for word in _WORD.findall(in_english(text)) if word.lower() not in _EMPTY]
    named = {found.meaning.colour for found in lexicon.find(text)} - {None}
    return Words(category_of(text), named.pop() if len(named) == 1 else None, " ".join(kept) or text.strip())


def telling(text: str) -> list[str]:
    """Its words that may say something of a thing, in lower case."""
    return [word for word in map(str.lower, _WORD.findall(text)) if word not in _EMPTY and len(word) > 1]


def is_telling(text: str) -> bool:
    """
    >>> is_telling("빨간색으로"), is_telling("polka-dot"), is_telling("asdfgh qwerty")
    (True, True, False)
    """
    return any(m.category or m.colour or m.look for m in (found.meaning for found in lexicon.find(text)))
