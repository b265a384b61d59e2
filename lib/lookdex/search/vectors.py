"""The vectors that a question is asked with, for readers that ask the table themselves (Node, Rust, DuckDB)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lookdex.search import asking, lanes
from lookdex.search.ask import Options
from lookdex.search.encoders import Encoders
from lookdex.search.lanes import Asked
from lookdex.search.opened import Opened
from lookdex.search.photo import Limits, Photo, read_photo


def vectors_of(opened: Opened, encoders: Encoders, photos: Sequence[Photo], options: Options) -> np.ndarray:
    """float32 (lanes, dim) of unit length: of the answer's objects in order, the whole photo, then what goes with it.

    Raises BadQuery, as the question itself does.
    """
    asking.check(photos, options)
    recipe = opened.release.recipe
    asked: list[Asked]
    if photos:
        picks = lanes.picks_of(options, len(photos))
        pixels = [read_photo(photo, Limits.of(recipe)) for photo in photos]
        detections = asking.detect(pixels, picks, encoders)
        if len(pixels) == 1:
            asked = lanes.of_photo(pixels[0], picks[0], detections[0], recipe, options)
        else:
            asked = [lanes.of_photos(pixels, picks, detections, recipe, options)]
    elif options.product is not None:
        asked = [lanes.of_product(opened, options)]
        asked += lanes.of_worn(opened, options) if options.goes_with else []
    else:
        asked = [lanes.of_text(options.text or "")]
    vectors, _ = asking.embed(asked, encoders, options.text_weight)
    return vectors
