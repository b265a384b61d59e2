"""The closed sets of an answer: what a lane asked with, and why other products answer too."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a lane asked with."""

    OBJECT = "object"  # found by the detector
    BOX = "box"  # drawn by the caller
    PHOTOS = "photos"  # one object in each of several photos of it
    IMAGE = "image"  # the whole photo
    TEXT = "text"
    PRODUCT = "product"  # of the catalogue
    WORN = "worn"  # something else in a product's own photos
    VECTOR = "vector"


class Widened(StrEnum):
    """Why products of other categories than the object's answer too."""

    UNCERTAIN = "uncertain"  # the label's score is below what `lookdex evaluate` found to be trusted
    TOO_FEW = "too_few"  # the category, in the colour that a text names, holds fewer than k products that fit
    ASKED = "asked"  # the caller wished it


class Other(StrEnum):
    """What a product has that was not asked first: it ranks below those that are as asked."""

    KIND = "kind"  # another category than the lane's `within`
    COLOUR = "colour"  # that category, in another colour than the text names
