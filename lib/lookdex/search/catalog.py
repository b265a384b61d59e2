"""A catalogue opened for questions: follows the live release, and answers each question wholly from one.

catalog = lookdex.open_catalog("s3://shop/lookdex")
answer = catalog.search("photo.jpg", k=5, where="price < 50")
for found in answer.objects:
    print(found.label, [match.product_id for match in found.matches])
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from lookdex import live
from lookdex.errors import ReleaseNotFound
from lookdex.forks import Owner, check_opening
from lookdex.models.trust import ONLY_TINY, TrustedModels
from lookdex.records import Box, LiveEntry, Recipe, Release, Scope
from lookdex.search import asking, calls
from lookdex.search.answer import Answer
from lookdex.search.arguments import texts
from lookdex.search.ask import MoreOptions, Options, SearchOptions, SimilarOptions, TextOptions, options_of
from lookdex.search.encoders import Encoders, Loader, models_key
from lookdex.search.facets import COLUMNS, Facets
from lookdex.search.filters import FilterColumn, offered
from lookdex.search.frame import scope_of, to_frame
from lookdex.search.opened import Opened, open_release
from lookdex.search.photo import Photo
from lookdex.search.table import READ_SECONDS, ReadKind
from lookdex.search.vectors import unit_of, vectors_of
from lookdex.search.verified import VERIFY_BYTES
from lookdex.search.watch import STORE_SECONDS, StoreHealth, StoreWatch
from lookdex.storage import ReadOptions, Store

if TYPE_CHECKING:
    import pandas as pd

    from lookdex.models.detect import Detector
    from lookdex.models.embed import Embedder

logger = logging.getLogger(__name__)


def open_catalog(
    uri: str | os.PathLike[str] | Store,
    *,
    release: str | Release | None = None,
    device: str = "cpu",
    detector: Detector | None = None,
    embedder: Embedder | None = None,
    loader: Loader | None = None,
    trusted_models: Iterable[str] = (),
    poll_seconds: float = 5.0,
    read_seconds: float | None = READ_SECONDS,
    store_seconds: float | None = STORE_SECONDS,
    verify_bytes: int | None = VERIFY_BYTES,
    facets: Sequence[str] = COLUMNS,
) -> Catalog:
    """Open the live release of the catalogue at `uri` and follow it, or stay with `release` (an id, or a record).

    The models are those that the release names, loaded on `device` at the first query (`Catalog.load` does it
    now); a given `detector` or `embedder` must be the release's. Others than lookdex-tiny are loaded only if
    `trusted_models` has their names, as the release writes them: whoever may write to the catalogue must not choose
    what code runs here. `loader` loads models in another way, for every release that needs others than the one before.
    The promotion log is looked at when a query comes and `poll_seconds` have passed since the last look.

    Before it answers, the release's index, manifest and deletion files, and up to `verify_bytes` of its data files
    (None: all), are checked against their recorded digests; see `verified`. A read of the table that takes longer than
    `read_seconds` (None: no limit) raises TooSlow. `facets` are the columns that `Catalog.facets` and questions with
    facets=True count.

    A store that does not answer a small request within `store_seconds` is lost: what needs it raises Unavailable, at
    once, until it answers again (see `watch`). None waits for it as long as its client does, as a nightly job would.

    Raises:
        ReleaseNotFound: nothing is live yet, or there is no such release.
        Unavailable: the store does not answer.
        ForkedProcess: a catalogue was opened before this process was forked.
        CorruptData: the release is damaged; the message names the file and the remedy.
        ModelMismatch: a model here is not the one the release was built with; ModelNotTrusted: it may not be loaded.
    """
    calls.check_opening(
        release,
        (detector, embedder, loader),
        device=device,
        poll_seconds=poll_seconds,
        read_seconds=read_seconds,
        store_seconds=store_seconds,
        verify_bytes=verify_bytes,
    )
    names = texts("trusted_models", trusted_models)
    store = calls.store_of(uri, ReadOptions(hurry=store_seconds is not None))
    opening = Opening(verify_bytes, read_seconds, store_seconds, tuple(texts("facets", facets)))
    loading = Loading(device, detector, embedder, loader, TrustedModels.of(names))
    return Catalog(store, release, loading, poll_seconds, opening)


@dataclass(frozen=True, slots=True)
class Loading:
    """Where models come from: given, or loaded by name on the device."""

    device: str = "cpu"
    detector: Detector | None = None
    embedder: Embedder | None = None
    loader: Loader | None = None
    trusted: TrustedModels = ONLY_TINY

    def encoders(self, release: Release, first: Recipe) -> Encoders:
        return Encoders(release, first, self.device, self.detector, self.embedder, self.loader, self.trusted)


@dataclass(frozen=True, slots=True)
class Opening:
    """How releases are opened: the arguments of `open_catalog`."""

    verify_bytes: int | None = VERIFY_BYTES
    read_seconds: float | None = READ_SECONDS
    store_seconds: float | None = STORE_SECONDS
    facets: tuple[str, ...] = COLUMNS

    def open(self, store: Store, release: Release, watch: StoreWatch) -> Opened:
        return open_release(
            store,
            release,
            verify_bytes=self.verify_bytes,
            read_seconds=self.read_seconds,
            watch=watch,
            facets=self.facets,
        )


@dataclass(frozen=True, slots=True)
class _Current:
    """What a request works with from its first step to its last."""

    n: int  # of the promotion log; 0 when pinned
    opened: Opened
    encoders: Encoders


class Catalog:
    """Answers photos, texts and vectors from one release at a time. Safe among threads; made by `open_catalog`.

    In a process that was forked from the one that opened it, all that reads raises ForkedProcess. A pickled one opens
    the catalogue anew where it arrives.
    """

    def __init__(
        self,
        store: Store,
        release: str | Release | None,
        loading: Loading,
        poll_seconds: float,
        opening: Opening,
    ):
        self._store, self._loading, self._poll_seconds, self._opening = store, loading, poll_seconds, opening
        check_opening()
        self._owner = Owner(f"the catalogue {store.uri}")
        self._release = release
        self._following = release is None
        self._looking = threading.Lock()
        self._behind: str | None = None
        self._watch = StoreWatch(store, opening.store_seconds)
        self._watch.require()
        if release is None:
            entry = self._watch.read(lambda: live.current(store))
            if entry is None:
                raise ReleaseNotFound(
                    f"nothing is live in {store.uri} yet: publish a first release with "
                    f"`lookdex reindex --source … --catalog {store.uri}`"
                )
            self._now = self._open(entry.n, self._load_release(entry.release_id), None)
        else:
            pinned = self._load_release(release) if isinstance(release, str) else release
            self._now = self._open(0, pinned, None)
        self._first = self._now.opened.release.recipe
        self._next_look = time.monotonic() + poll_seconds

    def __reduce__(self) -> tuple[type[Catalog], tuple[Any, ...]]:
        """A copy in another process opens the catalogue anew: it follows what is live by then, or stays pinned."""
        return Catalog, (self._store, self._release, self._loading, self._poll_seconds, self._opening)

    # ── the release ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def opened(self) -> Opened:
        """What the next query would be answered from: for who asks several things of one release."""
        return self._current().opened

    @property
    def release(self) -> Release:
        """The release that the next query would be answered from."""
        return self.opened.release

    @property
    def behind(self) -> str | None:
        """Why the live release could not be followed at the last look; None when it was."""
        return self._behind

    @property
    def damage(self) -> str | None:
        """Known damage to the open release's files, with the remedy; None when none is known."""
        return self._now.opened.items.verified.damage

    @property
    def store_health(self) -> StoreHealth:
        """Whether the store answers, as far as is known: it is looked at when a read takes long, or fails."""
        return self._watch.health

    @property
    def searchable(self) -> bool:
        """The store answers, or questions without a filter are answered from memory: a loaded release's rows, and what
        Lance keeps of its index."""
        health, opened = self._watch.health, self._now.opened
        if health.problem is None:
            return True
        kept = opened.held and opened.release.index.kind != "exact"
        return kept and not any(isinstance(k, ReadKind) and k.of_every_question for k in health.failed)

    @property
    def columns(self) -> tuple[FilterColumn, ...]:
        """What a `where` may name, and how: columns, each followed by the fields of its records.

        A `FilterColumn` has the name, the type in plain words, the operators, and a filter as an example.
        """
        return offered(self.opened.filterable)

    @property
    def sortable(self) -> tuple[str, ...]:
        """The columns that a `sort` may name."""
        return self.opened.sortable

    @property
    def facets(self) -> Facets:
        """What a `where` may choose among: the values and ranges of columns, counted in products."""
        return self.opened.facets

    def load(self) -> Catalog:
        """Load the models, and what is small of the release's rows, now: no query waits for them.

        Those of a release that goes live later are loaded by whoever looks: a thread that calls `refresh`, or the one
        query that finds it.
        The rows take some 200 bytes each in memory, and those of up to 256 MB of vectors these too; without this, each
        answer reads its own from the table. Data files that were not verified when the release was opened are then
        verified in the background.
        """
        now = self._current()
        now.encoders.load()
        now.opened.hold()
        now.opened.items.verified.look_at_rest()
        return self

    def refresh(self) -> Release:
        """Look at the promotion log now. Raises what keeps the live release from being opened."""
        self._owner.check()
        with self._looking:
            try:
                self._follow()
            except Exception as error:
                self._remember(error)
                raise
        return self._now.opened.release

    def _current(self) -> _Current:
        self._owner.check()
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
        lost = self._watch.health.problem is not None  # which is in the log already
        if self._behind != str(error) and not lost:
            logger.warning("still answering from release %s: %s", self._now.opened.release.release_id, error)
        self._behind = str(error)

    def _follow(self) -> None:
        if not self._following:
            return
        entry: LiveEntry | None = self._watch.read(lambda: live.current(self._store))
        now = self._now
        if entry is not None and entry.n != now.n:
            if entry.release_id == now.opened.release.release_id:
                self._now = replace(now, n=entry.n)
            else:
                self._now = self._open(entry.n, self._load_release(entry.release_id), now)
                told = {
                    "release": entry.release_id,
                    "before": now.opened.release.release_id,
                    "by": entry.action,
                }
                logger.info("another release answers", extra={"fields": told})
        self._behind = None

    def _load_release(self, release_id: str) -> Release:
        return self._watch.read(lambda: live.load_release(self._store, release_id))

    def _open(self, n: int, release: Release, before: _Current | None) -> _Current:
        if before is not None and before.encoders.key == models_key(release):
            encoders = before.encoders
        else:  # before the table is read: the release may name models that are not trusted
            encoders = self._loading.encoders(release, release.recipe if before is None else self._first)
        opened = self._opening.open(self._store, release, self._watch)
        if before is None:
            return _Current(n, opened, encoders)
        if before.encoders.loaded:
            encoders.load()  # before the swap, as what follows: no query waits for it
        if before.opened.held:
            opened.hold()
            opened.items.verified.look_at_rest()
        return _Current(n, opened, encoders)

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────────

    def ask(self, *photos: Photo, options: Options | None = None) -> Answer:
        """Answer a question: one photo, several of one item, or none, with what `options` say beside or instead.

        photos: paths, a file's bytes, PIL images, or uint8 (H, W, 3) RGB arrays.

        Raises BadQuery: the photos or the options cannot be used, or do not go together; the message says why.
        """
        options = calls.options_of(options)
        now = self._current()
        return asking.answer(now.opened, now.encoders, photos, options)

    def search(
        self,
        photo: Photo | Sequence[Photo],
        k: int = 5,
        where: str | None = None,
        box: Box | Sequence[int] | None = None,
        *,
        crops: bool = True,
        **more: Unpack[SearchOptions],
    ) -> Answer:
        """The k most similar distinct products for each object in the photo, and for the whole photo.

        photo: as in `ask`; a list or a tuple of photos shows one item. where: a predicate on product columns, e.g.
        "price < 50 and category = 'dress'" (see `filters`). box: (x0, y0, x1, y1) in pixels of the upright photo;
        then this is the one object that is searched. crops: fetch the JPEGs of the matches too (`Match.crop`).
        more: any other of the `Options`: text="in red", colour=0.3, object=2, widen="never", offset=5, sort="-price" …
        Raises BadQuery for one that does not exist, and ReleaseChanged where `release` names another than answers now.
        """
        photos = photo if isinstance(photo, list | tuple) else (photo,)
        options = options_of(k=k, where=where, box=box, crops=calls.crops_of(crops), **more)
        return self.ask(*photos, options=options)

    def search_text(
        self,
        text: str,
        k: int = 5,
        where: str | None = None,
        *,
        scope: Scope | str = Scope.OBJECT,
        crops: bool = True,
        **more: Unpack[TextOptions],
    ) -> Answer:
        """The k products most similar to a text. Raises BadQuery when the release's embedder reads no text."""
        calls.TEXT.check(text=text)
        options = options_of(k=k, where=where, text=text, crops=calls.crops_of(crops), **more)
        rows = scope_of(scope)
        now = self._current()
        return asking.answer(now.opened, now.encoders, (), options, rows)

    def search_vector(
        self,
        vector: np.ndarray | Sequence[float],
        k: int = 5,
        where: str | None = None,
        scope: Scope | str = Scope.OBJECT,
        *,
        crops: bool = True,
        **more: Unpack[MoreOptions],
    ) -> Answer:
        """The k products most similar to a vector (dim,) of the release's embedder; its length does not matter."""
        options = options_of(k=k, where=where, crops=calls.crops_of(crops), **more)
        rows = scope_of(scope)
        now = self._current()
        unit = unit_of(vector, now.opened.release.dim)
        return asking.answer_vector(now.opened, unit, rows, options)

    def similar(
        self,
        product_id: str,
        k: int = 5,
        where: str | None = None,
        *,
        crops: bool = True,
        **more: Unpack[SimilarOptions],
    ) -> Answer:
        """More like a product of the catalogue, without itself. With goes_with=True also what is worn with it.

        Raises ProductNotFound.
        """
        calls.PRODUCT.check(product_id=product_id)
        return self.ask(
            options=options_of(k=k, where=where, product=product_id, crops=calls.crops_of(crops), **more)
        )

    def goes_with(
        self, product_id: str, k: int = 5, where: str | None = None, *, crops: bool = True
    ) -> Answer:
        """What is worn with a product in its own photos: `Answer.goes_with`, a lane for each thing."""
        return self.similar(product_id, k, where, crops=crops, goes_with=True)

    def vectors(self, *photos: Photo, options: Options | None = None) -> np.ndarray:
        """What `ask` asks the table with: float32 (lanes, dim) of unit length, for readers that ask it themselves.

        In the order of the answer: its objects, the whole photo, then what goes with a product. The models run again.
        Raises BadQuery.
        """
        options = calls.options_of(options)
        now = self._current()
        return vectors_of(now.opened, now.encoders, photos, options)

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────

    def crops(self, item_ids: Iterable[str]) -> dict[str, bytes]:
        """The stored crops (JPEG) of those of the items that the release has."""
        wanted = texts("item_ids", item_ids)
        return self._current().opened.crops(wanted)

    def to_pandas(
        self,
        where: str | None = None,
        columns: Sequence[str] | None = None,
        *,
        scope: Scope | str | None = Scope.OBJECT,
        limit: int | None = None,
    ) -> pd.DataFrame:
        """Rows of the release as a pandas frame: the objects (scope "image": the whole photos; None: both).

        where: a predicate as in `search`, on any column but vector, crop and palette. columns: those to read; by
        default all but vector and crop, which take kilobytes a row (np.stack(frame["vector"]) is then the matrix).
        The frame's `attrs` name the release. Raises BadQuery, and MissingExtra where pandas is not installed.
        """
        return to_frame(self._current().opened, where, columns, scope=scope, limit=limit)
