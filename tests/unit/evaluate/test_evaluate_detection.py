"""Scores of detections, on cases computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lookdex.evaluate.detection import PhotoScore, score_detections
from lookdex.evaluate.labelled_photos import Truth
from lookdex.records import Box, Detection


def truth(*objects: tuple[str, int, int, int, int], crowd: tuple[bool, ...] = ()) -> Truth:
    return Truth("photo.jpg", 400, 400, np.array([o[1:] for o in objects], np.float32).reshape(-1, 4),
                 tuple(o[0] for o in objects), crowd)  # fmt: skip


def detected(label: str, score: float, *corners: int) -> Detection:
    return Detection(label=label, score=score, box=Box(*corners))


def test_exact_detections_have_the_best_scores() -> None:
    photo = truth(("bag", 10, 10, 60, 60), ("shoes", 100, 100, 300, 300))
    score = score_detections(
        [photo], [[detected("bag", 0.9, 10, 10, 60, 60), detected("shoes", 0.6, 100, 100, 300, 300)]], 0.5
    )
    assert (score.ap, score.ap50, score.ap75) == pytest.approx((1.0, 1.0, 1.0))
    assert (score.found, score.wrong, score.objects, score.photos) == (1.0, 0.0, 2, 1)
    assert score.ap_by_size == {"small": None, "medium": pytest.approx(1.0), "large": pytest.approx(1.0)}


def test_a_loose_box_counts_at_half_but_not_at_three_quarters() -> None:
    score = score_detections([truth(("bag", 0, 0, 100, 100))], [[detected("bag", 0.9, 0, 0, 100, 60)]], 0.5)
    assert score.ap50 == pytest.approx(1.0)
    assert score.ap75 == 0.0
    assert score.ap == pytest.approx(0.3)  # IoU 0.6: right at 0.50, 0.55 and 0.60, of ten thresholds


def test_a_wrong_box_before_the_right_one_halves_precision() -> None:
    photos = [truth(("hat", 0, 0, 100, 100))]
    boxes = [[detected("hat", 0.9, 200, 200, 300, 300), detected("hat", 0.8, 0, 0, 100, 100)]]
    score = score_detections(photos, boxes, 0.85)
    assert score.ap50 == pytest.approx(0.5)
    assert (score.found, score.wrong) == (0.0, 1.0)
    assert score_detections(photos, boxes, 0.5).by_category["hat"].precision == 0.5


def test_a_second_detection_of_an_object_is_wrong() -> None:
    boxes = [detected("hat", 0.9, 0, 0, 100, 100), detected("hat", 0.8, 2, 2, 100, 100)]
    score = score_detections([truth(("hat", 0, 0, 100, 100))], [boxes], 0.5)
    assert (score.found, score.wrong) == (1.0, 1.0)


def test_detections_with_other_or_unknown_labels_are_wrong() -> None:
    boxes = [detected("bag", 0.9, 0, 0, 100, 100), detected("kettle", 0.9, 200, 200, 300, 300)]
    score = score_detections([truth(("hat", 0, 0, 100, 100))], [boxes], 0.5)
    assert (score.ap, score.found, score.wrong) == (0.0, 0.0, 2.0)


def test_a_crowd_is_not_an_object_and_detections_in_it_are_not_wrong() -> None:
    photo = truth(("shoes", 0, 0, 50, 50), ("shoes", 100, 100, 400, 400), crowd=(False, True))
    boxes = [detected("shoes", 0.9, 0, 0, 50, 50), detected("shoes", 0.8, 150, 150, 200, 200)]
    score = score_detections([photo], [boxes], 0.5)
    assert score.ap50 == pytest.approx(1.0)
    assert (score.objects, score.found, score.wrong) == (1, 1.0, 0.0)


def test_without_detections_the_scores_are_zero() -> None:
    score = score_detections([truth(("hat", 0, 0, 9, 9))], [[]], 0.5)
    assert (score.ap, score.found, score.by_category["hat"].ap50) == (0.0, 0.0, 0.0)


def test_without_objects_every_detection_is_wrong() -> None:
    score = score_detections([truth()], [[detected("hat", 0.9, 0, 0, 9, 9)]], 0.5)
    assert (score.ap, score.wrong, score.by_category) == (0.0, 1.0, {})


def test_ap_counts_all_detections_and_the_operating_point_only_those_shown() -> None:
    """A coat over a shirt: both are detected, but one of overlapping objects is shown."""
    photo = truth(("outerwear", 0, 0, 100, 200), ("top", 0, 0, 100, 180))
    coat, shirt = detected("outerwear", 0.9, 0, 0, 100, 200), detected("top", 0.6, 0, 0, 100, 180)
    score = score_detections([photo], [[coat, shirt]], 0.5, shown=[[coat]])
    assert score.ap50 == pytest.approx(1.0)
    assert (score.found, score.wrong) == (0.5, 0.0)
    assert score.by_photo == (PhotoScore((coat,), (True,), (True, False)),)
    np.testing.assert_allclose(score.by_category["top"].curve, 1.0)


def test_detections_are_shown_best_first() -> None:
    photo = truth(("outerwear", 0, 0, 100, 200), ("top", 0, 0, 100, 180))
    coat, shirt = detected("outerwear", 0.9, 0, 0, 100, 200), detected("top", 0.6, 0, 0, 100, 180)
    assert score_detections([photo], [[shirt, coat]], 0.5).by_photo[0].shown == (coat, shirt)
