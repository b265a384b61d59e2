"""Answers a question: decode, detect, crop, embed, search, fetch.

The models run in `detect` and `Embedding` only, so that the given detector and embedder may batch the calls of several
questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lookdex.errors import BadQuery, ReleaseChanged
from lookdex.records import Detection, Scope
from lookdex.runtime import deadline
from lookdex.runtime.stopwatch import Stopwatch
from lookdex.search.answer.answer import Answer, Models
from lookdex.search.answer.kinds import LaneKind
from lookdex.search.answer.lanes import FoundObject
from lookdex.search.answer.look import Look
from lookdex.search.engine import looks, question, vocabulary
from lookdex.search.engine.embedding import Embedding
from lookdex.search.engine.encoders import Encoders
from lookdex.search.engine.photo import Photo, PhotoLimits, read_photo
from lookdex.search.engine.question import QuestionLane
from lookdex.search.query.options import MAX_PHOTOS, TEXT_WEIGHT, Options, Pick
from lookdex.search.retrieval import pages
from lookdex.search.retrieval.nearest import search_lanes
from lookdex.search.retrieval.open_release import OpenRelease
from lookdex.search.retrieval.product_columns import Order
from lookdex.taxonomy.categories import CATEGORIES

if TYPE_CHECKING:
    from lookdex.models.detect import Detector


@dataclass(frozen=True, slots=True)
class _TableOptions:
    """The options about columns, checked against the release. where: SQL. facets: the columns to count."""

    where: str | None
    order: Order | None
    facets: tuple[str, ...] | None

    @classmethod
    def of(cls, release: OpenRelease, options: Options) -> _TableOptions:
        """Raises BadQuery; ReleaseChanged where the question asks for another release."""
        answering = release.record.release_id
        if options.release not in (None, answering):
            raise ReleaseChanged(
                f"the question asks for release {options.release!r}, but {answering!r} answers now, in which products "
                "may rank differently: ask for the first page again, without offset and release"
            )
        return cls(
            release.compiled(options.where), release.order(options.sort), release.facet_names(options.facets)
        )


def answer(
    release: OpenRelease,
    encoders: Encoders,
    photos: Sequence[Photo],
    options: Options,
    scope: Scope = Scope.OBJECT,
) -> Answer:
    """Answer a question of photos, a text or a product. scope: of the rows that a text alone searches.

    Raises BadQuery; for a wrong filter before any model runs.
    """
    stopwatch = Stopwatch(deadline.check)
    columns = _TableOptions.of(release, options)
    embedding = Embedding(encoders)
    lanes, (width, height) = question_lanes(release, encoders, photos, options, stopwatch, embedding)
    if lanes[0].kind is LaneKind.TEXT:
        lanes = [replace(lane, scope=scope) for lane in lanes]
    if options.text is not None:
        understood = vocabulary.understood(release.rows, options.text)
        lanes = [replace(lane, understood=understood) if lane.text else lane for lane in lanes]
    found, vectors = _search(release, embedding, lanes, options, columns, stopwatch)
    objects = [lane for lane in found if lane.kind is not LaneKind.WORN]
    goes_with = tuple(found[len(objects) :])
    whole = objects.pop() if objects[-1].kind is LaneKind.IMAGE else None
    answer = replace(_answer(release, tuple(objects), whole), width=width, height=height, goes_with=goes_with)
    several = sum(lane.kind is LaneKind.OBJECT for lane in objects) > 1
    if options.look and several and not options.offset:  # the best products are on the first page
        answer = replace(answer, look=_look(release, objects, vectors, options, columns.where, stopwatch))
    return _completed(answer, release, options, columns, stopwatch)


def question_lanes(
    release: OpenRelease,
    encoders: Encoders,
    photos: Sequence[Photo],
    options: Options,
    stopwatch: Stopwatch,
    embedding: Embedding,
) -> tuple[list[QuestionLane], tuple[int | None, int | None]]:
    """The lanes in the order of the answer (objects, whole photo, what goes with a product), and a single photo's size.

    Runs the detector, and starts to embed a single photo's pictures as soon as they are known. size: (width, height).
    Raises BadQuery, ProductNotFound.
    """
    check_question(photos, options)
    if not photos:
        if options.product is None:
            return [question.of_text(options.text or "")], (None, None)
        lanes = [question.of_product(release, options)]
        lanes += question.of_worn(release, options) if options.goes_with else []
        stopwatch.lap("fetch")
        return lanes, (None, None)
    recipe = release.record.recipe
    picks = question.picks_of(options, len(photos))
    for pick in picks:
        if pick.label is not None:
            _check_label(release, pick.label)
    pixels = [read_photo(photo, PhotoLimits.of(recipe)) for photo in photos]
    stopwatch.lap("decode")
    if len(pixels) == 1 and question.with_whole(options):
        embedding.start(pixels)
    detections = detect(pixels, picks, encoders)
    stopwatch.lap("detect")
    if len(pixels) > 1:
        lanes = [question.of_photos(pixels, picks, detections, recipe, options)]
        stopwatch.lap("crop")
        return lanes, (None, None)
    lanes = question.of_photo(pixels[0], picks[0], detections[0], recipe, options, embedding.start)
    stopwatch.lap("crop")
    return lanes, (pixels[0].shape[1], pixels[0].shape[0])


def answer_vector(release: OpenRelease, vector: np.ndarray, scope: Scope, options: Options) -> Answer:
    """Answer a question of a vector (dim,) of unit length. Raises BadQuery."""
    _check_without_photo(options)
    _check_without_colour(options)
    stopwatch = Stopwatch(deadline.check)
    columns = _TableOptions.of(release, options)
    lane = QuestionLane(LaneKind.VECTOR, scope)
    query = question.query_of(lane, vector, None, release.record.thresholds, options)
    (found,) = search_lanes(release, [query], options, columns.where, columns.order, stopwatch)
    answer = _answer(release, (question.answered(lane, query, found, options),), None)
    return _completed(answer, release, options, columns, stopwatch)


def detect(
    pixels: Sequence[np.ndarray], picks: Sequence[Pick], encoders: Encoders
) -> list[Sequence[Detection]]:
    """The objects of each photo, best score first; () where the pick is a box."""
    needed = [n for n, pick in enumerate(picks) if question.needs_detector(pick)]
    detections: list[Sequence[Detection]] = [()] * len(pixels)
    if needed:
        detector: Detector = encoders.detector()
        for n, found in zip(needed, detector.detect([pixels[n] for n in needed]), strict=True):
            detections[n] = found
    return detections


def check_question(photos: Sequence[Photo], options: Options) -> None:
    """Raises BadQuery when the photos and the options contradict each other."""
    if len(photos) > MAX_PHOTOS:
        raise BadQuery(f"{len(photos)} photos are given: at most {MAX_PHOTOS} photos of one item are allowed")
    if photos and options.product is not None:
        raise BadQuery("a photo and a product are given: ask with one of them")
    if photos:
        return
    _check_without_photo(options)
    if options.product is not None:
        return
    if options.text is None:
        raise BadQuery("the question is empty: give a photo, a text or a product")
    if options.text_weight != TEXT_WEIGHT:
        raise BadQuery(
            "text_weight is the weight of a text beside a photo or a product: give one, or leave it out"
        )
    _check_without_colour(options)


def _check_without_photo(options: Options) -> None:
    if options.pick != Pick() or options.picks:
        raise BadQuery("object, box and picks choose a part of a photo: give the photo")
    if options.look_photos:
        raise BadQuery("look_photos finds photos like the look of a photo: give the photo")


def _check_without_colour(options: Options) -> None:
    if options.colour:
        raise BadQuery("colour compares the colours of a photo or a product: give one, or leave it out")


def _check_label(release: OpenRelease, label: str) -> None:
    """Raises BadQuery for a label that is neither a category nor in the release."""
    if label not in CATEGORIES and not release.rows.ids(release.within(label), limit=1):
        raise BadQuery(
            f"release {release.record.release_id} has no {label!r}: label is one of {', '.join(CATEGORIES)}, "
            "or the label of an object in an answer"
        )


def _search(
    release: OpenRelease,
    embedding: Embedding,
    lanes: Sequence[QuestionLane],
    options: Options,
    columns: _TableOptions,
    stopwatch: Stopwatch,
) -> tuple[list[FoundObject], np.ndarray]:
    """The lanes with their matches, and their vectors (n, dim)."""
    vectors, text = embedding.vectors(lanes, options.text_weight)
    stopwatch.lap("embed")
    thresholds = release.record.thresholds
    queries = [
        question.query_of(lane, vector, text if lane.text else None, thresholds, options)
        for lane, vector in zip(lanes, vectors, strict=True)
    ]
    matches = search_lanes(release, queries, options, columns.where, columns.order, stopwatch)
    found = [
        question.answered(lane, query, own, options)
        for lane, query, own in zip(lanes, queries, matches, strict=True)
    ]
    return found, vectors


def _look(
    release: OpenRelease,
    objects: Sequence[FoundObject],
    vectors: np.ndarray,
    options: Options,
    where: str | None,
    stopwatch: Stopwatch,
) -> Look:
    """vectors: (n, dim), of the objects, then of the whole photo."""
    look = looks.put_together(objects, release.record.product_columns)
    if options.look_photos:
        count = len(objects)
        outfit = looks.Outfit(tuple(lane.label for lane in objects), vectors[:count], vectors[count])
        look = replace(look, photos=looks.photos(release, outfit, options, where))
        stopwatch.lap("look")
    return look


def _answer(release: OpenRelease, objects: tuple[FoundObject, ...], whole: FoundObject | None) -> Answer:
    record = release.record
    return Answer(
        release_id=record.release_id,
        released_at=record.created_at,
        models=Models.of(record.recipe),
        objects=objects,
        whole=whole,
        seconds={},
    )


def _completed(
    answer: Answer, release: OpenRelease, options: Options, columns: _TableOptions, stopwatch: Stopwatch
) -> Answer:
    """The answer with its next page, its facets, and the seconds of all steps."""
    answer = replace(answer, next=pages.next_page(answer.all_lanes, options, answer.release_id))
    if columns.facets is not None:
        answer = replace(answer, facets=release.counted(columns.where, columns.facets))
        stopwatch.lap("facets")
    return replace(answer, seconds=dict(stopwatch.seconds))
