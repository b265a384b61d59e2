"""Contents of the figures, before they are drawn."""

from __future__ import annotations

import numpy as np

from lookdex.evaluate.detection import PhotoScore
from lookdex.evaluate.figures import canvas, confusion, worst_answers, worst_photos
from lookdex.evaluate.lanes import Lane, LaneResult, Outcome, QueryObject
from lookdex.evaluate.records import Truth
from lookdex.records import Box, Detection


def test_a_matrix_counts_every_photo_and_gathers_the_rest() -> None:
    taken = [("a", "a", 5), ("a", "b", 2), ("c", "c", 9), ("d", "c", 1)]
    names, counts = confusion.confusion_matrix(taken)
    assert names == ["c", "a", "d", "b"]  # by their photos
    assert counts.tolist() == [[9, 0, 0, 0], [0, 5, 0, 2], [1, 0, 0, 0], [0, 0, 0, 0]]
    names, counts = confusion.confusion_matrix(taken, limit=3)
    assert names == ["a", "b", confusion.OTHERS]  # the worst pair; the others together
    assert counts.tolist() == [[5, 2, 0], [0, 0, 0], [0, 0, 10]]
    assert confusion.draw(taken, "title").width >= 760


def test_boxes_are_marked_by_how_they_ended() -> None:
    truth = Truth(
        "a.jpg", 9, 9, np.array([[0, 0, 5, 5], [1, 1, 9, 9]], np.float32), ("bag", "hat"), (False, True)
    )
    score = PhotoScore((Detection(Box(0, 0, 5, 5), "bag", 0.5),), (True,), (True, False))
    assert [(m.name, m.colour) for m in worst_photos.true_marks(truth, score)] == [
        ("bag", canvas.RIGHT)
    ]  # no heaps
    assert [(m.name, m.colour) for m in worst_photos.found_marks(score)] == [("bag 0.50", canvas.FOUND)]


def test_the_worst_answers_are_the_widest_off() -> None:
    def outcome(name: str, rank: int | None, right: float | None, wrong: float) -> Outcome:
        return Outcome(QueryObject(name, "p", "bag"), {Lane.DETECTED: LaneResult(None, rank, right, wrong)})

    told = [
        outcome("close", 2, 0.8, 0.81), outcome("right", 1, 0.9, 0.8), outcome("far", 3, 0.2, 0.9),
        outcome("absent", None, None, 0.5), Outcome(QueryObject("unseen", "p", "bag"), {}),
    ]  # fmt: skip
    assert [one.asked.image for one in worst_answers.worst(told)] == ["absent", "far", "close"]
