"""Embeds the pictures and the text of a question, each picture as soon as it is known."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np

from lookdex.search.engine.encoders import Encoders
from lookdex.search.engine.query_lanes import QueryLane
from lookdex.taxonomy import lexicon, query_words


class Embedding:
    """The embeddings of one question. Other threads compute them while objects are detected and colours computed.

    Not thread-safe.
    """

    def __init__(self, encoders: Encoders) -> None:
        self._encoders = encoders
        self._started: dict[int, tuple[np.ndarray, Future[np.ndarray], int]] = {}  # by the picture's id()

    def start(self, pictures: Sequence[np.ndarray]) -> None:
        """Start to embed those not yet started. pictures: uint8 (H, W, 3) RGB."""
        fresh = [picture for picture in pictures if id(picture) not in self._started]
        if fresh:
            future = self._encoders.threads.submit(self._encoders.embedder().embed_images, fresh)
            self._started |= {id(picture): (picture, future, n) for n, picture in enumerate(fresh)}

    def vectors(self, lanes: Sequence[QueryLane], weight: float) -> tuple[np.ndarray, np.ndarray | None]:
        """Wait for the vectors of the lanes. Raises what the embedder raises.

        Args:
            weight: of a text beside pictures, 0 … 1.

        Returns:
            Each lane's vector, (n, dim) float32 of unit length, and that of a text beside pictures, (dim,), if any.
        """
        self.start([picture for lane in lanes for picture in lane.pictures])
        with_text = [lane for lane in lanes if lane.text]
        beside = next((lane.text for lane in with_text if lane.pictures or lane.vectors), None)
        text = None
        if with_text:
            words = with_text[0].text or ""
            text = self._encoders.embedder().embed_texts(
                [lexicon.translate(words) if beside is None else query_words.parse(beside).essence]
            )[0]
        vectors = []
        for lane in lanes:
            pictures = [*lane.vectors, *map(self._vector, lane.pictures)]
            vectors.append(_mix(pictures, text if lane.text else None, weight))
        return np.stack(vectors).astype(np.float32), None if beside is None else text

    def _vector(self, picture: np.ndarray) -> np.ndarray:
        _, future, n = self._started[id(picture)]
        vector: np.ndarray = future.result()[n]
        return vector


def _mix(pictures: Sequence[np.ndarray], text: np.ndarray | None, weight: float) -> np.ndarray:
    """(1 - weight) × the mean of the pictures + weight × the text, (dim,) of unit length."""
    if not pictures:
        assert text is not None
        return text
    mean = _normalize(np.mean(pictures, axis=0))
    return mean if text is None else _normalize((1 - weight) * mean + weight * text)


def _normalize(vector: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return unit
