"""What a text names: a category, a colour, and the words that are left for the embedder. English and Korean. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lookdex import colour, korean
from lookdex.categories import category_of

_COLOURS = {name: name for name in colour.NAMES} | {"gray": "grey"}
_COLOURS |= {word: name for name, words in korean.COLOURS.items() for word in words}
_ENDINGS = ("", "색", "으로", "로", "색으로", "인", "의", "색의", "이", "은", "는", "계열", "컬러", "톤")
# Of “this, but in red” only “red” tells what is wanted. Small text towers take the others for something, too: of the
# five first answers to photos of a rendered shop with such a text, 0.13 had the colour with all words, 0.57 without
# these (text_weight 0.6, own category).
_EMPTY = frozenset((
    "a", "an", "and", "as", "but", "colour", "color", "for", "have", "in", "it", "like", "looking", "make", "of", "one",
    "please", "same", "similar", "something", "than", "that", "the", "this", "version", "want", "with", "you",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Words:
    """category, colour: what the text names, in lookdex's own words; None for none, or for more than one colour.

    essence: the text without words that say nothing about a thing; all of it where nothing else is left.
    """

    category: str | None
    colour: str | None
    essence: str


def read(text: str) -> Words:
    """
    >>> read("this, but in red")
    Words(category=None, colour='red', essence='red')
    >>> read("빨간색 원피스")
    Words(category='dress', colour='red', essence='빨간색 원피스')
    """
    words = re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text)
    kept = [word for word in words if word.lower() not in _EMPTY]
    named = {found for word in words if (found := _colour(word.lower()))}
    return Words(category_of(text), named.pop() if len(named) == 1 else None, " ".join(kept) or text.strip())


def _colour(word: str) -> str | None:
    """A colour's name, alone or with a Korean ending."""
    for ending in _ENDINGS:
        if word.endswith(ending) and (found := _COLOURS.get(word.removesuffix(ending) if ending else word)):
            return found
    return None
