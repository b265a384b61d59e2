"""What a text names, in English and Korean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex import colour, korean
from lookdex.search import words
from lookdex.search.words import Words


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("this, but in red", Words(None, "red", "red")),
        ("Gray coat, please!", Words("outerwear", "grey", "Gray coat")),
        ("빨간색 원피스", Words("dress", "red", "빨간색 원피스")),
        ("이거 남색으로", Words(None, "navy", "이거 남색으로")),
        ("블루종", Words(None, None, "블루종")),  # a blouson is not blue
        ("black and white shoes", Words("shoes", None, "black white shoes")),
        ("striped shirt-dress", Words("dress", None, "striped shirt-dress")),
        ("the same", Words(None, None, "the same")),
        ("!?", Words(None, None, "!?")),
        ("redder", Words(None, None, "redder")),
    ],
)
def test_what_is_named(text: str, named: Words) -> None:
    assert words.read(text) == named


def test_every_colour_is_known_in_both_languages() -> None:
    for name in colour.NAMES:
        for word in (name, name.upper(), *korean.COLOURS[name]):
            assert words.read(f"this in {word}").colour == name


@given(st.text(max_size=60))
def test_any_text_is_read(text: str) -> None:
    found = words.read(text)
    assert found.colour is None or found.colour in colour.NAMES
    assert found.essence or not text.strip()
