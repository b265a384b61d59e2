"""Which object of a photo is its product, and which are only worn beside it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lookdex.imaging import boxes
from lookdex.records import Detection, Role


@dataclass(frozen=True, slots=True)
class Link:
    """What an object is to its photo: the product (main), or something else (other, without a product)."""

    role: Role
    product_id: str | None


OTHER = Link(Role.OTHER, None)


def link_objects(
    detections: Sequence[Detection],
    product_ids: Sequence[str],
    categories: Sequence[str | None],
    width: int,
    height: int,
) -> list[Link]:
    """One `Link` per detection, in order. `categories` go with `product_ids`; missing ones are unknown.

    A product is linked to the most prominent object of its category. A single product that finds none (no category, or
    the detector named it otherwise) takes the most prominent object that is left; several such products take none,
    for which is whose cannot be told. Where there are objects one of them is main: in a photo without products, or
    whose products found none, it is the most prominent, for the first product if there is one.
    """
    links = [OTHER] * len(detections)
    if not detections:
        return links
    order = sorted(
        range(len(detections)),
        key=lambda i: (-boxes.prominence(detections[i].box, width, height), -detections[i].score, i),
    )
    unplaced: list[str] = []
    known = [*categories, *[None] * len(product_ids)]
    for product_id, category in zip(product_ids, known, strict=False):
        fitting = [i for i in order if links[i] is OTHER and category and detections[i].label == category]
        if fitting:
            links[fitting[0]] = Link(Role.MAIN, product_id)
        else:
            unplaced.append(product_id)
    left = [i for i in order if links[i] is OTHER]
    if left and (len(unplaced) == 1 or len(left) == len(detections)):
        links[left[0]] = Link(Role.MAIN, unplaced[0] if unplaced else None)
    return links
