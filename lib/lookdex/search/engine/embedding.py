"""The vectors of a question: of its pictures, each from when it is known, and of its text."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np

from lookdex.runtime.daemons import DaemonPool
from lookdex.search.engine.encoders import Encoders
from lookdex.search.engine.lanes import Asked
from lookdex.taxonomy import query_words

_THREADS = DaemonPool("embed", 32)


class Embedding:
    """The pictures of one question, embedded by other threads while its objects are looked for and their colours
    looked at. Of one thread.
    """

    def __init__(self, encoders: Encoders):
        self._encoders = encoders
        self._started: dict[int, tuple[np.ndarray, Future[np.ndarray], int]] = {}  # by the picture's id

    def start(self, pictures: Sequence[np.ndarray]) -> None:
        """Embed those that were not handed over before. pictures: uint8 (H, W, 3) RGB."""
        fresh = [picture for picture in pictures if id(picture) not in self._started]
        if fresh:
            future = _THREADS.submit(self._encoders.embedder().embed_images, fresh)
            self._started |= {id(picture): (picture, future, n) for n, picture in enumerate(fresh)}

    def vectors(self, asked: Sequence[Asked], weight: float) -> tuple[np.ndarray, np.ndarray | None]:
        """Each lane's vector, (n, dim) float32 of unit length, and that of the text beside pictures, (dim,), if any.

        weight: what a text counts beside pictures, 0 … 1. Raises what the embedder raises.
        """
        self.start([picture for one in asked for picture in one.pictures])
        told = [one for one in asked if one.found.text]
        beside = next((one.found.text for one in told if one.pictures or one.vectors), None)
        text = None
        if told:
            said = told[0].found.text or ""
            text = self._encoders.embedder().embed_texts(
                [query_words.in_english(said) if beside is None else query_words.read(beside).essence]
            )[0]
        vectors = []
        for one in asked:
            own = [*one.vectors, *map(self._vector, one.pictures)]
            vectors.append(_mixed(own, text if one.found.text else None, weight))
        return np.stack(vectors).astype(np.float32), None if beside is None else text

    def _vector(self, picture: np.ndarray) -> np.ndarray:
        _, future, n = self._started[id(picture)]
        vector: np.ndarray = future.result()[n]
        return vector


def _mixed(pictures: Sequence[np.ndarray], text: np.ndarray | None, weight: float) -> np.ndarray:
    """The mean of the pictures, and (1 - weight) of it with weight of the text. (dim,), unit length."""
    if not pictures:
        assert text is not None
        return text
    mean = _unit(np.mean(pictures, axis=0))
    return mean if text is None else _unit((1 - weight) * mean + weight * text)


def _unit(vector: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return unit
