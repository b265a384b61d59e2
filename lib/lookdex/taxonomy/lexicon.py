"""Find fashion words in a text, English and Korean, however they are spaced. The longest word wins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from lookdex.taxonomy.word_lists import UNCHANGED, fashion_words, korean_names

_MAX_JOINED = 3  # maximum words joined to one: "v neck sweater"
_MAX_LENGTH = 40  # maximum characters of a word
_CACHE_SIZE = 10_000  # words cached
_WORD = re.compile(r"[^\W\d_]+")
_GAP = re.compile(r"[\s'’-]*")
_HANGUL = re.compile("[가-힣]")
# Korean endings that may follow within the same word: “of a colour”, “in”, “the”, “and”, “for”.
_ENDINGS = frozenset((
    "", "색", "빛", "색상", "계열", "컬러", "톤", "색으로", "으로", "로", "인", "의", "색의", "이", "가", "은", "는",
    "을", "를", "도", "만", "에", "와", "과", "랑", "이랑", "하고", "용", "류", "들",
))  # fmt: skip
# Only matched as separate words, because other words end in these (“of the world”, “a bib”).
_ALONE = frozenset(("상의", "하의", "타이", "라이더", "하늘", "첼시", "마룬", "누드", "로즈", "수트", "기본"))


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word says of a thing, in lookdex's terms."""

    category: str | None = None
    colour: str | None = None
    look: bool = False
    """It describes a thing in another way."""
    english: str | None = None
    """Replacement for embedders; None keeps the word."""


@dataclass(frozen=True, slots=True)
class Found:
    """A known word at text[start:end]."""

    start: int
    end: int
    meaning: Meaning


def find(text: str) -> list[Found]:
    """Find the known words of a text, in order and without overlaps."""
    words = [(m.start(), m.end()) for m in _WORD.finditer(text)]
    found: list[Found] = []
    i = 0
    while i < len(words):
        for last in range(min(i + _MAX_JOINED, len(words)) - 1, i - 1, -1):
            between = zip(words[i:last], words[i + 1 : last + 1], strict=True)
            if not all(_GAP.fullmatch(text, left[1], right[0]) for left, right in between):
                continue
            start, end = words[i][0], words[last][1]
            joined = "".join(text[a:b] for a, b in words[i : last + 1]).lower()
            if meanings := _meanings(joined, alone=last == i):
                found += [Found(start, end, meaning) for meaning in meanings]
                i = last
                break
        i += 1
    return found


def translate(text: str) -> str:
    """Translate a text into words that embedders are likely to know. Texts without known replacements are returned
    unchanged.

    Unknown Korean words are dropped, because small text towers misread them.

    >>> translate("빨간 스니커즈"), translate("귀여운 후드 티"), translate("Red trainers, please!")
    ('red sneakers', 'hoodie', 'Red sneakers, please!')
    """
    spans: dict[tuple[int, int], list[str]] = {}
    for found in find(text):
        if found.meaning.english is not None:
            spans.setdefault((found.start, found.end), []).append(found.meaning.english)
    if not spans:
        return text
    parts, i = [], 0
    for (start, end), terms in spans.items():
        parts += [text[i:start], " ".join(terms)]
        i = end
    translated = "".join((*parts, text[i:]))
    return " ".join(word for word in translated.split() if not _HANGUL.search(word))


@lru_cache(_CACHE_SIZE)
def _meanings(word: str, alone: bool) -> tuple[Meaning, ...]:
    """Meanings of a word in lower case; () if it is unknown. `alone`: it was written as one word."""
    known = _known()
    if len(word) > _MAX_LENGTH:
        return ()
    if not _HANGUL.search(word):
        forms = (word, word.removesuffix("s"), word.removesuffix("es"), re.sub("ies$", "y", word))
        return next(((known[form],) for form in forms if form in known), ())
    for end in range(len(word), 0, -1):
        meaning = known.get(word[:end]) if word[end:] in _ENDINGS else None
        # A single syllable with an ending is ambiguous: 면이 is “if”, not cotton.
        if meaning and (end > 1 or end == len(word) or meaning.colour):
            return (meaning,)
    if not alone:
        return ()
    for end in range(len(word), 1, -1):
        if word[end:] in _ENDINGS and (parts := _split_compound(word[:end])):
            return parts
    # Match the end of brand compounds (“게스청바지”), but not a word that only begins like a colour (블루종).
    for end in range(len(word), 2, -1):
        if word[end:] in _ENDINGS:
            for start in range(1, end - 1):
                meaning = _compound_part(word[start:end])
                if meaning and meaning.category:
                    return (meaning,)
    return ()


@lru_cache(_CACHE_SIZE)
def _split_compound(word: str) -> tuple[Meaning, ...]:
    """Split a compound into known words, longest first: 검정후드티. () if any part is unknown."""
    for end in range(len(word) - 1, 0, -1):
        head = _known().get(word[:end])
        if head is None or (end == 1 and not head.look):
            continue
        rest = word[end:]
        if last := _compound_part(rest):
            return head, last
        if tail := _split_compound(rest):
            return head, *tail
    return ()


def _compound_part(word: str) -> Meaning | None:
    return _known().get(word) if len(word) > 1 and word not in _ALONE else None


@cache
def _known() -> dict[str, Meaning]:
    """Meanings by word, in lower case without spaces and hyphens."""
    lists, korean = fashion_words(), korean_names()
    known: dict[str, Meaning] = {}
    for term, words in lists.looks.items():
        known |= dict.fromkeys(words, Meaning(look=True, english=_english(term)))
    for term, words in lists.others.items():
        known |= dict.fromkeys(words, Meaning(english=term))
    for colour, names in korean.colours.items():
        known |= {colour: Meaning(colour=colour)} | dict.fromkeys(
            names, Meaning(colour=colour, english=colour)
        )
        for term, words in lists.colours[colour].items():
            known |= dict.fromkeys(words, Meaning(colour=colour, english=_english(term)))
    for category, names in korean.categories.items():
        known |= dict.fromkeys((category, *lists.categories[category]), Meaning(category=category))
        known |= dict.fromkeys(names, Meaning(category=category, english=category))
        for term, words in lists.things[category].items():
            known.setdefault(re.sub("[ -]", "", term), Meaning(category=category))
            known |= dict.fromkeys(words, Meaning(category=category, english=term))
    return known


def _english(term: str) -> str | None:
    return None if term == UNCHANGED else term
