"""From photos, texts and products to the lanes of a question. No model runs here: what is to be embedded is handed out.

A lane is one thing that is asked for. It is cut and described as the index did it, so that what is asked and what is
stored cannot drift apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lookdex.catalog.sql import composed, listed, quoted
from lookdex.errors import BadQuery, ProductNotFound
from lookdex.imaging import boxes, codec, colour
from lookdex.records import Box, Detection, Recipe, Role, Scope, Thresholds
from lookdex.search.answer.answer import FoundObject, Match, Part
from lookdex.search.answer.kinds import Kind, Other, Widened
from lookdex.search.engine.photo import read_box
from lookdex.search.query.options import ALL, TEXT_WEIGHT, Crops, Options, Pick, Widen
from lookdex.search.retrieval.nearest import Answered, Lane
from lookdex.search.retrieval.open_release import OpenRelease
from lookdex.search.retrieval.rows import CATEGORY, sold_as
from lookdex.taxonomy import query_words
from lookdex.taxonomy.query_words import Words

_THRESHOLDED = (Kind.OBJECT, Kind.BOX, Kind.PHOTOS)  # what the thresholds were measured on


@dataclass(frozen=True, slots=True)
class Asked:
    """A lane before its answer. pictures: uint8 RGB, to be embedded; vectors: (n, dim), known already. The lane's own
    vector is the mean of them all. The text of `found`, if any, is embedded beside them, or alone.
    """

    found: FoundObject
    scope: Scope = Scope.OBJECT
    pictures: tuple[np.ndarray, ...] = ()
    vectors: tuple[np.ndarray, ...] = ()
    without: str | None = None


def needs_detector(pick: Pick) -> bool:
    """A drawn box is cut out as it is."""
    return pick.box is None


def picks_of(options: Options, photos: int) -> tuple[Pick, ...]:
    """What of each photo is meant. Raises BadQuery when picks and photos do not go together."""
    if photos == 1:
        if len(options.picks) > 1:
            raise BadQuery(f"{len(options.picks)} picks are given for one photo")
        return options.picks or (options.pick,)
    if options.pick != ALL:
        raise BadQuery(
            f"object, box and label are for one photo, and {photos} were given: say in picks what of each is meant"
        )
    if options.picks and len(options.picks) != photos:
        raise BadQuery(f"{len(options.picks)} picks are given for {photos} photos: one for each, in order")
    return options.picks or (ALL,) * photos


def with_whole(options: Options) -> bool:
    """The whole photo is asked for, whatever is found in it."""
    return options.whole or options.look_photos > 0  # photos are compared as a whole too


def of_photo(
    pixels: np.ndarray,
    pick: Pick,
    detections: Sequence[Detection],
    recipe: Recipe,
    options: Options,
    cut: Callable[[list[np.ndarray]], None] | None = None,
) -> list[Asked]:
    """The objects of a photo, or the one that is meant, and last the whole photo.

    pixels: uint8 (H, W, 3), upright. detections: best score first; () where the pick needs none. cut: gets the pictures
    of all lanes, in order, before their colours are looked at: to be embedded meanwhile.
    Raises BadQuery when what is meant is not in the photo.
    """
    height, width = pixels.shape[:2]
    if pick.box is not None:
        box = read_box(pick.box, width, height)
        found = [FoundObject(Kind.BOX, (), False, box=box, label=pick.label, main=True)]
    else:
        found = _objects(detections, width, height)
        if pick.object is not None:
            found = [_chosen(found, pick.object)]
    parts = [codec.crop(pixels, lane.box, recipe.crop_margin) for lane in found if lane.box is not None]
    whole_too = with_whole(options) or not found
    if cut is not None:
        cut([*parts, pixels] if whole_too else parts)
    lanes = [_described(*one, pixels, recipe, options) for one in zip(found, parts, strict=True)]
    if whole_too:
        whole = FoundObject(Kind.IMAGE, (), False, box=Box(0, 0, width, height))
        lanes.append(Asked(replace(whole, crop=_jpeg(pixels, recipe, options)), Scope.IMAGE, (pixels,)))
    return [replace(lane, found=replace(lane.found, text=options.text)) for lane in lanes]


def of_photos(
    photos: Sequence[np.ndarray],
    picks: Sequence[Pick],
    detections: Sequence[Sequence[Detection]],
    recipe: Recipe,
    options: Options,
) -> Asked:
    """One lane of several photos of an item: in each what is meant, or the most prominent object, or all of it."""
    parts, lanes = [], []
    alone = replace(options, whole=False, look_photos=0, text=None, text_weight=TEXT_WEIGHT)
    for number, (pixels, pick, found) in enumerate(zip(photos, picks, detections, strict=True)):
        told = of_photo(pixels, pick, found, recipe, alone)
        meant = next((one for one in told if one.found.main), told[0])
        shown = meant.found
        box = None if shown.kind is Kind.IMAGE else shown.box
        parts.append(Part(number, box, shown.label, shown.score, shown.crop))
        lanes.append(meant)
    labels = {part.label for part in parts}
    first = lanes[0].found
    item = FoundObject(
        Kind.PHOTOS, (), False, label=labels.pop() if len(labels) == 1 else None, main=True, crop=first.crop,
        colour=first.colour, colour_share=first.colour_share, palette=first.palette, text=options.text,
        score=min((p.score for p in parts if p.score is not None), default=None), parts=tuple(parts),
    )  # fmt: skip
    return Asked(item, pictures=tuple(picture for lane in lanes for picture in lane.pictures))


def of_text(text: str) -> Asked:
    return Asked(FoundObject(Kind.TEXT, (), False, text=text))


def of_product(opened: OpenRelease, options: Options) -> Asked:
    """More like a product: the rows that show it in its photos. Raises ProductNotFound."""
    product = composed(options.product or "")
    ids, scope = _rows_of_product(opened, product)
    rows, vectors = opened.rows.rows(ids), opened.rows.vectors(ids)
    first = rows[ids[0]]
    seen = Counter(row.label for row in rows.values() if scope is Scope.OBJECT).most_common(1)
    label = sold_as(first.columns.get(CATEGORY)) or (seen[0][0] if seen else None)
    found = FoundObject(
        Kind.PRODUCT, (), False, label=label, colour=first.colour, palette=first.palette, product_id=product,
        text=options.text,
        crop=opened.rows.crops(ids[:1])[ids[0]] if options.crops is not Crops.NONE else None,
    )  # fmt: skip
    return Asked(found, vectors=tuple(vectors[i] for i in ids), without=product)


def of_worn(opened: OpenRelease, options: Options) -> list[Asked]:
    """What is worn with a product in its own photos: for each label the object that the detector is surest of."""
    product = composed(options.product or "")
    own, _ = _rows_of_product(opened, product)
    keys = {row.image_key for row in opened.rows.rows(own).values()}
    photos = listed(sorted(keys))
    ids = opened.rows.ids(f"scope = '{Scope.OBJECT}' AND role = '{Role.OTHER}' AND image_key IN ({photos})")
    rows, vectors, scores = opened.rows.rows(ids), opened.rows.vectors(ids), opened.rows.scores(ids)
    best: dict[str, int] = {}
    for i in sorted(ids, key=lambda i: (-scores[i], rows[i].item_id)):
        best.setdefault(rows[i].label or "", i)
    crops = opened.rows.crops(list(best.values())) if options.crops is not Crops.NONE else {}
    return [
        Asked(
            FoundObject(
                Kind.WORN, (), False, label=rows[i].label, score=scores[i], colour=rows[i].colour,
                palette=rows[i].palette, product_id=product, crop=crops.get(i),
            ),
            vectors=(vectors[i],),
            without=product,
        )
        for i in best.values()
    ]  # fmt: skip


def lane(
    asked: Asked, vector: np.ndarray, text: np.ndarray | None, thresholds: Thresholds | None, options: Options
) -> Lane:
    """What the table is asked. vector: (dim,) of pictures and text together; text: of the text beside pictures."""
    found = asked.found
    threshold = None
    if thresholds is not None and found.kind in _THRESHOLDED and found.text is None:
        threshold = thresholds.similarity(found.label)
    weightless = text is not None and options.text_weight == 0
    named = None if found.text is None or weightless else query_words.read(found.text)
    return Lane(
        vector=vector,
        scope=asked.scope,
        role=Role.MAIN if asked.scope is Scope.OBJECT else None,
        within=_within(asked, named, thresholds, options),
        tint=named.colour if named is not None and asked.scope is Scope.OBJECT else None,
        widen=options.widen is not Widen.NEVER,
        palette=found.palette,
        text=text,
        without=asked.without,
        threshold=threshold,
    )


def answered(asked: Asked, lane: Lane, answer: Answered, options: Options) -> FoundObject:
    """The lane with its matches."""
    widened = answer.widened
    if lane.within is None and asked.scope is Scope.OBJECT and asked.found.label is not None:
        words_alone = asked.found.text is not None and options.text_weight == 1
        wished = options.widen is Widen.ALWAYS or words_alone
        widened = Widened.ASKED if wished else Widened.UNCERTAIN
    return replace(
        asked.found,
        matches=tuple(replace(match, other=_other(match, lane)) for match in answer.matches),
        exhausted=answer.exhausted,
        within=lane.within,
        tint=lane.tint,
        widened=widened,
        threshold=lane.threshold,
    )


def _other(match: Match, lane: Lane) -> Other | None:
    """As `nearest` tells the tiers apart."""
    if lane.within is not None and lane.within not in (match.label, _category(match)):
        return Other.KIND
    return Other.COLOUR if lane.tint not in (None, match.colour) else None


def _category(match: Match) -> str | None:
    told = match.columns.get(CATEGORY)
    return sold_as(told) if isinstance(told, str) else None


def _within(asked: Asked, named: Words | None, thresholds: Thresholds | None, options: Options) -> str | None:
    """The category that is asked first. What the text names counts more than what the photo shows.

    Beside a photo a text moves the vector away from its category (of ten answers to “red” with a rendered shop's photos
    0.56 were still of it), so that there the label is asked first, however sure it is; unless the text counts alone.
    """
    found = asked.found
    if asked.scope is not Scope.OBJECT or options.widen is Widen.ALWAYS:
        return None
    if named is not None and named.category is not None:
        return named.category
    if found.label is None or options.widen is Widen.NEVER:
        return found.label
    if named is not None:
        return found.label if options.text_weight < 1 else None
    if found.score is None or found.kind is Kind.WORN:
        return found.label
    trust = None if thresholds is None else thresholds.trust
    return found.label if trust is not None and trust.believes(found.label, found.score) else None


def _objects(detections: Sequence[Detection], width: int, height: int) -> list[FoundObject]:
    """Best score first; the most prominent one is the main one."""
    main = max(
        range(len(detections)), key=lambda i: boxes.prominence(detections[i].box, width, height), default=None
    )
    return [
        FoundObject(Kind.OBJECT, (), False, box=d.box, label=d.label, score=d.score, main=i == main)
        for i, d in enumerate(detections)
    ]


def _chosen(found: Sequence[FoundObject], number: int) -> FoundObject:
    if number >= len(found):
        there = "no object was found" if not found else f"its objects are 0 to {len(found) - 1}"
        raise BadQuery(f"the photo has no object {number}: {there}; draw a box around what is meant")
    return found[number]


def _described(
    found: FoundObject, part: np.ndarray, pixels: np.ndarray, recipe: Recipe, options: Options
) -> Asked:
    """part: of the pixels, what is embedded."""
    assert found.box is not None
    shown = colour.describe(pixels, found.box, found.label)
    found = replace(
        found,
        colour=shown.name,
        colour_share=shown.share,
        palette=shown.palette,
        crop=_jpeg(part, recipe, options),
    )
    return Asked(found, pictures=(part,))


def _jpeg(picture: np.ndarray, recipe: Recipe, options: Options) -> bytes | None:
    return None if options.crops is Crops.NONE else codec.encode_jpeg(picture, recipe.crop_pixels)


def _rows_of_product(opened: OpenRelease, product: str) -> tuple[list[int], Scope]:
    """The rows that show the product, and what they are: objects, or where none does, its whole photos."""
    own = f"product_id = {quoted(product)}"
    for scope in (Scope.OBJECT, Scope.IMAGE):
        if ids := opened.rows.ids(f"{own} AND scope = '{scope}' AND role = '{Role.MAIN}'"):
            return sorted(ids), scope
    raise ProductNotFound(f"release {opened.record.release_id} has no product {product!r}")
