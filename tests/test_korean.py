"""Korean names cover every category and colour, and none means two things."""

from __future__ import annotations

from itertools import chain

from lookdex import colour, korean
from lookdex.categories import category_of
from lookdex.records import CATEGORIES


def test_everything_has_a_name() -> None:
    assert tuple(korean.CATEGORIES) == CATEGORIES
    assert tuple(korean.COLOURS) == colour.NAMES


def test_no_word_means_two_things() -> None:
    words = [*chain(*korean.CATEGORIES.values()), *chain(*korean.COLOURS.values())]
    assert len(words) == len(set(words))


def test_a_shop_s_korean_category_is_understood() -> None:
    for name, words in korean.CATEGORIES.items():
        for word in words:
            assert category_of(f"여성 > {word}") == name
