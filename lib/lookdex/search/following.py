"""The live release of a catalogue, followed; or one release that stays.

A release that cannot be opened is not followed: answers go on coming from the one before, and `behind` says why. That
holds for a damaged one, for models that are not trusted, and for one that lacks a column that `facets` asks for.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lookdex.catalog import promotion_log
from lookdex.errors import ReleaseNotFound, Unavailable
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
class Place:
    """What to open, and how: picklable. release: the one to stay with; None: the live one is followed."""

    store: Store
    release: str | Release | None
    loading: Loading
    poll_seconds: float
    opening: Opening


@dataclass(frozen=True, slots=True)
class Current:
    """What a request works with from its first step to its last."""

    entry: LiveEntry | None  # of the promotion log; None when pinned
    opened: OpenRelease
    encoders: Encoders


class Following:
    """Of one place. Safe among threads of the process that made it; in a fork of that, what reads raises ForkedProcess.

    behind: why the live release could not be followed at the last look; None when it was.
    """

    def __init__(self, place: Place):
        self._place, self.watch = place, StoreWatch(place.store, place.opening.store_seconds)
        self._owner = Owner(f"the catalogue {place.store.uri}")
        self._looking = threading.Lock()
        self.behind: str | None = None
        self.watch.require()
        if place.release is None:
            entry = self.watch.read(lambda: promotion_log.current(place.store))
            if entry is None:
                raise ReleaseNotFound(
                    f"nothing is live in {place.store.uri} yet: publish a first release with "
                    f"`lookdex reindex --source … --catalog {place.store.uri}`"
                )
            self.now = self._open(entry, self._load_release(entry.release_id), None)
        else:
            pinned = place.release
            self.now = self._open(
                None, self._load_release(pinned) if isinstance(pinned, str) else pinned, None
            )
        self._first = self.now.opened.record.recipe
        self._next_look = time.monotonic() + place.poll_seconds

    @property
    def searchable(self) -> bool:
        """See `Catalog.searchable`."""
        health, opened = self.watch.health, self.now.opened
        if health.problem is None:
            return True
        kept = opened.held and opened.record.index.kind != "exact"
        return kept and not any(isinstance(k, ReadKind) and k.of_every_question for k in health.failed)

    def refresh(self) -> Release:
        """See `Catalog.refresh`."""
        self._owner.check()
        with self._looking:
            try:
                self._follow()
            except Exception as error:
                self._remember(error)
                raise
        return self.now.opened.record

    def current(self) -> Current:
        """What a question is answered from, after a look at the promotion log where it is time for one."""
        self._owner.check()
        if (
            self._place.release is None
            and time.monotonic() >= self._next_look
            and self._looking.acquire(blocking=False)
        ):
            # One request looks; the others go on with what is open.
            try:
                self._follow()
            except Exception as error:  # whatever it is: a bad night never reaches those who ask
                self._remember(error)
            finally:
                self._next_look = time.monotonic() + self._place.poll_seconds
                self._looking.release()
        return self.now

    def _remember(self, error: Exception) -> None:
        lost = self.watch.health.problem is not None  # which is in the log already
        if self.behind != str(error) and not lost:
            logger.warning("still answering from release %s: %s", self.now.opened.record.release_id, error)
        self.behind = str(error)

    def _follow(self) -> None:
        if self._place.release is not None:
            return
        entry: LiveEntry | None = self.watch.read(lambda: promotion_log.current(self._place.store))
        if entry is None:
            raise Unavailable(
                f"the catalogue {self._place.store.uri} is gone: nothing is live in it any more. Mount its disk, or "
                "restore it; until then answers come from what is open"
            )
        now = self.now
        if entry != now.entry:
            if entry.release_id == now.opened.record.release_id:
                self.now = replace(now, entry=entry)
            else:
                self.now = self._open(entry, self._load_release(entry.release_id), now)
                told = {
                    "release": entry.release_id,
                    "before": now.opened.record.release_id,
                    "by": entry.action,
                }
                logger.info("another release answers", extra={"fields": told})
        self.behind = None

    def _load_release(self, release_id: str) -> Release:
        return self.watch.read(lambda: promotion_log.load_release(self._place.store, release_id))

    def _open(self, entry: LiveEntry | None, release: Release, before: Current | None) -> Current:
        if before is not None and before.encoders.key == models_key(release):
            encoders = before.encoders
        else:  # before the table is read: the release may name models that are not trusted
            encoders = self._place.loading.encoders(
                release, release.recipe if before is None else self._first
            )
        opened = self._place.opening.open(self._place.store, release, self.watch)
        encoders.check_given()
        if before is None:
            return Current(entry, opened, encoders)
        if before.encoders.loaded:
            encoders.load()  # before the swap, as what follows: no query waits for it
        if before.opened.held:
            opened.hold()
            opened.items.verified.look_at_rest()
        return Current(entry, opened, encoders)
