"""Enumerations of an answer: what a lane's query is, and why it has products other than those asked for."""

from __future__ import annotations

from enum import StrEnum


class LaneKind(StrEnum):
    """What the query of a lane is."""

    OBJECT = "object"  # found by the detector
    BOX = "box"  # drawn by the caller
    PHOTOS = "photos"  # one object in several photos of it
    IMAGE = "image"  # the whole photo
    TEXT = "text"
    PRODUCT = "product"  # of the catalogue
    WORN = "worn"  # another object in a product's own photos
    VECTOR = "vector"


class Widened(StrEnum):
    """Why a lane also has products of other categories."""

    UNCERTAIN = "uncertain"  # the label's score is below the one from which `lookdex evaluate` trusts it
    TOO_FEW = "too_few"  # fewer than k products fit in the category, and in the colour if the text names one
    ASKED = "asked"  # requested by the caller


class Other(StrEnum):
    """How a match differs from what was asked for. It ranks below the matches that do not."""

    KIND = "kind"  # another category than the lane's `within`
    COLOUR = "colour"  # that category, but another colour than the text names
