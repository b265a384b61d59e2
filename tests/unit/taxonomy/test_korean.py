"""Korean names cover every category and colour, and none is ambiguous."""

from __future__ import annotations

from itertools import chain

from lookdex.imaging import colour
from lookdex.taxonomy import korean
from lookdex.taxonomy.categories import CATEGORIES, find_category
from lookdex.taxonomy.word_lists import korean_names


def test_every_category_and_colour_has_a_name() -> None:
    assert tuple(korean_names().categories) == CATEGORIES
    assert tuple(korean_names().colours) == colour.NAMES


def test_a_colour_is_shown_by_its_first_name() -> None:
    assert [korean.colour_name(name) for name in ("red", "chartreuse", None)] == ["빨간색", None, None]


def test_no_name_is_ambiguous() -> None:
    words = [*chain(*korean_names().categories.values()), *chain(*korean_names().colours.values())]
    assert len(words) == len(set(words))


def test_korean_names_of_categories_are_understood() -> None:
    for name, words in korean_names().categories.items():
        for word in words:
            assert find_category(f"여성 > {word}") == name


def test_korean_captions_fit_the_context_of_the_text_tower() -> None:
    import open_clip

    from lookdex_tiny.embedder import CONTEXT
    from lookdex_tiny.pairs import caption_in_korean

    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    assert "빨간 원피스" in caption_in_korean("red", "dress")
    assert caption_in_korean("gold", "jewelry") == []
    captions = [
        text
        for colour_name in korean_names().colours
        for category in CATEGORIES
        for text in caption_in_korean(colour_name, category)
    ]
    assert max(len(tokenizer.encode(text)) for text in captions) <= CONTEXT - 2
