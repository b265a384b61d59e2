"""A catalogue opened for questions: follows the live release, and answers each question wholly from one.

catalog = lookdex.open_catalog("s3://shop/lookdex")
answer = catalog.search("photo.jpg", k=5, where="price < 50")
for found in answer.objects:
    print(found.label, [match.product_id for match in found.matches])
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lookdex import boxes, colour, images, live
from lookdex.errors import BadQuery, ReleaseNotFound
from lookdex.models import loading
from lookdex.records import Box, Detection, LiveEntry, Recipe, Release, Scope
from lookdex.search.answer import Answer, FoundObject, Kind, Match, Models
from lookdex.search.encoders import Encoders, Loader, models_key
from lookdex.search.grouping import Distinct
from lookdex.search.opened import Opened, open_release
from lookdex.search.photo import Limits, Photo, read_box, read_photo
from lookdex.storage import Store, open_store

if TYPE_CHECKING:
    from lookdex.models.detect import Detector
    from lookdex.models.embed import Embedder

MAX_K = 1000
logger = logging.getLogger(__name__)


def open_catalog(
    uri: str | Store,
    *,
    release: str | Release | None = None,
    device: str = "cpu",
    detector: Detector | None = None,
    embedder: Embedder | None = None,
    loader: Loader | None = None,
    poll_seconds: float = 5.0,
) -> Catalog:
    """Open the live release of the catalogue at `uri` and follow it, or stay with `release` (an id, or a record).

    The models are those that the release names, loaded on `device`, or by `loader`, at the first query
    (`Catalog.load` does it now); a given `detector` or `embedder` must be the release's. The promotion log is looked
    at when a query comes and `poll_seconds` have passed since the last look.

    Raises:
        ReleaseNotFound: nothing is live yet, or there is no such release.
        ModelMismatch: a model here is not the one the release was built with.
    """
    store = open_store(uri) if isinstance(uri, str) else uri
    return Catalog(
        store, release, Loading(loader or loading.Loader(device), detector, embedder), poll_seconds
    )


@dataclass(frozen=True, slots=True)
class Loading:
    """Where models come from: given, or loaded by name."""

    loader: Loader
    detector: Detector | None = None
    embedder: Embedder | None = None

    def encoders(self, release: Release, trusted: Recipe) -> Encoders:
        return Encoders(release, trusted, self.loader, self.detector, self.embedder)


@dataclass(frozen=True, slots=True)
class _Current:
    """What a request works with from its first step to its last."""

    n: int  # of the promotion log; 0 when pinned
    opened: Opened
    encoders: Encoders


@dataclass(frozen=True, slots=True)
class _Lane:
    """One question of a request, before its answer."""

    found: FoundObject
    scope: Scope


class _Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def step(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name], self._last = now - self._last, now


class Catalog:
    """Answers photos, texts and vectors from one release at a time. Safe among threads; made by `open_catalog`."""

    def __init__(self, store: Store, release: str | Release | None, loading: Loading, poll_seconds: float):
        self._store, self._loading, self._poll_seconds = store, loading, poll_seconds
        self._following = release is None
        self._looking = threading.Lock()
        self._behind: str | None = None
        if release is None:
            entry = live.current(store)
            if entry is None:
                raise ReleaseNotFound(
                    f"nothing is live in {store.uri} yet: publish a first release with "
                    f"`lookdex reindex --source … --catalog {store.uri}`"
                )
            self._now = self._open(entry.n, live.load_release(store, entry.release_id), None)
        else:
            pinned = live.load_release(store, release) if isinstance(release, str) else release
            self._now = self._open(0, pinned, None)
        self._trusted = self._now.opened.release.recipe
        self._next_look = time.monotonic() + poll_seconds

    # ── the release ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def release(self) -> Release:
        """The release that the next query would be answered from."""
        return self._current().opened.release

    @property
    def behind(self) -> str | None:
        """Why the live release could not be followed at the last look; None when it was."""
        return self._behind

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a `where` may name."""
        return self._current().opened.filterable

    def load(self) -> Catalog:
        """Load the models now, so that the first query does not wait for them."""
        self._current().encoders.load()
        return self

    def refresh(self) -> Release:
        """Look at the promotion log now. Raises what keeps the live release from being opened."""
        with self._looking:
            try:
                self._follow()
            except Exception as error:
                self._remember(error)
                raise
        return self._now.opened.release

    def _current(self) -> _Current:
        if self._following and time.monotonic() >= self._next_look and self._looking.acquire(blocking=False):
            # One request looks; the others go on with what is open.
            try:
                self._follow()
            except Exception as error:  # whatever it is: a bad night never reaches those who ask
                self._remember(error)
            finally:
                self._next_look = time.monotonic() + self._poll_seconds
                self._looking.release()
        return self._now

    def _remember(self, error: Exception) -> None:
        if self._behind != str(error):
            logger.warning("still answering from release %s: %s", self._now.opened.release.release_id, error)
        self._behind = str(error)

    def _follow(self) -> None:
        if not self._following:
            return
        entry: LiveEntry | None = live.current(self._store)
        now = self._now
        if entry is not None and entry.n != now.n:
            if entry.release_id == now.opened.release.release_id:
                self._now = replace(now, n=entry.n)
            else:
                self._now = self._open(entry.n, live.load_release(self._store, entry.release_id), now)
        self._behind = None

    def _open(self, n: int, release: Release, before: _Current | None) -> _Current:
        opened = open_release(self._store, release)
        if before is not None and before.encoders.key == models_key(release):
            return _Current(n, opened, before.encoders)
        trusted = release.recipe if before is None else self._trusted
        encoders = self._loading.encoders(release, trusted)
        if before is not None and before.encoders.loaded:
            encoders.load()  # before the swap: no query waits for it
        return _Current(n, opened, encoders)

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────────

    def search(
        self,
        photo: Photo,
        k: int = 5,
        where: str | None = None,
        box: Box | Sequence[int] | None = None,
        *,
        crops: bool = True,
    ) -> Answer:
        """The k most similar distinct products for each object in the photo, and for the whole photo.

        photo: a path, a file's bytes, a PIL image, or uint8 (H, W, 3) RGB.
        where: a predicate on product columns, e.g. "price < 50 and category = 'dress'" (see `filters`).
        box: (x0, y0, x1, y1) in pixels of the upright photo; then this is the one object that is searched.
        crops: fetch the JPEGs of the matches too (`Match.crop`).

        Raises BadQuery: the photo, the box, `where` or `k` cannot be used; the message says why.
        """
        now, clock = self._current(), _Clock()
        _check_k(k)
        rows = _rows(now.opened, (Scope.OBJECT, Scope.IMAGE), where)
        recipe = now.opened.release.recipe
        pixels = read_photo(photo, Limits.of(recipe))
        height, width = pixels.shape[:2]
        clock.step("decode")
        if box is None:
            detections = now.encoders.detector().detect([pixels])[0]
            lanes = _object_lanes(detections, width, height)
        else:
            lanes = [FoundObject(Kind.BOX, (), False, box=read_box(box, width, height), main=True)]
        lanes.append(FoundObject(Kind.IMAGE, (), False, box=Box(0, 0, width, height)))
        clock.step("detect")
        cut = [_cut(pixels, lane, recipe.crop_margin) for lane in lanes]
        lanes = [_described(lane, pixels, part, recipe) for lane, part in zip(lanes, cut, strict=True)]
        clock.step("crop")
        vectors = now.encoders.embedder().embed_images(cut)
        clock.step("embed")
        scopes = [Scope.IMAGE if lane.kind is Kind.IMAGE else Scope.OBJECT for lane in lanes]
        asked = [_Lane(lane, scope) for lane, scope in zip(lanes, scopes, strict=True)]
        found = _ask(now.opened, asked, vectors, k, rows, crops, clock)
        answer = _answer(now.opened.release, found[:-1], found[-1], clock)
        return replace(answer, width=width, height=height)

    def search_text(
        self,
        text: str,
        k: int = 5,
        where: str | None = None,
        *,
        scope: Scope = Scope.OBJECT,
        crops: bool = True,
    ) -> Answer:
        """The k products most similar to a text. Raises BadQuery when the release's embedder reads no text."""
        if not text.strip():
            raise BadQuery("the text is empty: describe what to look for, such as “red dress”")
        now, clock = self._current(), _Clock()
        _check_k(k)
        rows = _rows(now.opened, (scope,), where)
        vectors = now.encoders.embedder().embed_texts([text])
        clock.step("embed")
        lane = _Lane(FoundObject(Kind.TEXT, (), False, text=text), scope)
        return _answer(
            now.opened.release, _ask(now.opened, [lane], vectors, k, rows, crops, clock), None, clock
        )

    def search_vector(
        self,
        vector: np.ndarray | Sequence[float],
        k: int = 5,
        where: str | None = None,
        scope: Scope = Scope.OBJECT,
        *,
        crops: bool = True,
    ) -> Answer:
        """The k products most similar to a vector (dim,) of the release's embedder; its length does not matter."""
        now, clock = self._current(), _Clock()
        _check_k(k)
        vectors = _unit(vector, now.opened.release.dim)
        rows = _rows(now.opened, (scope,), where)
        lane = _Lane(FoundObject(Kind.VECTOR, (), False), scope)
        return _answer(
            now.opened.release, _ask(now.opened, [lane], vectors, k, rows, crops, clock), None, clock
        )

    def crops(self, item_ids: Iterable[str]) -> dict[str, bytes]:
        """The stored crops (JPEG) of those of the items that the release has."""
        return self._current().opened.crops(tuple(item_ids))


def _object_lanes(detections: Sequence[Detection], width: int, height: int) -> list[FoundObject]:
    """Best score first; the most prominent one is the main one."""
    main = max(
        range(len(detections)), key=lambda i: boxes.prominence(detections[i].box, width, height), default=None
    )
    return [
        FoundObject(Kind.OBJECT, (), False, box=d.box, label=d.label, score=d.score, main=i == main)
        for i, d in enumerate(detections)
    ]


def _cut(pixels: np.ndarray, lane: FoundObject, margin: float) -> np.ndarray:
    """What is embedded of the photo for a lane: the same cut as the index made."""
    return pixels if lane.kind is Kind.IMAGE or lane.box is None else images.crop(pixels, lane.box, margin)


def _described(lane: FoundObject, pixels: np.ndarray, part: np.ndarray, recipe: Recipe) -> FoundObject:
    if lane.kind is not Kind.IMAGE and lane.box is not None:
        shown = colour.describe(pixels, lane.box, lane.label)
        lane = replace(lane, colour=shown.name, palette=shown.palette)
    return replace(lane, crop=images.encode_jpeg(part, recipe.crop_pixels))


def _rows(opened: Opened, scopes: Iterable[Scope], where: str | None) -> dict[Scope, str]:
    """The rows that may answer, by scope; before any model runs, so that a wrong filter costs nothing."""
    return {scope: opened.rows_of(scope, where) for scope in scopes}


def _ask(
    opened: Opened,
    lanes: Sequence[_Lane],
    vectors: np.ndarray,
    k: int,
    rows: dict[Scope, str],
    crops: bool,
    clock: _Clock,
) -> tuple[FoundObject, ...]:
    """The lanes with their matches; vectors: (lanes, dim) float32 of unit length."""
    found: list[tuple[int, Distinct]] = []
    for scope, predicate in rows.items():
        members = [i for i, lane in enumerate(lanes) if lane.scope is scope]
        found += zip(members, opened.nearest(vectors[members], k, predicate), strict=True)
    distinct = [answer for _, answer in sorted(found, key=lambda pair: pair[0])]
    clock.step("nearest")
    matches = opened.matches(vectors, distinct, crops=crops)
    clock.step("fetch")
    return tuple(
        replace(lane.found, matches=_compared(lane.found, own), exhausted=d.exhausted)
        for lane, own, d in zip(lanes, matches, distinct, strict=True)
    )


def _compared(lane: FoundObject, matches: tuple[Match, ...]) -> tuple[Match, ...]:
    """The matches, with how alike their colours are to the lane's, where both have any."""
    return tuple(
        replace(match, colour_similarity=round(colour.similarity(lane.palette, match.palette), 4))
        if lane.palette and match.palette
        else match
        for match in matches
    )


def _answer(
    release: Release, objects: tuple[FoundObject, ...], whole: FoundObject | None, clock: _Clock
) -> Answer:
    return Answer(
        release_id=release.release_id,
        released_at=release.created_at,
        models=Models.of(release.recipe),
        objects=objects,
        whole=whole,
        seconds=clock.seconds,
    )


def _check_k(k: int) -> None:
    if not 1 <= k <= MAX_K:
        raise BadQuery(f"k is {k}: ask for 1 to {MAX_K} products")


def _unit(vector: np.ndarray | Sequence[float], dim: int) -> np.ndarray:
    """(1, dim) float32 of unit length. Raises BadQuery for another size, for zeros and for values not finite."""
    try:
        values = np.asarray(vector, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadQuery(f"the vector is no sequence of {dim} numbers") from error
    length = float(np.linalg.norm(values)) if values.shape == (dim,) else 0.0
    if not np.isfinite(length) or length == 0:
        raise BadQuery(
            f"the vector has the shape {values.shape} and the length {length:g}: the release's embedder gives "
            f"{dim} finite numbers that are not all 0"
        )
    return (values / length).astype(np.float32)[None]
