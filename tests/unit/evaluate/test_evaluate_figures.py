"""What the figures of an evaluation show."""

from __future__ import annotations

import numpy as np

from lookdex.evaluate.detection import PhotoScore
from lookdex.evaluate.figures import canvas, confusion, worst_answers, worst_photos
from lookdex.evaluate.labelled_photos import Truth
from lookdex.evaluate.lanes import Lane, LaneResult, Outcome, QueryObject
from lookdex.records import Box, Detection

CONFUSED = [("a", "a", 5), ("a", "b", 2), ("c", "c", 9), ("d", "c", 1)]  # label, predicted label, photos


def test_a_confusion_matrix_lists_labels_by_their_number_of_photos() -> None:
    names, counts = confusion.confusion_matrix(CONFUSED)
    assert names == ["c", "a", "d", "b"]
    assert counts.tolist() == [[9, 0, 0, 0], [0, 5, 0, 2], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_a_small_confusion_matrix_has_the_most_confused_labels_and_the_others_together() -> None:
    names, counts = confusion.confusion_matrix(CONFUSED, limit=3)
    assert names == ["a", "b", confusion.OTHERS]
    assert counts.tolist() == [[5, 2, 0], [0, 0, 0], [0, 0, 10]]


def test_a_confusion_matrix_is_drawn_wide_enough_for_its_title() -> None:
    assert confusion.draw(CONFUSED, "title").width >= 760


def test_boxes_are_coloured_by_whether_they_were_found() -> None:
    truth = Truth(
        "a.jpg", 9, 9, np.array([[0, 0, 5, 5], [1, 1, 9, 9]], np.float32), ("bag", "hat"), (False, True)
    )
    score = PhotoScore((Detection(Box(0, 0, 5, 5), "bag", 0.5),), (True,), (True, False))
    marks = worst_photos.true_marks(truth, score)  # without the crowd
    assert [(m.name, m.colour) for m in marks] == [("bag", canvas.RIGHT)]
    assert [(m.name, m.colour) for m in worst_photos.found_marks(score)] == [("bag 0.50", canvas.FOUND)]


def test_the_worst_answers_are_those_with_the_widest_gap_to_the_right_product() -> None:
    def outcome(name: str, rank: int | None, right: float | None, wrong: float) -> Outcome:
        return Outcome(QueryObject(name, "p", "bag"), {Lane.DETECTED: LaneResult(None, rank, right, wrong)})

    outcomes = [
        outcome("close", 2, 0.8, 0.81), outcome("right", 1, 0.9, 0.8), outcome("far", 3, 0.2, 0.9),
        outcome("absent", None, None, 0.5), Outcome(QueryObject("unseen", "p", "bag"), {}),
    ]  # fmt: skip
    assert [one.asked.image for one in worst_answers.find_worst(outcomes)] == ["absent", "far", "close"]
