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

from lookdex.errors import BadQuery
from lookdex.models.trust import TrustedModels
from lookdex.records import Box, Release, Scope
from lookdex.runtime.forks import check_opening
from lookdex.search import calls
from lookdex.search.answer.answer import Answer
from lookdex.search.answer.facets import Facets
from lookdex.search.engine.ask import answer_question, answer_vector
from lookdex.search.engine.encoders import Loader
from lookdex.search.engine.photo import Photo
from lookdex.search.engine.vectors import embed_question, to_unit_vector
from lookdex.search.following import CatalogConfig, Current, ModelConfig, ReadConfig, ReleaseFollower
from lookdex.search.query.arguments import texts
from lookdex.search.query.keywords import MoreOptions, SearchOptions, SimilarOptions, TextOptions
from lookdex.search.query.options import Options
from lookdex.search.retrieval.filters import FilterColumn, filter_columns
from lookdex.search.retrieval.frame import read_scope, to_frame
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
    """Open a catalogue: the live release, followed from then on, or a pinned one.

    Args:
        uri: the URI or folder of the catalogue, or its store.
        release: the id or record of the release to pin; None: follow the live one.
        device: for the models, which are loaded at the first question or by `Catalog.load`.
        detector, embedder: loaded models to use; they must be those of the release.
        loader: loads the models instead, whenever a release needs other ones.
        trusted_models: names of models that may be loaded besides lookdex-tiny. A release names its models, and whoever
            can write to the catalogue must not choose what code runs here.
        poll_seconds: a question checks the promotion log if the last check is older; math.inf: never.
        read_seconds: a longer read of the table raises TooSlow; None: no limit.
        store_seconds: a store that does not answer a small request within this time is lost: reads raise Unavailable at
            once until it answers again (see `watch`). None: wait as long as the store's client does, as in a nightly
            job.
        verify_bytes: bytes of data files to verify before the first answer; None: all. The manifest, the index and the
            deletion files are always verified (see `verified`).
        facets: the columns that `Catalog.facets` and questions with facets=True count; a release without one of them is
            neither opened nor followed. None: category and price, if they exist.

    Raises:
        BadQuery: an argument is wrong.
        ConfigError: `uri` is not a known kind of store.
        ReleaseNotFound: nothing is live yet, or there is no such release.
        Unavailable: the store does not answer.
        ForkedProcess: a catalogue was opened before this process was forked.
        CorruptData: the release is damaged; the message has the file and the remedy.
        ModelMismatch: a model is not the one that the release was built with.
        ModelNotTrusted: a model of the release may not be loaded.
    """
    given = calls.OPENING.read(
        device=device,
        poll_seconds=poll_seconds,
        read_seconds=read_seconds,
        store_seconds=store_seconds,
        verify_bytes=verify_bytes,
    )
    calls.check_models(detector, embedder, loader)
    trusted = TrustedModels.from_names(texts("trusted_models", trusted_models))
    models = ModelConfig(given["device"], detector, embedder, loader, trusted)
    reads = ReadConfig(
        given["verify_bytes"],
        given["read_seconds"],
        given["store_seconds"],
        None if facets is None else tuple(texts("facets", facets)),
    )
    pinned = calls.check_release(release)
    store = calls.resolve_store(uri, ReadOptions(hurry=reads.store_seconds is not None))
    catalog = Catalog(CatalogConfig(store, pinned, models, given["poll_seconds"], reads))
    catalog._follower()
    return catalog


class Catalog:
    """Answers questions from one release at a time. Thread-safe; created by `open_catalog`.

    In a fork of the process that opened it, all reads raise ForkedProcess. A pickled one opens the catalogue again when
    it is first used.
    """

    def __init__(self, config: CatalogConfig) -> None:
        """Opens nothing."""
        self._config = config
        self._opening = threading.Lock()
        self._opened: ReleaseFollower | None = None

    def __reduce__(self) -> tuple[type[Catalog], tuple[CatalogConfig]]:
        return Catalog, (self._config,)

    def _follower(self) -> ReleaseFollower:
        """Open the catalogue at the first call. Raises what `open_catalog` does."""
        if self._opened is None:
            check_opening()  # before the lock, which may be held forever in a fork
            with self._opening:
                if self._opened is None:
                    self._opened = ReleaseFollower(self._config)
        return self._opened

    # ── the release ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def opened(self) -> OpenRelease:
        """The open release, from which the next question is answered."""
        return self._current().release

    @property
    def release(self) -> Release:
        """The record of the open release."""
        return self.opened.record

    @property
    def behind(self) -> str | None:
        """Why the live release could not be followed at the last check; None if it was."""
        return self._follower().behind

    @property
    def damage(self) -> str | None:
        """Known damage to the open release's files, with the remedy; None if there is none."""
        return self._follower().now.release.items.verified.damage

    @property
    def store_health(self) -> StoreHealth:
        """Whether the store answers, as last known: it is checked when a read takes long or fails."""
        return self._follower().watch.health

    @property
    def searchable(self) -> bool:
        """Whether questions can be answered: the store answers, or those without a filter are answered from memory, by
        the rows of a loaded release and the index that Lance caches."""
        return self._follower().searchable

    @property
    def columns(self) -> tuple[FilterColumn, ...]:
        """The columns that `where` can use, each followed by the fields of its records."""
        return filter_columns(self.opened.filterable)

    @property
    def sortable(self) -> tuple[str, ...]:
        """The columns that `sort` can use."""
        return self.opened.sortable

    @property
    def facets(self) -> Facets:
        """The values and ranges of the facet columns, with their numbers of products."""
        return self.opened.facets

    @calls.checked
    def load(self) -> Catalog:
        """Load the models and the small columns of the rows now, so that no question waits for them.

        The columns take about 200 bytes of memory per row, plus the vectors if they take up to 256 MB together;
        otherwise each answer reads its rows from the table. The data files that are not verified yet are verified in
        the background. A release that goes live later is loaded by the call that finds it: `refresh`, or a question.
        """
        now = self._current()
        now.encoders.load()
        now.release.hold()
        now.release.items.verified.check_rest()
        return self

    @calls.checked
    def refresh(self) -> Release:
        """Check the promotion log now, and open the live release if it is another one.

        Raises why it cannot be opened (see `open_catalog`), and Unavailable if the catalogue is gone. `behind` then has
        the reason, and the open release keeps answering.
        """
        return self._follower().refresh()

    def _current(self) -> Current:
        return self._follower().current()

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────────

    @calls.checked
    def ask(self, *photos: Photo, options: Options | None = None) -> Answer:
        """Answer a question of one photo, several photos of one item, or none, with options.

        photos: paths, bytes of files, PIL images, or uint8 (H, W, 3) RGB arrays.

        Raises BadQuery if the photos or the options are wrong, or contradict each other.
        """
        options = calls.check_options(options)
        now = self._current()
        return answer_question(now.release, now.encoders, photos, options)

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
        """Find the k most similar products for each object in the photo, and for the whole photo.

        Args:
            photo: as in `ask`; a list or tuple of photos must show the same item.
            where: a filter on product columns, such as "price < 50 and category = 'dress'" (see `filters`).
            box: (x0, y0, x1, y1) in pixels of the upright photo: search only this box.
            crops: fetch the JPEGs of the matches too (`Match.crop`).
            more: other `Options`: text="in red", colour=0.3, object=2, widen="never", offset=5, sort="-price" …

        Raises:
            BadQuery: the photo or an option is wrong.
            ReleaseChanged: `release` is given, and another release is live.
        """
        photos = photo if isinstance(photo, list | tuple) else (photo,)
        if not photos:
            raise BadQuery("photo is an empty list: give a photo, or call search_text")
        options = calls.build_options(
            SearchOptions, more, k=k, where=where, box=box, crops=calls.to_crops_option(crops)
        )
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
        """Find the k products most similar to a text. Raises BadQuery if the release's embedder cannot embed text."""
        words = calls.TEXT.read(text=text)["text"]
        options = calls.build_options(
            TextOptions, more, k=k, where=where, text=words, crops=calls.to_crops_option(crops)
        )
        rows = read_scope(scope)
        now = self._current()
        return answer_question(now.release, now.encoders, (), options, rows)

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
        """Find the k products most similar to a vector (dim,) of the release's embedder, of any norm."""
        options = calls.build_options(MoreOptions, more, k=k, where=where, crops=calls.to_crops_option(crops))
        rows = read_scope(scope)
        now = self._current()
        unit = to_unit_vector(vector, now.release.record.dim)
        return answer_vector(now.release, unit, rows, options)

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
        """Find products similar to a product of the catalogue, which is left out itself.

        With goes_with=True, also find products like those worn with it. Raises ProductNotFound.
        """
        product = calls.PRODUCT.read(product_id=product_id)["product_id"]
        options = calls.build_options(
            SimilarOptions, more, k=k, where=where, product=product, crops=calls.to_crops_option(crops)
        )
        return self.ask(options=options)

    @calls.checked
    def goes_with(
        self, product_id: str, k: int = 5, where: str | None = None, *, crops: bool = True
    ) -> Answer:
        """Find products like those worn with a product in its photos: `Answer.goes_with` has a lane for each.

        For further options use `similar` with goes_with=True.
        """
        return self.similar(product_id, k, where, crops=crops, goes_with=True)

    @calls.checked
    def vectors(self, *photos: Photo, options: Options | None = None) -> np.ndarray:
        """The query vectors of `ask`, float32 (lanes, dim) of unit length, for programs that query the table.

        In the order of the answer: objects, whole photo, goes_with. The models run again. Raises BadQuery.
        """
        options = calls.check_options(options)
        now = self._current()
        return embed_question(now.release, now.encoders, photos, options)

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────

    @calls.checked
    def crops(self, item_ids: Iterable[str]) -> dict[str, bytes]:
        """The stored crops (JPEG) by item id, of the items that the release has."""
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
        """Rows of the release as a pandas frame, with the release in its `attrs`.

        Args:
            where: a filter as in `search`, on any column except vector, crop and palette.
            columns: default: all except vector and crop, which take kilobytes per row. np.stack(frame["vector"]) is the
                matrix of the vectors.
            scope: "object" or "image" (whole photos); None: both.

        Raises:
            BadQuery: an argument is wrong.
            MissingExtra: pandas is not installed.
        """
        return to_frame(self._current().release, where, columns, scope=scope, limit=limit)
