"""The vectors of a question, for clients that query the table themselves (Node, Rust, DuckDB)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lookdex.errors import BadQuery
from lookdex.runtime import deadline
from lookdex.runtime.stopwatch import Stopwatch
from lookdex.search.engine import ask
from lookdex.search.engine.embedding import Embedding
from lookdex.search.engine.encoders import Encoders
from lookdex.search.engine.photo import Photo
from lookdex.search.query.arguments import shown
from lookdex.search.query.options import Options
from lookdex.search.retrieval.open_release import OpenRelease


def embed_question(
    release: OpenRelease, encoders: Encoders, photos: Sequence[Photo], options: Options
) -> np.ndarray:
    """Embed a question: float32 (lanes, dim) of unit length, in the answer's order (objects, whole photo, goes_with).

    Raises what `ask.answer_question` does.
    """
    embedding = Embedding(encoders)
    lanes, _ = ask.build_lanes(release, encoders, photos, options, Stopwatch(deadline.check), embedding)
    vectors, _ = embedding.vectors(lanes, options.text_weight)
    return vectors


def to_unit_vector(vector: np.ndarray | Sequence[float], dim: int) -> np.ndarray:
    """The vector as (dim,) float32 of unit length. Raises BadQuery for another size, zeros and values not finite."""
    try:
        given = np.asarray(vector)
    except Exception as error:  # the caller's object may raise anything
        raise BadQuery(f"vector is {shown(vector)}: give {dim} numbers") from error
    masked = isinstance(vector, np.ma.MaskedArray)  # asarray would return the masked values
    if masked or given.dtype.kind not in "iuf":
        raise BadQuery(f"vector is {shown(vector)}: give {dim} numbers")
    values = given.astype(np.float64)
    largest = float(np.abs(values).max()) if values.shape == (dim,) else 0.0
    if not np.isfinite(largest) or largest == 0:
        raise BadQuery(
            f"vector has the shape {values.shape} and the largest value {largest:g}: the release's embedder gives "
            f"{dim} finite numbers, not all of them 0"
        )
    values /= largest  # squares of very large or small values would overflow or vanish
    return (values / np.linalg.norm(values)).astype(np.float32)
