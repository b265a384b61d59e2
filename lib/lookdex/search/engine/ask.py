"""A question from its first step to its answer: decode, detect, cut, embed, nearest, fetch.

The models run in two places only, `detect` and `Embedding`: what is handed in as detector and embedder may put the
calls of several questions together.
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
from lookdex.search.answer.answer import Answer, FoundObject, Models
from lookdex.search.answer.kinds import Kind
from lookdex.search.engine import lanes, looks, vocabulary
from lookdex.search.engine.embedding import Embedding
from lookdex.search.engine.encoders import Encoders
from lookdex.search.engine.lanes import Asked
from lookdex.search.engine.photo import Limits, Photo, read_photo
from lookdex.search.query.options import MAX_PHOTOS, TEXT_WEIGHT, Options, Pick
from lookdex.search.retrieval import pages
from lookdex.search.retrieval.nearest import answer_lanes
from lookdex.search.retrieval.open_release import OpenRelease
from lookdex.search.retrieval.product_columns import Order
from lookdex.taxonomy.categories import CATEGORIES

if TYPE_CHECKING:
    from lookdex.models.detect import Detector


@dataclass(frozen=True, slots=True)
class _Ways:
    """What a question says of the table, checked against the release. where: SQL. facets: columns to count."""

    where: str | None
    order: Order | None
    facets: tuple[str, ...] | None

    @classmethod
    def of(cls, opened: OpenRelease, options: Options) -> _Ways:
        """Raises BadQuery; ReleaseChanged where the question is about another release."""
        answering = opened.record.release_id
        if options.release not in (None, answering):
            raise ReleaseChanged(
                f"the question is about release {options.release!r}, and {answering!r} answers now: its products may "
                "have other places, so ask for the first page again, without offset and release"
            )
        return cls(
            opened.compiled(options.where), opened.order(options.sort), opened.facet_names(options.facets)
        )


def answer(
    opened: OpenRelease,
    encoders: Encoders,
    photos: Sequence[Photo],
    options: Options,
    scope: Scope = Scope.OBJECT,
) -> Answer:
    """Answer photos (and what `options` say beside them), a text, or a product. scope: of the rows for a text.

    Raises BadQuery; a wrong filter before any model runs.
    """
    watch = Stopwatch(deadline.check)
    ways = _Ways.of(opened, options)
    embedding = Embedding(encoders)
    asked, size = questions(opened, encoders, photos, options, watch, embedding)
    if asked[0].found.kind is Kind.TEXT:
        asked = [replace(one, scope=scope) for one in asked]
    if options.text is not None:
        known = vocabulary.understood(opened.rows, options.text)
        asked = [
            replace(one, found=replace(one.found, understood=known)) if one.found.text else one
            for one in asked
        ]
    told, vectors = _told(opened, embedding, asked, options, ways, watch)
    found = [one for one in told if one.kind is not Kind.WORN]
    with_it = told[len(found) :]
    whole = found.pop() if found[-1].kind is Kind.IMAGE else None
    made = _answer(opened, tuple(found), whole)
    several = sum(one.kind is Kind.OBJECT for one in found) > 1
    if options.look and several and not options.offset:  # the best products are on the first page
        look = looks.put_together(found, opened.record.product_columns)
        if options.look_photos:
            outfit = looks.Outfit(
                tuple(one.label for one in found), vectors[: len(found)], vectors[len(found)]
            )
            look = replace(look, photos=looks.photos(opened, outfit, options, ways.where))
            watch.lap("look")
        made = replace(made, look=look)
    made = replace(made, width=size[0], height=size[1], goes_with=tuple(with_it))
    return _completed(made, opened, options, ways, watch)


def questions(
    opened: OpenRelease,
    encoders: Encoders,
    photos: Sequence[Photo],
    options: Options,
    watch: Stopwatch,
    embedding: Embedding,
) -> tuple[list[Asked], tuple[int | None, int | None]]:
    """The lanes in the order of the answer: its objects, the whole photo, what goes with a product. Only the detector
    runs. And the width and height of a single photo.

    embedding: is told the pictures of a single photo's lanes as soon as they are known. Raises BadQuery,
    ProductNotFound.
    """
    check(photos, options)
    if not photos:
        if options.product is None:
            return [lanes.of_text(options.text or "")], (None, None)
        asked = [lanes.of_product(opened, options)]
        asked += lanes.of_worn(opened, options) if options.goes_with else []
        watch.lap("fetch")
        return asked, (None, None)
    recipe = opened.record.recipe
    picks = lanes.picks_of(options, len(photos))
    for pick in picks:
        if pick.label is not None:
            _known(opened, pick.label)
    pixels = [read_photo(photo, Limits.of(recipe)) for photo in photos]
    watch.lap("decode")
    if len(pixels) == 1 and lanes.with_whole(options):
        embedding.start(pixels)
    detections = detect(pixels, picks, encoders)
    watch.lap("detect")
    if len(pixels) > 1:
        several = lanes.of_photos(pixels, picks, detections, recipe, options)
        watch.lap("crop")
        return [several], (None, None)
    asked = lanes.of_photo(pixels[0], picks[0], detections[0], recipe, options, embedding.start)
    watch.lap("crop")
    return asked, (pixels[0].shape[1], pixels[0].shape[0])


def answer_vector(opened: OpenRelease, vector: np.ndarray, scope: Scope, options: Options) -> Answer:
    """Answer a vector (dim,) of unit length. Raises BadQuery."""
    _check_of_vector(options)
    watch = Stopwatch(deadline.check)
    ways = _Ways.of(opened, options)
    asked = Asked(FoundObject(Kind.VECTOR, (), False), scope)
    lane = lanes.lane(asked, vector, None, opened.record.thresholds, options)
    (told,) = answer_lanes(opened, [lane], options, ways.where, ways.order, watch)
    made = _answer(opened, (lanes.answered(asked, lane, told, options),), None)
    return _completed(made, opened, options, ways, watch)


def _completed(made: Answer, opened: OpenRelease, options: Options, ways: _Ways, watch: Stopwatch) -> Answer:
    """The answer with the way to its following page, its facets, and the seconds of all steps."""
    lanes_of_all = (*made.lanes, *made.goes_with)
    made = replace(made, next=pages.following(lanes_of_all, options, made.release_id))
    if ways.facets is not None:
        made = replace(made, facets=opened.counted(ways.where, ways.facets))
        watch.lap("facets")
    return replace(made, seconds=dict(watch.seconds))


def detect(
    pixels: Sequence[np.ndarray], picks: Sequence[Pick], encoders: Encoders
) -> list[Sequence[Detection]]:
    """The objects of each photo, best first; () where a box says what is meant."""
    needed = [n for n, pick in enumerate(picks) if lanes.needs_detector(pick)]
    found: list[Sequence[Detection]] = [()] * len(pixels)
    if needed:
        detector: Detector = encoders.detector()
        for n, own in zip(needed, detector.detect([pixels[n] for n in needed]), strict=True):
            found[n] = own
    return found


def _told(
    opened: OpenRelease,
    embedding: Embedding,
    asked: Sequence[Asked],
    options: Options,
    ways: _Ways,
    watch: Stopwatch,
) -> tuple[list[FoundObject], np.ndarray]:
    """The lanes with their matches, and their vectors (n, dim)."""
    vectors, text = embedding.vectors(asked, options.text_weight)
    watch.lap("embed")
    thresholds = opened.record.thresholds
    made = [
        lanes.lane(one, vector, text if one.found.text else None, thresholds, options)
        for one, vector in zip(asked, vectors, strict=True)
    ]
    told = answer_lanes(opened, made, options, ways.where, ways.order, watch)
    found = [
        lanes.answered(one, lane, own, options) for one, lane, own in zip(asked, made, told, strict=True)
    ]
    return found, vectors


def check(photos: Sequence[Photo], options: Options) -> None:
    """Raises BadQuery when the photos and the options do not go together."""
    if len(photos) > MAX_PHOTOS:
        raise BadQuery(f"{len(photos)} photos are given: at most {MAX_PHOTOS} show one item")
    if photos and options.product is not None:
        raise BadQuery("a photo and a product are given: ask with one of them")
    if photos:
        return
    _check_of_photos(options)
    if options.product is not None:
        return
    if options.text is None:
        raise BadQuery("nothing is asked: give a photo, a text or a product")
    if options.text_weight != TEXT_WEIGHT:
        raise BadQuery(
            "text_weight is what a text counts beside a photo or a product: give one, or leave it out"
        )
    _check_colourless(options)


def _check_of_vector(options: Options) -> None:
    """Raises BadQuery when the options are not those of a vector."""
    _check_of_photos(options)
    _check_colourless(options)


def _check_of_photos(options: Options) -> None:
    """Raises BadQuery for what needs a photo."""
    if options.pick != Pick() or options.picks:
        raise BadQuery("an object, a box or picks say what of a photo is meant: give the photo")
    if options.look_photos:
        raise BadQuery("look_photos finds photos of the look of a photo: give the photo")


def _check_colourless(options: Options) -> None:
    if options.colour:
        raise BadQuery("colour compares the colours of a photo or a product: give one, or leave it out")


def _known(opened: OpenRelease, label: str) -> None:
    """Raises BadQuery for a label that is no category, and that nothing in the release has."""
    if label not in CATEGORIES and not opened.rows.ids(opened.within(label), limit=1):
        raise BadQuery(
            f"nothing in release {opened.record.release_id} is a {label!r}: label is one of {', '.join(CATEGORIES)}, "
            "or what an answer calls an object"
        )


def _answer(opened: OpenRelease, objects: tuple[FoundObject, ...], whole: FoundObject | None) -> Answer:
    release = opened.record
    return Answer(
        release_id=release.release_id,
        released_at=release.created_at,
        models=Models.of(release.recipe),
        objects=objects,
        whole=whole,
        seconds={},
    )
