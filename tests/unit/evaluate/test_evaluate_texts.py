"""Zero-shot classes and text queries, on vectors with obvious answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.errors import ConfigError
from lookdex.evaluate import texts, zero_shot
from lookdex.evaluate.texts import Language, TextQuery
from tests.fakes import FakeEmbedder

AXES = np.eye(3, dtype=np.float32)


def test_zero_shot_scores_computed_by_hand() -> None:
    # Two cats, one classified as a dog; a dog; no bird.
    score = zero_shot.classify(AXES[[0, 1, 1]], ["cat", "cat", "dog"], AXES, ["cat", "dog", "bird"])
    assert score.accuracy == pytest.approx(2 / 3)
    assert score.balanced == pytest.approx(0.75)
    assert score.counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert score.by_class == {
        "cat": zero_shot.ClassScore(0.5, 1.0, 2),
        "dog": zero_shot.ClassScore(1.0, 0.5, 1),
    }
    assert score.confused == [("cat", "dog", 1)]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_every_photo_is_counted_once(pairs: list[tuple[int, int]]) -> None:
    names = ["a", "b", "c"]
    truth, predicted = zip(*pairs, strict=True)
    score = zero_shot.classify(AXES[list(predicted)], [names[i] for i in truth], AXES, names)
    assert score.counts.sum() == len(pairs)
    assert score.accuracy == pytest.approx(np.mean([a == b for a, b in pairs]))
    assert sum(n for _, _, n in score.confused) == sum(a != b for a, b in pairs)


def test_the_vector_of_a_class_is_the_mean_of_its_texts() -> None:
    embedder = FakeEmbedder()
    both = zero_shot.class_vectors(embedder, {"warm": ["red", "yellow"], "cold": ["blue"]}, ["{}"])
    mean = embedder.embed_texts(["red", "yellow"]).mean(axis=0)
    np.testing.assert_allclose(both[0], mean / np.linalg.norm(mean), rtol=1e-6)
    np.testing.assert_allclose(both[1], embedder.embed_texts(["blue"])[0], rtol=1e-6)


def test_a_template_must_have_a_place_for_the_name() -> None:
    with pytest.raises(ConfigError, match=r"needs \{\} where the name goes"):
        zero_shot.class_vectors(FakeEmbedder(), {"warm": ["red"]}, ["a photo"])


ROWS = [
    {"colour": "red", "category": "dress"},
    {"colour": "red", "category": "dress"},
    {"colour": "blue", "category": "Sneakers"},
    {"colour": "mauve", "category": "dress"},
    {"colour": "", "category": "dress"},
]


def test_english_queries_are_generated_from_columns() -> None:
    english, nameless = texts.generate_queries(ROWS, ["colour", "category"], Language.EN)
    assert [q.text for q in english] == ["red dress", "blue Sneakers", "mauve dress"]
    assert english[0].wanted == (("colour", "red"), ("category", "dress"))
    assert nameless == []


def test_korean_queries_are_generated_for_values_with_korean_names() -> None:
    korean, nameless = texts.generate_queries(ROWS, ["colour", "category"], Language.KO)
    assert [q.text for q in korean] == ["빨간색 원피스", "파란색 신발"]
    assert nameless == ["mauve"]


def test_a_query_of_a_table_wants_the_values_of_its_row() -> None:
    rows = [{"text": "red", "colour": "red", "category": ""}]
    assert texts.read_queries(rows, ["colour", "category"]) == [TextQuery("red", (("colour", "red"),))]


def test_a_query_of_a_table_must_want_something() -> None:
    with pytest.raises(ConfigError, match="at least one value"):
        texts.read_queries([{"text": "red", "colour": ""}], ["colour"])


def test_precision_computed_by_hand() -> None:
    rows = [{"colour": "red"}, {"colour": "blue"}, {"colour": "red"}]
    vectors = np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
    red, blue = TextQuery("red", (("colour", "red"),)), TextQuery("blue", (("colour", "blue"),))
    score = texts.score_texts(2, [red, blue], np.array([[1, 0], [0, 1]], np.float32), rows, vectors)
    assert score.precision == 0.5  # the second match is blue
    assert [(one.query, one.right) for one in score.queries] == [(red, 2)]
    assert score.short == (blue,)  # there are fewer than two blue items
