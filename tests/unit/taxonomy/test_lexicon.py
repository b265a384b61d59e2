"""Fashion words in English and Korean, in any case and spacing. The longest word wins."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.imaging.colour import NAMES
from lookdex.taxonomy import lexicon, query_words
from lookdex.taxonomy.categories import CATEGORIES, find_category
from lookdex.taxonomy.query_words import Words
from lookdex.taxonomy.word_lists import UNCHANGED, fashion_words, korean_names

# A word, its category or colour, and its English term.
THINGS = [
    (word, category, english)
    for category, terms in fashion_words().things.items()
    for english, words in terms.items()
    for word in words
]
COLOURS = [
    (word, name, "" if english == UNCHANGED else english)
    for name, terms in fashion_words().colours.items()
    for english, words in terms.items()
    for word in words
]
LOOKS = [word for term, words in fashion_words().looks.items() if term != UNCHANGED for word in words]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("후드티", Words("top", None, "hoodie")),
        ("스니커즈", Words("shoes", None, "sneakers")),
        ("빨간 스니커즈", Words("shoes", "red", "red sneakers")),
        ("검정후드티", Words("top", "black", "black hoodie")),
        ("하늘색 셔츠", Words("top", "blue", "sky blue shirt")),
        ("베이지색트렌치코트", Words("outerwear", "beige", "beige trench coat")),
        ("카키 바지", Words("pants", "green", "olive pants")),
        ("미니스커트", Words("skirt", None, "mini skirt")),
        ("숄더백", Words("bag", None, "shoulder bag")),
        ("부츠컷", Words("pants", None, "bootcut trousers")),
        ("부츠 컷 청바지", Words("pants", None, "bootcut jeans")),
        ("청자켓", Words("outerwear", None, "denim jacket")),
        ("셔츠 원피스", Words("dress", None, "shirt dress")),
        ("니트", Words("top", None, "sweater")),
        ("니트 원피스", Words("dress", None, "sweater dress")),
        ("니트 조끼", Words("top", None, "vest")),
        ("체크무늬 치마를", Words("skirt", None, "tartan skirt")),
        ("레드벨벳스커트", Words("skirt", "red", "red velvet skirt")),
        ("롱가디건", Words("top", None, "long cardigan")),
        ("A라인 스커트", Words("skirt", None, "a-line skirt")),
        ("게스청바지", Words("pants", None, "jeans")),
        ("하늘하늘한 원피스", Words("dress", None, "dress")),
        ("세상의 모든", Words(None, None, "세상의 모든")),
        ("수영복", Words(None, None, "swimsuit")),
        ("골드 목걸이", Words("jewelry", "yellow", "gold necklace")),
        ("puffer", Words("outerwear", None, "puffer jacket")),
        ("puffer jackets", Words("outerwear", None, "puffer jackets")),
        ("off-white tank top", Words("top", "white", "off-white tank top")),
        ("khaki shorts", Words("shorts", "beige", "khaki shorts")),
        ("Navy blue trainers", Words("shoes", "navy", "navy sneakers")),
        ("maroon boots", Words("shoes", "red", "burgundy boots")),
        ("bag with a belt", Words("bag", None, "bag belt")),
        ("with sleeves, a dress", Words("dress", None, "sleeves dress")),
        ("hood, part", Words(None, None, "hood part")),  # not "hoody" and not "party"
        ("Bags > Belts", Words("belt", None, "Bags Belts")),
    ],
)
def test_the_category_colour_and_essence_of_what_shoppers_type(text: str, words: Words) -> None:
    assert query_words.parse(text) == words


def test_word_lists_are_complete_and_unambiguous() -> None:
    assert tuple(fashion_words().categories) == tuple(fashion_words().things) == CATEGORIES
    assert tuple(fashion_words().colours) == NAMES
    english = [word for words in fashion_words().categories.values() for word in words]
    others = [word for words in fashion_words().others.values() for word in words]
    known = [*english, *others, *LOOKS, *(word for word, *_ in (*THINGS, *COLOURS))]
    assert [word for word, times in Counter(known).items() if times > 1] == []


@given(st.sampled_from(THINGS), st.data())
def test_a_thing_is_known_in_any_case_and_spacing(thing: tuple[str, str, str], data: st.DataObject) -> None:
    word, category, english = thing
    cut = data.draw(st.integers(1, len(word)))
    gap = data.draw(st.sampled_from([" ", "-", "  "])) if cut < len(word) else ""
    spaced = word[:cut] + gap + word[cut:]
    written = data.draw(st.sampled_from([str.upper, str.title, str.lower]))(spaced)
    assert find_category(written) == category
    assert lexicon.translate(written) == english
    assert query_words.is_descriptive(written)


@given(st.sampled_from(COLOURS), st.sampled_from(THINGS))
def test_a_colour_before_a_thing_is_known(colour: tuple[str, str, str], thing: tuple[str, str, str]) -> None:
    text = f"{colour[0]} {thing[0]}"
    read = query_words.parse(text)
    assert (read.category, read.colour) == (thing[1], colour[1])
    assert lexicon.translate(text) == f"{colour[2] or colour[0]} {thing[2]}"


@given(st.sampled_from([*THINGS, *COLOURS]))
def test_a_word_and_its_english_term_mean_the_same(entry: tuple[str, str, str]) -> None:
    word, _, english = entry
    assert lexicon.translate(english) == english
    assert english == "" or query_words.parse(english) == query_words.parse(word)


@pytest.mark.parametrize("ending", ["", "색", "색으로", "의", "계열"])
def test_a_korean_colour_is_known_with_any_ending(ending: str) -> None:
    for name, words in korean_names().colours.items():
        for word in words:
            if not (ending.startswith("색") and word.endswith("색")):
                assert query_words.parse(f"{word}{ending} 원피스").colour == name


@given(st.text(max_size=30) | st.text("빨간색검정하늘롱티 -aA", max_size=60))
def test_found_words_are_ordered_and_disjoint(text: str) -> None:
    found = lexicon.find(text)
    assert all(0 <= word.start < word.end <= len(text) for word in found)
    assert all(word.end <= following.start for word, following in pairwise(found))
    assert lexicon.translate(text) == text or any(word.meaning.english for word in found)


def test_nothing_is_looked_for_in_a_very_long_word() -> None:
    assert lexicon.find("빨간" * 50_000) == []
