"""The vectors that a question is asked with, for readers that ask the table themselves (Node, Rust, DuckDB)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lookdex.search import asking
from lookdex.search.ask import Options
from lookdex.search.embedding import Embedding
from lookdex.search.encoders import Encoders
from lookdex.search.opened import Opened
from lookdex.search.photo import Photo
from lookdex.search.timing import Clock


def vectors_of(opened: Opened, encoders: Encoders, photos: Sequence[Photo], options: Options) -> np.ndarray:
    """float32 (lanes, dim) of unit length: of the answer's objects in order, the whole photo, then what goes with it.

    Raises BadQuery, as the question itself does.
    """
    embedding = Embedding(encoders)
    asked, _ = asking.questions(opened, encoders, photos, options, Clock(), embedding)
    vectors, _ = embedding.vectors(asked, options.text_weight)
    return vectors
