"""Follow the live release of a catalogue, or stay with a pinned one.

If a new live release cannot be opened, the one before keeps answering, and `behind` says why: it is damaged, its models
are not trusted, or a column of `facets` is missing.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lookdex.catalog import promotion_log
from lookdex.errors import Unavailable
from lookdex.models.trust import ONLY_TINY, TrustedModels
from lookdex.records import LiveEntry, Recipe, Release
from lookdex.runtime.forks import Owner
from lookdex.search.engine.encoders import Encoders, Loader, models_key
from lookdex.search.retrieval.open_release import OpenRelease, open_release
from lookdex.search.retrieval.table import READ_SECONDS, ReadKind
from lookdex.search.retrieval.verified import VERIFY_BYTES
from lookdex.search.retrieval.watch import STORE_SECONDS, StoreWatch
from lookdex.storage import Store

if TYPE_CHECKING:
    from lookdex.models.detect import Detector
    from lookdex.models.embed import Embedder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """How models are loaded, unless they are given."""

    device: str = "cpu"
    detector: Detector | None = None
    embedder: Embedder | None = None
    loader: Loader | None = None
    trusted: TrustedModels = ONLY_TINY

    def encoders(self, release: Release, first: Recipe) -> Encoders:
        return Encoders(release, first, self.device, self.detector, self.embedder, self.loader, self.trusted)


@dataclass(frozen=True, slots=True)
class ReadConfig:
    """How releases are opened: the arguments of `open_catalog`."""

    verify_bytes: int | None = VERIFY_BYTES
    read_seconds: float | None = READ_SECONDS
    store_seconds: float | None = STORE_SECONDS
    facets: tuple[str, ...] | None = None

    def open(self, store: Store, release: Release, watch: StoreWatch) -> OpenRelease:
        return open_release(
            store,
            release,
            verify_bytes=self.verify_bytes,
            read_seconds=self.read_seconds,
            watch=watch,
            facets=self.facets,
        )


@dataclass(frozen=True, slots=True)
class CatalogConfig:
    """What to open, and how. Picklable."""

    store: Store
    release: str | Release | None
    """The pinned one; None: follow the live one."""
    models: ModelConfig
    poll_seconds: float
    reads: ReadConfig


@dataclass(frozen=True, slots=True)
class Current:
    """What a question uses from start to end, whatever goes live meanwhile."""

    entry: LiveEntry | None  # of the promotion log; None if pinned
    release: OpenRelease
    encoders: Encoders


class ReleaseFollower:
    """Follows one catalogue. Thread-safe in the process that created it; in a fork of it, reads raise ForkedProcess.

    behind: why the live release could not be followed at the last check; None if it was.
    """

    def __init__(self, config: CatalogConfig) -> None:
        self._config, self.watch = config, StoreWatch(config.store, config.reads.store_seconds)
        self._owner = Owner(f"the catalogue {config.store.uri}")
        self._checking = threading.Lock()
        self.behind: str | None = None
        self.watch.require()
        if config.release is None:
            entry: LiveEntry = self.watch.read(lambda: promotion_log.require_current(config.store))
            self.now = self._open(entry, self._load_release(entry.release_id), None)
        else:
            pinned = config.release
            self.now = self._open(
                None, self._load_release(pinned) if isinstance(pinned, str) else pinned, None
            )
        self._first = self.now.release.record.recipe
        self._next_check = time.monotonic() + config.poll_seconds

    @property
    def searchable(self) -> bool:
        """See `Catalog.searchable`."""
        health, release = self.watch.health, self.now.release
        if health.problem is None:
            return True
        cached = release.held and release.record.index.kind != "exact"
        return cached and not any(isinstance(kind, ReadKind) and kind.is_basic for kind in health.failed)

    def refresh(self) -> Release:
        """See `Catalog.refresh`."""
        self._owner.check()
        with self._checking:
            try:
                self._follow()
            except Exception as error:
                self._record_failure(error)
                raise
        return self.now.release.record

    def current(self) -> Current:
        """The release and models for a question, after a check of the promotion log if it is due."""
        self._owner.check()
        if (
            self._config.release is None
            and time.monotonic() >= self._next_check
            and self._checking.acquire(blocking=False)
        ):
            # Only one question checks; the others use the open release.
            try:
                self._follow()
            except Exception as error:  # a bad release must never fail a question
                self._record_failure(error)
            finally:
                self._next_check = time.monotonic() + self._config.poll_seconds
                self._checking.release()
        return self.now

    def _record_failure(self, error: Exception) -> None:
        lost = self.watch.health.problem is not None  # logged already
        if self.behind != str(error) and not lost:
            logger.warning("still answering from release %s: %s", self.now.release.record.release_id, error)
        self.behind = str(error)

    def _follow(self) -> None:
        if self._config.release is not None:
            return
        entry: LiveEntry | None = self.watch.read(lambda: promotion_log.current(self._config.store))
        if entry is None:
            raise Unavailable(
                f"the catalogue {self._config.store.uri} is gone: nothing is live in it. Mount its disk or "
                "restore it; until then the open release answers"
            )
        now = self.now
        if entry != now.entry:
            if entry.release_id == now.release.record.release_id:
                self.now = replace(now, entry=entry)
            else:
                self.now = self._open(entry, self._load_release(entry.release_id), now)
                fields = {
                    "release": entry.release_id,
                    "before": now.release.record.release_id,
                    "by": entry.action,
                }
                logger.info("another release answers", extra={"fields": fields})
        self.behind = None

    def _load_release(self, release_id: str) -> Release:
        return self.watch.read(lambda: promotion_log.load_release(self._config.store, release_id))

    def _open(self, entry: LiveEntry | None, release: Release, before: Current | None) -> Current:
        if before is not None and before.encoders.key == models_key(release):
            encoders = before.encoders
        else:  # before any read of the table: its models may not be trusted
            encoders = self._config.models.encoders(
                release, release.recipe if before is None else self._first
            )
        opened = self._config.reads.open(self._config.store, release, self.watch)
        encoders.check_given()
        if before is None:
            return Current(entry, opened, encoders)
        if before.encoders.loaded:
            encoders.load()  # like the rest below before the swap, so that no question waits
        if before.release.held:
            opened.hold()
            opened.items.verified.check_rest()
        return Current(entry, opened, encoders)
