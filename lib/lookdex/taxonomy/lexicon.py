"""The fashion words of a text, English and Korean, however they are spaced: the longest one wins. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from lookdex.taxonomy import fashion_words, korean

_JOINED = 3  # words, at most, that are one: "v neck sweater"
_LONGEST = 40  # characters of a word that is looked at
_REMEMBERED = 10_000  # words
_WORD = re.compile(r"[^\W\d_]+")
_GAP = re.compile(r"[\s'’-]*")
_HANGUL = re.compile("[가-힣]")
# What may follow a Korean word within the same word: “of a colour”, “in”, “the”, “and”, “for”.
_ENDINGS = frozenset((
    "", "색", "빛", "색상", "계열", "컬러", "톤", "색으로", "으로", "로", "인", "의", "색의", "이", "가", "은", "는",
    "을", "를", "도", "만", "에", "와", "과", "랑", "이랑", "하고", "용", "류", "들",
))  # fmt: skip
# Other words end in these (“of the world”, “a bib”): they count only where they stand alone.
_ALONE = frozenset(("상의", "하의", "타이", "라이더", "하늘", "첼시", "마룬", "누드", "로즈", "수트", "기본"))


@dataclass(frozen=True, slots=True)
class Meaning:
    """category, colour: in lookdex's own words, or None. look: it tells of a thing in another way.

    told: what an embedder is told in its place; None for the word as it stands.
    """

    category: str | None = None
    colour: str | None = None
    look: bool = False
    told: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A word of a text, from character `start` up to `end`, exclusive."""

    start: int
    end: int
    meaning: Meaning


def find(text: str) -> list[Found]:
    """The known words of a text, in its order; none overlap."""
    words = [(m.start(), m.end()) for m in _WORD.finditer(text)]
    found: list[Found] = []
    at = 0
    while at < len(words):
        for last in range(min(at + _JOINED, len(words)) - 1, at - 1, -1):
            between = zip(words[at:last], words[at + 1 : last + 1], strict=True)
            if not all(_GAP.fullmatch(text, left[1], right[0]) for left, right in between):
                continue
            start, end = words[at][0], words[last][1]
            joined = "".join(text[a:b] for a, b in words[at : last + 1]).lower()
            if meanings := _meanings(joined, alone=last == at):
                found += [Found(start, end, meaning) for meaning in meanings]
                at = last
                break
        at += 1
    return found


def in_english(text: str) -> str:
    """The text in words that an embedder is likely to know; as it is where it has none that are told in another way.

    Of a Korean text, what is not known is left out: small text towers take it for something, too.

    >>> in_english("빨간 스니커즈"), in_english("귀여운 후드 티"), in_english("Red trainers, please!")
    ('red sneakers', 'hoodie', 'Red sneakers, please!')
    """
    spans: dict[tuple[int, int], list[str]] = {}
    for found in find(text):
        if found.meaning.told is not None:
            spans.setdefault((found.start, found.end), []).append(found.meaning.told)
    if not spans:
        return text
    parts, at = [], 0
    for (start, end), told in spans.items():
        parts += [text[at:start], " ".join(told)]
        at = end
    told_all = "".join((*parts, text[at:]))
    return " ".join(word for word in told_all.split() if not _HANGUL.search(word))


@lru_cache(_REMEMBERED)
def _meanings(word: str, alone: bool) -> tuple[Meaning, ...]:
    """Of a word in lower case; () for one that is not known. alone: it was written as one word."""
    known = _known()
    if len(word) > _LONGEST:
        return ()
    if not _HANGUL.search(word):
        forms = (word, word.removesuffix("s"), word.removesuffix("es"), re.sub("ies$", "y", word))
        return next(((known[form],) for form in forms if form in known), ())
    for end in range(len(word), 0, -1):
        one = known.get(word[:end]) if word[end:] in _ENDINGS else None
        if one and (end > 1 or end == len(word) or one.colour):  # 면이 is “if”, not cotton
            return (one,)
    if not alone:
        return ()
    for end in range(len(word), 1, -1):
        if word[end:] in _ENDINGS and (parts := _parted(word[:end])):
            return parts
    # Of “게스청바지” the end is known; of a word that only begins like a colour (블루종) nothing is.
    for end in range(len(word), 2, -1):
        if word[end:] in _ENDINGS:
            for start in range(1, end - 1):
                one = _part(word[start:end])
                if one and one.category:
                    return (one,)
    return ()


@lru_cache(_REMEMBERED)
def _parted(word: str) -> tuple[Meaning, ...]:
    """A word as several known ones, the longest first: 검정후드티. () where something is left."""
    for end in range(len(word) - 1, 0, -1):
        head = _known().get(word[:end])
        if head is None or (end == 1 and not head.look):
            continue
        rest = word[end:]
        if last := _part(rest):
            return head, last
        if tail := _parted(rest):
            return head, *tail
    return ()


def _part(word: str) -> Meaning | None:
    return _known().get(word) if len(word) > 1 and word not in _ALONE else None


@cache
def _known() -> dict[str, Meaning]:
    """Each known word in lower case, without spaces and hyphens."""
    known = {word: Meaning(look=True) for word in fashion_words.ENGLISH_LOOKS.split()}
    for told, words in fashion_words.LOOKS.items():
        known |= dict.fromkeys(words.split(), Meaning(look=True, told=told))
    for told, words in fashion_words.OTHERS.items():
        known |= dict.fromkeys(words.split(), Meaning(told=told))
    for name, shown in korean.COLOURS.items():
        known |= {name: Meaning(colour=name)} | dict.fromkeys(shown, Meaning(colour=name, told=name))
        for told, words in fashion_words.COLOURS[name].items():
            known |= dict.fromkeys(words.split(), Meaning(colour=name, told=told or None))
    for name, shown in korean.CATEGORIES.items():
        known |= dict.fromkeys((name, *fashion_words.CATEGORIES[name].split()), Meaning(category=name))
        known |= dict.fromkeys(shown, Meaning(category=name, told=name))
        for told, words in fashion_words.THINGS[name].items():
            known.setdefault(re.sub("[ -]", "", told), Meaning(category=name))
            known |= dict.fromkeys(words.split(), Meaning(category=name, told=told))
    return known
