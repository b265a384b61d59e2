"""Turn photos, texts and products into the lanes of a question, and their matches into the lanes of its answer.

No model runs here: each lane carries the pictures to embed. Objects are cropped and described exactly as in the index,
so that questions and rows stay comparable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lookdex.catalog.sql import normalize_nfc, quote, quote_list
from lookdex.errors import BadQuery, ProductNotFound
from lookdex.imaging import boxes, codec, colour
from lookdex.records import Box, Detection, Recipe, Role, Scope, Swatch, Thresholds
from lookdex.runtime.wording import shorten
from lookdex.search.answer.kinds import LaneKind, Other, Widened
from lookdex.search.answer.lanes import FoundObject, Match, Part
from lookdex.search.engine.photo import read_box
from lookdex.search.query.options import ALL, TEXT_WEIGHT, Crops, Options, Pick, Widen
from lookdex.search.retrieval.nearest import LaneResult, TableQuery
from lookdex.search.retrieval.open_release import OpenRelease
from lookdex.search.retrieval.rows import CATEGORY, to_category
from lookdex.taxonomy import query_words
from lookdex.taxonomy.query_words import Words

_WITH_THRESHOLD = (
    LaneKind.OBJECT,
    LaneKind.BOX,
    LaneKind.PHOTOS,
)  # the kinds that thresholds are calibrated on


@dataclass(frozen=True, slots=True)
class QueryLane:
    """A lane of a question, before it is answered. The fields that `FoundObject` also has mean the same there.

    The lane's vector is the mean of its pictures and vectors, mixed with that of its text.
    """

    kind: LaneKind
    scope: Scope = Scope.OBJECT
    """Of the rows that may match."""
    pictures: tuple[np.ndarray, ...] = ()
    """uint8 (H, W, 3) RGB, to be embedded."""
    vectors: tuple[np.ndarray, ...] = ()
    """(dim,) each, known without a model."""
    excluded_product: str | None = None
    """Must not match."""
    box: Box | None = None
    label: str | None = None
    score: float | None = None
    colour: str | None = None
    colour_share: float | None = None
    palette: tuple[Swatch, ...] = ()
    main: bool = False
    crop: bytes | None = None
    text: str | None = None
    understood: bool | None = None
    product_id: str | None = None
    parts: tuple[Part, ...] = ()


def needs_detector(pick: Pick) -> bool:
    """A drawn box is cut out as it is."""
    return pick.box is None


def check_picks(options: Options, photos: int) -> tuple[Pick, ...]:
    """Return the pick of each photo. Raises BadQuery if their number is not that of the photos."""
    if photos == 1:
        if len(options.picks) > 1:
            raise BadQuery(f"{len(options.picks)} picks are given for one photo")
        return options.picks or (options.pick,)
    if options.pick != ALL:
        raise BadQuery(
            f"object, box and label are for one photo, but {photos} were given: use picks, one for each photo"
        )
    if options.picks and len(options.picks) != photos:
        raise BadQuery(
            f"{len(options.picks)} picks are given for {photos} photos: give one for each, in order"
        )
    return options.picks or (ALL,) * photos


def includes_whole(options: Options) -> bool:
    """Whether the whole photo is a lane even if objects are found."""
    return options.whole or options.look_photos > 0  # look photos are also compared as whole photos


def build_photo_lanes(
    pixels: np.ndarray,
    pick: Pick,
    detections: Sequence[Detection],
    recipe: Recipe,
    options: Options,
    on_crops: Callable[[list[np.ndarray]], None] | None = None,
) -> list[QueryLane]:
    """Build the lanes of a photo: its objects, or only the picked one, and then the whole photo.

    Args:
        pixels: uint8 (H, W, 3), upright.
        detections: best score first; () if the pick needs none.
        on_crops: called with the pictures of all lanes, in order, before their colours are computed, so that embedding
            can start meanwhile.

    Raises:
        BadQuery: the pick is not in the photo.
    """
    height, width = pixels.shape[:2]
    if pick.box is not None:
        box = read_box(pick.box, width, height)
        objects = [QueryLane(LaneKind.BOX, box=box, label=pick.label, main=True)]
    else:
        objects = _build_object_lanes(detections, width, height)
        if pick.object is not None:
            objects = [_pick_object(objects, pick.object)]
    pictures = [codec.crop(pixels, lane.box, recipe.crop_margin) for lane in objects if lane.box is not None]
    whole_too = includes_whole(options) or not objects
    if on_crops is not None:
        on_crops([*pictures, pixels] if whole_too else pictures)
    lanes = [
        _describe(lane, picture, pixels, recipe, options)
        for lane, picture in zip(objects, pictures, strict=True)
    ]
    if whole_too:
        lanes.append(
            QueryLane(
                LaneKind.IMAGE,
                Scope.IMAGE,
                (pixels,),
                box=Box(0, 0, width, height),
                crop=_encode_crop(pixels, recipe, options),
            )
        )
    return [replace(lane, text=options.text) for lane in lanes]


def build_photos_lane(
    photos: Sequence[np.ndarray],
    picks: Sequence[Pick],
    detections: Sequence[Sequence[Detection]],
    recipe: Recipe,
    options: Options,
) -> QueryLane:
    """Build the one lane of several photos of an item: of each the pick, else the main object, else the whole photo."""
    parts, lanes = [], []
    only_objects = replace(options, whole=False, look_photos=0, text=None, text_weight=TEXT_WEIGHT)
    for number, (pixels, pick, found) in enumerate(zip(photos, picks, detections, strict=True)):
        candidates = build_photo_lanes(pixels, pick, found, recipe, only_objects)
        lane = next((lane for lane in candidates if lane.main), candidates[0])
        box = None if lane.kind is LaneKind.IMAGE else lane.box
        parts.append(Part(number, box, lane.label, lane.score, lane.crop))
        lanes.append(lane)
    labels = {part.label for part in parts}
    first = lanes[0]
    return QueryLane(
        LaneKind.PHOTOS,
        pictures=tuple(picture for lane in lanes for picture in lane.pictures),
        label=labels.pop() if len(labels) == 1 else None,
        score=min((part.score for part in parts if part.score is not None), default=None),
        colour=first.colour,
        colour_share=first.colour_share,
        palette=first.palette,
        main=True,
        crop=first.crop,
        text=options.text,
        parts=tuple(parts),
    )


def build_text_lane(text: str) -> QueryLane:
    return QueryLane(LaneKind.TEXT, text=text)


def build_product_lane(release: OpenRelease, options: Options) -> QueryLane:
    """Build the lane of a product from all rows that show it in its photos. Raises ProductNotFound."""
    product = normalize_nfc(options.product or "")
    ids, scope = _find_product_rows(release, product)
    rows, vectors = release.rows.rows(ids), release.rows.vectors(ids)
    first = rows[ids[0]]
    labels = Counter(row.label for row in rows.values() if scope is Scope.OBJECT).most_common(1)
    return QueryLane(
        LaneKind.PRODUCT,
        vectors=tuple(vectors[i] for i in ids),
        excluded_product=product,
        label=to_category(first.columns.get(CATEGORY)) or (labels[0][0] if labels else None),
        colour=first.colour,
        palette=first.palette,
        crop=release.rows.crops(ids[:1])[ids[0]] if options.crops is not Crops.NONE else None,
        text=options.text,
        product_id=product,
    )


def build_worn_lanes(release: OpenRelease, options: Options) -> list[QueryLane]:
    """Build the lanes of what is worn with a product in its photos: for each label the object with the best score."""
    product = normalize_nfc(options.product or "")
    own, _ = _find_product_rows(release, product)
    photos = quote_list(sorted({row.image_key for row in release.rows.rows(own).values()}))
    ids = release.rows.ids(f"scope = '{Scope.OBJECT}' AND role = '{Role.OTHER}' AND image_key IN ({photos})")
    rows, vectors, scores = release.rows.rows(ids), release.rows.vectors(ids), release.rows.scores(ids)
    best: dict[str, int] = {}
    for i in sorted(ids, key=lambda i: (-scores[i], rows[i].item_id)):
        best.setdefault(rows[i].label or "", i)
    crops = release.rows.crops(list(best.values())) if options.crops is not Crops.NONE else {}
    return [
        QueryLane(
            LaneKind.WORN,
            vectors=(vectors[i],),
            excluded_product=product,
            label=rows[i].label,
            score=scores[i],
            colour=rows[i].colour,
            palette=rows[i].palette,
            crop=crops.get(i),
            product_id=product,
        )
        for i in best.values()
    ]


def build_query(
    lane: QueryLane,
    vector: np.ndarray,
    text: np.ndarray | None,
    thresholds: Thresholds | None,
    options: Options,
) -> TableQuery:
    """Build the lane's query to the table.

    Args:
        vector: (dim,), of pictures and text.
        text: (dim,), of a text beside pictures; None without pictures.
    """
    threshold = None
    if thresholds is not None and lane.kind in _WITH_THRESHOLD and lane.text is None:
        threshold = thresholds.similarity(lane.label)
    weightless = text is not None and options.text_weight == 0
    words = None if lane.text is None or weightless else query_words.parse(lane.text)
    return TableQuery(
        vector=vector,
        scope=lane.scope,
        role=Role.MAIN if lane.scope is Scope.OBJECT else None,
        within=_choose_category(lane, words, thresholds, options),
        tint=words.colour if words is not None and lane.scope is Scope.OBJECT else None,
        widen=options.widen is not Widen.NEVER,
        palette=lane.palette,
        text=text,
        excluded_product=lane.excluded_product,
        threshold=threshold,
    )


def to_answer_lane(lane: QueryLane, query: TableQuery, result: LaneResult, options: Options) -> FoundObject:
    """Combine the question's lane with its matches."""
    widened = result.widened
    if query.within is None and lane.scope is Scope.OBJECT and lane.label is not None:
        text_only = lane.text is not None and options.text_weight == 1
        requested = options.widen is Widen.ALWAYS or text_only
        widened = Widened.ASKED if requested else Widened.UNCERTAIN
    return FoundObject(
        kind=lane.kind,
        matches=tuple(replace(match, other=_find_difference(match, query)) for match in result.matches),
        exhausted=result.exhausted,
        box=lane.box,
        label=lane.label,
        score=lane.score,
        colour=lane.colour,
        main=lane.main,
        crop=lane.crop,
        text=lane.text,
        palette=lane.palette,
        colour_share=lane.colour_share,
        within=query.within,
        tint=query.tint,
        widened=widened,
        threshold=query.threshold,
        product_id=lane.product_id,
        parts=lane.parts,
        understood=lane.understood,
    )


def _find_difference(match: Match, query: TableQuery) -> Other | None:
    """Find how a match differs from the query, by the same rules as the tiers of `nearest`."""
    if query.within is not None and query.within not in (match.label, _category(match)):
        return Other.KIND
    return Other.COLOUR if query.tint not in (None, match.colour) else None


def _category(match: Match) -> str | None:
    category = match.columns.get(CATEGORY)
    return to_category(category) if isinstance(category, str) else None


def _choose_category(
    lane: QueryLane, words: Words | None, thresholds: Thresholds | None, options: Options
) -> str | None:
    """Choose the category to search first. A category that the text names counts more than the photo's label.

    A text beside a photo moves the vector away from the photo's category: with “red” beside photos of a rendered shop,
    only 0.56 of the first ten answers were still of it. So the label is searched first whatever its score, unless the
    text has all the weight.
    """
    if lane.scope is not Scope.OBJECT or options.widen is Widen.ALWAYS:
        return None
    if words is not None and words.category is not None:
        return words.category
    if lane.label is None or options.widen is Widen.NEVER:
        return lane.label
    if words is not None:
        return lane.label if options.text_weight < 1 else None
    if lane.score is None or lane.kind is LaneKind.WORN:
        return lane.label
    trust = None if thresholds is None else thresholds.trust
    return lane.label if trust is not None and trust.believes(lane.label, lane.score) else None


def _build_object_lanes(detections: Sequence[Detection], width: int, height: int) -> list[QueryLane]:
    """Build the lanes of objects, best score first; the most prominent one is the main one."""
    main = max(
        range(len(detections)), key=lambda i: boxes.prominence(detections[i].box, width, height), default=None
    )
    return [
        QueryLane(LaneKind.OBJECT, box=d.box, label=d.label, score=d.score, main=i == main)
        for i, d in enumerate(detections)
    ]


def _pick_object(objects: Sequence[QueryLane], number: int) -> QueryLane:
    if number >= len(objects):
        found = "no object was found" if not objects else f"its objects are 0 to {len(objects) - 1}"
        raise BadQuery(f"the photo has no object {number}: {found}; draw a box around what you mean")
    return objects[number]


def _describe(
    lane: QueryLane, picture: np.ndarray, pixels: np.ndarray, recipe: Recipe, options: Options
) -> QueryLane:
    """Add the picture and its colours. picture: the part of the pixels to embed."""
    assert lane.box is not None
    described = colour.describe(pixels, lane.box, lane.label)
    return replace(
        lane,
        pictures=(picture,),
        colour=described.name,
        colour_share=described.share,
        palette=described.palette,
        crop=_encode_crop(picture, recipe, options),
    )


def _encode_crop(picture: np.ndarray, recipe: Recipe, options: Options) -> bytes | None:
    return None if options.crops is Crops.NONE else codec.encode_jpeg(picture, recipe.crop_pixels)


def _find_product_rows(release: OpenRelease, product: str) -> tuple[list[int], Scope]:
    """Find the product's rows and their scope: objects, or whole photos if it has no objects."""
    own = f"product_id = {quote(product)}"
    for scope in (Scope.OBJECT, Scope.IMAGE):
        if ids := release.rows.ids(f"{own} AND scope = '{scope}' AND role = '{Role.MAIN}'"):
            return sorted(ids), scope
    raise ProductNotFound(f"release {release.record.release_id} has no product {shorten(product)!r}")
