"""Parsing of query texts in English and Korean."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.imaging import colour
from lookdex.search.engine import vocabulary
from lookdex.taxonomy import query_words
from lookdex.taxonomy.query_words import Words
from lookdex.taxonomy.word_lists import korean_names


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("this, but in red", Words(None, "red", "red")),
        ("Gray coat, please!", Words("outerwear", "grey", "Gray coat")),
        ("빨간색 원피스", Words("dress", "red", "red dress")),
        ("이거 남색으로", Words(None, "navy", "navy")),
        ("블루종", Words("outerwear", None, "bomber jacket")),  # a blouson is not blue
        ("블루베리", Words(None, None, "블루베리")),
        ("navy blue", Words(None, "navy", "navy")),
        ("Dress with a belt", Words("dress", None, "Dress belt")),
        ("귀여운 trainers", Words("shoes", None, "sneakers")),
        ("black and white shoes", Words("shoes", None, "black white shoes")),
        ("striped shirt-dress", Words("dress", None, "striped shirt dress")),
        ("the same", Words(None, None, "the same")),
        ("!?", Words(None, None, "!?")),
        ("redder", Words(None, None, "redder")),
    ],
)
def test_the_category_colour_and_essence_of_a_text(text: str, words: Words) -> None:
    assert query_words.parse(text) == words


def test_every_colour_is_known_in_both_languages() -> None:
    for name in colour.NAMES:
        for word in (name, name.upper(), *korean_names().colours[name]):
            assert query_words.parse(f"this in {word}").colour == name


@given(st.text(max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    found = query_words.parse(text)
    assert found.colour is None or found.colour in colour.NAMES
    assert found.essence or not text.strip()


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("asdfgh qwerty", False),
        ("this one, please", False),
        ("!?", False),
        ("polka-dot", True),
        ("something in red and blue", True),
        ("빨간색으로", True),
        ("여름 여행", True),
        ("뷁", False),
        ("summer", True),
    ],
)
def test_a_text_is_telling_if_it_has_a_known_word(text: str, known: bool) -> None:
    assert query_words.is_descriptive(text) == known


LETTERS = st.characters(codec="ascii") | st.sampled_from("가나빨간색으로코트")


@settings(deadline=None)
@given(st.text(LETTERS, max_size=40))
def test_the_pattern_of_a_text_matches_the_text(text: str) -> None:
    pattern = vocabulary.build_pattern(text)
    assert bool(pattern) == bool(query_words.descriptive_words(text))
    if pattern:
        matched = pc.match_substring_regex(pa.array([text, ""]), pattern, ignore_case=True)
        assert matched.to_pylist() == [True, False]


@pytest.mark.parametrize(
    ("text", "title", "found"),
    [
        ("watches", "Gold Watch", True),
        ("watch", "Watches", True),
        ("glasses", "a glass", True),
        ("blouses", "Blouse", True),
        ("blouse", "Blouses", True),
        ("ties", "Tie", True),
        ("dress", "Dresses", True),
        ("yes", "yep", False),
        ("watches", "wat", False),
        ("coats", "coated", False),
    ],
)
def test_the_pattern_of_a_text_matches_singular_and_plural(text: str, title: str, found: bool) -> None:
    pattern = vocabulary.build_pattern(text)
    assert pc.match_substring_regex(pa.array([title]), pattern, ignore_case=True).to_pylist() == [found]
