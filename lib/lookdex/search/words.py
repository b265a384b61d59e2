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
# What else tells of a product, beside categories and colours, whether or not the shop's titles have the word.
_LOOKS = frozenset((
    "animal", "argyle", "beaded", "camouflage", "check", "checked", "checkered", "colourful", "colorful", "crochet",
    "dark", "dotted", "embroidered", "floral", "flower", "gingham", "graphic", "herringbone", "houndstooth", "leopard",
    "light", "logo", "metallic", "neon", "paisley", "pastel", "patchwork", "pattern", "patterned", "plaid", "plain",
    "polka", "print", "printed", "quilted", "ribbed", "ruffled", "sequin", "shiny", "snakeskin", "stripe", "striped",
    "stripes", "tartan", "transparent", "zebra",
    "canvas", "cashmere", "chiffon", "corduroy", "cotton", "denim", "down", "flannel", "fleece", "fur", "gold", "knit",
    "knitted", "lace", "leather", "linen", "mesh", "patent", "rubber", "satin", "silk", "silver", "straw", "suede",
    "tweed", "velvet", "wool", "woollen",
    "baggy", "boho", "business", "casual", "cozy", "cropped", "elegant", "evening", "fitted", "formal", "gothic",
    "hooded", "long", "loose", "maxi", "mini", "oversized", "party", "preppy", "retro", "short", "sleeveless", "slim",
    "sporty", "summer", "tailored", "vintage", "warm", "wedding", "wide", "winter",
    "무늬", "줄무늬", "스트라이프", "체크", "꽃무늬", "플로럴", "물방울", "도트", "호피", "민무늬", "프린트", "자수",
    "면", "가죽", "데님", "리넨", "린넨", "울", "니트", "실크", "레이스", "벨벳", "코듀로이", "스웨이드", "트위드",
    "여름", "겨울", "봄", "가을", "긴", "짧은", "오버핏", "슬림", "캐주얼", "정장", "빈티지", "미니", "롱", "크롭",
))  # fmt: skip
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


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
    words = _WORD.findall(text)
    kept = [word for word in words if word.lower() not in _EMPTY]
    named = {found for word in words if (found := _colour(word.lower()))}
    return Words(category_of(text), named.pop() if len(named) == 1 else None, " ".join(kept) or text.strip())


def telling(text: str) -> list[str]:
    """Its words that may say something of a thing, in lower case."""
    return [word for word in map(str.lower, _WORD.findall(text)) if word not in _EMPTY and len(word) > 1]


def is_telling(text: str) -> bool:
    """
    >>> is_telling("빨간색으로"), is_telling("polka-dot"), is_telling("asdfgh qwerty")
    (True, True, False)
    """
    told = telling(text)
    looks = {part for word in told for part in (word, *re.split("['’-]", word))}
    return category_of(text) is not None or not _LOOKS.isdisjoint(looks) or any(map(_colour, told))


def _colour(word: str) -> str | None:
    """A colour's name, alone or with a Korean ending."""
    for ending in _ENDINGS:
        if word.endswith(ending) and (found := _COLOURS.get(word.removesuffix(ending) if ending else word)):
            return found
    return None
