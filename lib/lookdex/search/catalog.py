"""An open catalogue. It follows the live release, and answers each question from a single release.

catalog = lookdex.open_catalog("s3://shop/lookdex")
answer = catalog.search("photo.jpg", k=5, where="price < 50")
for found in answer.objects:
    print(found.label, [match.product_id for match in found.matches])
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Unpack

import numpy as np

from lookdex.models.trust import TrustedModels
from lookdex.records import Box, Release, Scope
from lookdex.runtime.forks import check_opening
from lookdex.search import calls
from lookdex.search.answer.answer import Answer
from lookdex.search.answer.facets import Facets
from lookdex.search.engine import ask as asking
from lookdex.search.engine.encoders import Loader
from lookdex.search.engine.photo import Photo
from lookdex.search.engine.vectors import unit_of, vectors_of
from lookdex.search.following import Current, Following, Loading, Opening, Place
from lookdex.search.query.arguments import texts
from lookdex.search.query.keywords import MoreOptions, SearchOptions, SimilarOptions, TextOptions
from lookdex.search.query.options import Options
from lookdex.search.retrieval.filters import FilterColumn, filter_columns
from lookdex.search.retrieval.frame import scope_of, to_frame
from lookdex.search.retrieval.open_release import OpenRelease
from lookdex.search.retrieval.table import READ_SECONDS
from lookdex.search.retrieval.verified import VERIFY_BYTES
from lookdex.search.retrieval.watch import STORE_SECONDS, StoreHealth
from lookdex.storage import ReadOptions, Store

if TYPE_CHECKING:
    import pandas as pd

    from lookdex.models.detect import Detector
    from lookdex.models.embed import Embedder

logger = logging.getLogger(__name__)


@calls.checked
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
    facets: Iterable[str] | None = None,
) -> Catalog:
    """Open the live release of the catalogue at `uri` and follow it, or stay with `release` (an id, or a record).

    The models are those that the release names, loaded on `device` at the first query (`Catalog.load` does it
    now); a given `detector` or `embedder` must be the release's. Others than lookdex-tiny are loaded only if
    `trusted_models` has their names, as the release writes them: whoever may write to the catalogue must not choose
    what code runs here. `loader` loads models in another way, for every release that needs others than the one before.
    The promotion log is looked at when a query comes and `poll_seconds` have passed since the last look (math.inf: it
    is never looked at again).

    Before it answers, the release's index, manifest and deletion files, and up to `verify_bytes` of its data files
    (None: all), are checked against their recorded digests; see `verified`. A read of the table that takes longer than
    `read_seconds` (None: no limit) raises TooSlow. `facets` are the columns that `Catalog.facets` and questions with
    facets=True count (None: category and price, where there are such); a release without one of them is not opened, and
    a later one not followed.

    A store that does not answer a small request within `store_seconds` is lost: what needs it raises Unavailable, at
    once, until it answers again (see `watch`). None waits for it as long as its client does, as a nightly job would.

    Raises:
        BadQuery: an argument is wrong; ConfigError: `uri` names no store.
        ReleaseNotFound: nothing is live yet, or there is no such release.
        Unavailable: the store does not answer.
        ForkedProcess: a catalogue was opened before this process was forked.
        CorruptData: the release is damaged; the message names the file and the remedy.
        ModelMismatch: a model here is not the one the release was built with; ModelNotTrusted: it may not be loaded.
    """
    given = calls.OPENING.read(
        device=device,
        poll_seconds=poll_seconds,
        read_seconds=read_seconds,
        store_seconds=store_seconds,
        verify_bytes=verify_bytes,
    )
    calls.check_models(detector, embedder, loader)
    trusted = TrustedModels.of(texts("trusted_models", trusted_models))
    loading = Loading(given["device"], detector, embedder, loader, trusted)
    opening = Opening(
        given["verify_bytes"],
        given["read_seconds"],
        given["store_seconds"],
        None if facets is None else tuple(texts("facets", facets)),
    )
    pinned = calls.release_of(release)
    store = calls.store_of(uri, ReadOptions(hurry=opening.store_seconds is not None))
    catalog = Catalog(Place(store, pinned, loading, given["poll_seconds"], opening))
    catalog._following()
    return catalog


class Catalog:
    """Answers photos, texts and vectors from one release at a time. Thread-safe; created by `open_catalog`.

    In a fork of the process that opened it, all reads raise ForkedProcess. Unpickled, it opens the catalogue again at
    its first use, and follows what is live then, or stays pinned.
    """

    def __init__(self, place: Place) -> None:
        """Opens nothing."""
        self._place = place
        self._opening = threading.Lock()
        self._opened: Following | None = None

    def __reduce__(self) -> tuple[type[Catalog], tuple[Place]]:
        return Catalog, (self._place,)

    def _following(self) -> Following:
        """OpenRelease at the first call. Raises what `open_catalog` does."""
        if self._opened is None:
            check_opening()  # before the lock: a fork of this process may have left it taken
            with self._opening:
                if self._opened is None:
                    self._opened = Following(self._place)
        return self._opened

    # ── the release ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def opened(self) -> OpenRelease:
        """The open release that the next question is answered from."""
        return self._current().release

    @property
    def release(self) -> Release:
        """The record of the release that the next question is answered from."""
        return self.opened.record

    @property
    def behind(self) -> str | None:
        """Why the live release could not be followed at the last check; None if it was."""
        return self._following().behind

    @property
    def damage(self) -> str | None:
        """Known damage to the open release's files, with the remedy; None if there is none."""
        return self._following().now.release.items.verified.damage

    @property
    def store_health(self) -> StoreHealth:
        """Whether the store answers, as last known: it is checked when a read takes long or fails."""
        return self._following().watch.health

    @property
    def searchable(self) -> bool:
        """The store answers, or questions without a filter are answered from memory: a loaded release's rows, and what
        Lance keeps of its index."""
        return self._following().searchable

    @property
    def columns(self) -> tuple[FilterColumn, ...]:
        """What a `where` may name, and how: columns, each followed by the fields of its records.

        A `FilterColumn` has the name, the type in plain words, the operators, and a filter as an example.
        """
        return filter_columns(self.opened.filterable)

    @property
    def sortable(self) -> tuple[str, ...]:
        """The columns that a `sort` may name."""
        return self.opened.sortable

    @property
    def facets(self) -> Facets:
        """What a `where` may choose among: the values and ranges of columns, counted in products."""
        return self.opened.facets

    @calls.checked
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
        now.release.hold()
        now.release.items.verified.check_rest()
        return self

    @calls.checked
    def refresh(self) -> Release:
        """Check the promotion log now.

        Raises what keeps the live release from being opened, and Unavailable where the catalogue is gone; `behind` says
        so, too, and answers go on coming from what is open.
        """
        return self._following().refresh()

    def _current(self) -> Current:
        return self._following().current()

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────────

    @calls.checked
    def ask(self, *photos: Photo, options: Options | None = None) -> Answer:
        """Answer a question: one photo, several of one item, or none, with what `options` say beside or instead.

        photos: paths, a file's bytes, PIL images, or uint8 (H, W, 3) RGB arrays.

        Raises BadQuery: the photos or the options cannot be used, or do not go together; the message says why.
        """
        options = calls.given_options(options)
        now = self._current()
        return asking.answer(now.release, now.encoders, photos, options)

    @calls.checked
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
        options = calls.question(SearchOptions, more, k=k, where=where, box=box, crops=calls.crops_of(crops))
        return self.ask(*photos, options=options)

    @calls.checked
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
        words = calls.TEXT.read(text=text)["text"]
        options = calls.question(TextOptions, more, k=k, where=where, text=words, crops=calls.crops_of(crops))
        rows = scope_of(scope)
        now = self._current()
        return asking.answer(now.release, now.encoders, (), options, rows)

    @calls.checked
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
        options = calls.question(MoreOptions, more, k=k, where=where, crops=calls.crops_of(crops))
        rows = scope_of(scope)
        now = self._current()
        unit = unit_of(vector, now.release.record.dim)
        return asking.answer_vector(now.release, unit, rows, options)

    @calls.checked
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
        product = calls.PRODUCT.read(product_id=product_id)["product_id"]
        options = calls.question(
            SimilarOptions, more, k=k, where=where, product=product, crops=calls.crops_of(crops)
        )
        return self.ask(options=options)

    @calls.checked
    def goes_with(
        self, product_id: str, k: int = 5, where: str | None = None, *, crops: bool = True
    ) -> Answer:
        """What is worn with a product in its own photos: `Answer.goes_with`, a lane for each thing.

        For further options: `similar` with goes_with=True.
        """
        return self.similar(product_id, k, where, crops=crops, goes_with=True)

    @calls.checked
    def vectors(self, *photos: Photo, options: Options | None = None) -> np.ndarray:
        """What `ask` asks the table with: float32 (lanes, dim) of unit length, for readers that ask it themselves.

        In the order of the answer: its objects, the whole photo, then what goes with a product. The models run again.
        Raises BadQuery.
        """
        options = calls.given_options(options)
        now = self._current()
        return vectors_of(now.release, now.encoders, photos, options)

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────

    @calls.checked
    def crops(self, item_ids: Iterable[str]) -> dict[str, bytes]:
        """The stored crops (JPEG) of those of the items that the release has."""
        wanted = texts("item_ids", item_ids)
        return self._current().release.crops(wanted)

    @calls.checked
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
        return to_frame(self._current().release, where, columns, scope=scope, limit=limit)
