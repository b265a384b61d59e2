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
from lookdex.search.engine import looks, query_lanes, vocabulary
from lookdex.search.engine.embedding import Embedding
from lookdex.search.engine.encoders import Encoders
from lookdex.search.engine.photo import Photo, PhotoLimits, read_photo
from lookdex.search.engine.query_lanes import QueryLane
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
    """The options about columns, checked against the release."""

    where: str | None
    """SQL of the filter."""
    order: Order | None
    facets: tuple[str, ...] | None
    """The columns to count."""

    @classmethod
    def check(cls, release: OpenRelease, options: Options) -> _TableOptions:
        """Raises BadQuery; ReleaseChanged where the question asks for another release."""
        answering = release.record.release_id
        if options.release not in (None, answering):
            raise ReleaseChanged(
                f"the question asks for release {options.release!r}, but {answering!r} answers now, in which products "
                "may rank differently: ask for the first page again, without offset and release"
            )
        return cls(
            release.compile_where(options.where),
            release.parse_sort(options.sort),
            release.check_facets(options.facets),
        )


def answer_question(
    release: OpenRelease,
    encoders: Encoders,
    photos: Sequence[Photo],
    options: Options,
    scope: Scope = Scope.OBJECT,
) -> Answer:
    """Answer a question of photos, a text or a product.

    Args:
        scope: of the rows that a text alone searches.

    Raises:
        BadQuery: for a wrong filter before any model runs.
    """
    stopwatch = Stopwatch(deadline.check)
    columns = _TableOptions.check(release, options)
    embedding = Embedding(encoders)
    lanes, (width, height) = build_lanes(release, encoders, photos, options, stopwatch, embedding)
    if lanes[0].kind is LaneKind.TEXT:
        lanes = [replace(lane, scope=scope) for lane in lanes]
    if options.text is not None:
        understood = vocabulary.is_understood(release.rows, options.text)
        lanes = [replace(lane, understood=understood) if lane.text else lane for lane in lanes]
    answer_lanes, vectors = _search(release, embedding, lanes, options, columns, stopwatch)
    objects = [lane for lane in answer_lanes if lane.kind is not LaneKind.WORN]
    goes_with = tuple(answer_lanes[len(objects) :])
    whole = objects.pop() if objects[-1].kind is LaneKind.IMAGE else None
    answer = replace(
        _new_answer(release, tuple(objects), whole), width=width, height=height, goes_with=goes_with
    )
    several = sum(lane.kind is LaneKind.OBJECT for lane in objects) > 1
    if options.look and several and not options.offset:  # the best products are on the first page
        look = _assemble_look(release, objects, vectors, options, columns.where, stopwatch)
        answer = replace(answer, look=look)
    return _add_page_and_facets(answer, release, options, columns, stopwatch)


def build_lanes(
    release: OpenRelease,
    encoders: Encoders,
    photos: Sequence[Photo],
    options: Options,
    stopwatch: Stopwatch,
    embedding: Embedding,
) -> tuple[list[QueryLane], tuple[int | None, int | None]]:
    """Turn a question into its lanes.

    Runs the detector, and starts to embed a single photo's pictures as soon as they are known.

    Returns:
        The lanes in the order of the answer (objects, whole photo, what goes with a product), and the (width, height)
        of a single photo.

    Raises:
        BadQuery: the photos or the options are wrong.
        ProductNotFound: the release has no such product.
    """
    check_question(photos, options)
    if not photos:
        if options.product is None:
            return [query_lanes.build_text_lane(options.text or "")], (None, None)
        lanes = [query_lanes.build_product_lane(release, options)]
        lanes += query_lanes.build_worn_lanes(release, options) if options.goes_with else []
        stopwatch.lap("fetch")
        return lanes, (None, None)
    recipe = release.record.recipe
    picks = query_lanes.check_picks(options, len(photos))
    for pick in picks:
        if pick.label is not None:
            _check_label(release, pick.label)
    pixels = [read_photo(photo, PhotoLimits.of(recipe)) for photo in photos]
    stopwatch.lap("decode")
    if len(pixels) == 1 and query_lanes.includes_whole(options):
        embedding.start(pixels)
    detections = detect(pixels, picks, encoders)
    stopwatch.lap("detect")
    if len(pixels) > 1:
        lanes = [query_lanes.build_photos_lane(pixels, picks, detections, recipe, options)]
        stopwatch.lap("crop")
        return lanes, (None, None)
    lanes = query_lanes.build_photo_lanes(
        pixels[0], picks[0], detections[0], recipe, options, embedding.start
    )
    stopwatch.lap("crop")
    return lanes, (pixels[0].shape[1], pixels[0].shape[0])


def answer_vector(release: OpenRelease, vector: np.ndarray, scope: Scope, options: Options) -> Answer:
    """Answer a question of a vector (dim,) of unit length. Raises BadQuery."""
    _check_without_photo(options)
    _check_without_colour(options)
    stopwatch = Stopwatch(deadline.check)
    columns = _TableOptions.check(release, options)
    lane = QueryLane(LaneKind.VECTOR, scope)
    query = query_lanes.build_query(lane, vector, None, release.record.thresholds, options)
    (result,) = search_lanes(release, [query], options, columns.where, columns.order, stopwatch)
    answer = _new_answer(release, (query_lanes.to_answer_lane(lane, query, result, options),), None)
    return _add_page_and_facets(answer, release, options, columns, stopwatch)


def detect(
    pixels: Sequence[np.ndarray], picks: Sequence[Pick], encoders: Encoders
) -> list[Sequence[Detection]]:
    """Detect the objects of each photo, best score first; () where the pick is a box."""
    needed = [n for n, pick in enumerate(picks) if query_lanes.needs_detector(pick)]
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
    if label not in CATEGORIES and not release.rows.ids(release.category_sql(label), limit=1):
        raise BadQuery(
            f"release {release.record.release_id} has no {label!r}: label is one of {', '.join(CATEGORIES)}, "
            "or the label of an object in an answer"
        )


def _search(
    release: OpenRelease,
    embedding: Embedding,
    lanes: Sequence[QueryLane],
    options: Options,
    columns: _TableOptions,
    stopwatch: Stopwatch,
) -> tuple[list[FoundObject], np.ndarray]:
    """Embed and search the lanes. Returns the answer's lanes and their vectors (n, dim)."""
    vectors, text = embedding.vectors(lanes, options.text_weight)
    stopwatch.lap("embed")
    thresholds = release.record.thresholds
    queries = [
        query_lanes.build_query(lane, vector, text if lane.text else None, thresholds, options)
        for lane, vector in zip(lanes, vectors, strict=True)
    ]
    results = search_lanes(release, queries, options, columns.where, columns.order, stopwatch)
    answer_lanes = [
        query_lanes.to_answer_lane(lane, query, result, options)
        for lane, query, result in zip(lanes, queries, results, strict=True)
    ]
    return answer_lanes, vectors


def _assemble_look(
    release: OpenRelease,
    objects: Sequence[FoundObject],
    vectors: np.ndarray,
    options: Options,
    where: str | None,
    stopwatch: Stopwatch,
) -> Look:
    """Put together the look of an answer.

    Args:
        vectors: (n, dim), of the objects, then of the whole photo.
    """
    look = looks.assemble_look(objects, release.record.product_columns)
    if options.look_photos:
        count = len(objects)
        outfit = looks.Outfit(tuple(lane.label for lane in objects), vectors[:count], vectors[count])
        look = replace(look, photos=looks.find_photos(release, outfit, options, where))
        stopwatch.lap("look")
    return look


def _new_answer(release: OpenRelease, objects: tuple[FoundObject, ...], whole: FoundObject | None) -> Answer:
    record = release.record
    return Answer(
        release_id=record.release_id,
        released_at=record.created_at,
        models=Models.of(record.recipe),
        objects=objects,
        whole=whole,
        seconds={},
    )


def _add_page_and_facets(
    answer: Answer, release: OpenRelease, options: Options, columns: _TableOptions, stopwatch: Stopwatch
) -> Answer:
    """Add the next page, the facets, and the seconds of all steps."""
    answer = replace(answer, next=pages.next_page(answer.all_lanes, options, answer.release_id))
    if columns.facets is not None:
        answer = replace(answer, facets=release.count_facets(columns.where, columns.facets))
        stopwatch.lap("facets")
    return replace(answer, seconds=dict(stopwatch.seconds))
