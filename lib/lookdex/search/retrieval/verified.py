"""Verify the files of a release against their recorded digests before they are used.

The manifest, the index and the deletion files decide which rows are found, and Lance trusts them. So all of them are
verified when a release is opened, and as many data files as `verify_bytes` allows. The other data files are verified
in the background once the catalogue is loaded; a file that cannot be read is tried again. Files that change later,
while a catalogue is open, are found only by the audits of the next nights.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref

from lookdex.catalog import integrity, tables
from lookdex.errors import CorruptData, StorageError
from lookdex.records import Release, StoredFile
from lookdex.storage import Store

VERIFY_BYTES = 128_000_000  # of data files, read when a release is opened: 0.1 s from a disk, 1 s from S3
RETRY_SECONDS = 10.0  # before a file that could not be read is tried again

logger = logging.getLogger(__name__)


class Verified:
    """The verification of the `items` of one release. Thread-safe."""

    def __init__(self, store: Store, release: Release, verify_bytes: int | None = VERIFY_BYTES) -> None:
        """verify_bytes: of data files to verify before the first question; None: all."""
        self._store, self._release = store, release
        self._damage: str | None = None
        self._unread = False  # the last file tried could not be read
        self._started = threading.Lock()
        recorded = integrity.find_files(store, release)
        self._first: list[StoredFile] = []
        self._rest: list[StoredFile] = []
        left = verify_bytes
        for file in recorded.items if recorded is not None else ():
            folder = file.key.removeprefix(f"{tables.ITEMS}/")
            if folder.startswith(integrity.TRANSACTIONS):  # only writers read these
                continue
            if folder.startswith(integrity.DATA) and left is not None:
                left -= file.bytes
                (self._first if left >= 0 else self._rest).append(file)
            else:
                self._first.append(file)

    @property
    def damage(self) -> str | None:
        """Known damage to the release's files, with the remedy; None when none is known."""
        return self._damage

    def check(self) -> None:
        """Raises CorruptData once damage is known."""
        if self._damage is not None:
            raise CorruptData(self._damage)

    def check_first(self) -> None:
        """Verify what must be intact before the table is opened. Raises CorruptData, Unavailable, AccessDenied."""
        if found := integrity.find_damage(self._store, self._first):
            self._record(found[0])
            self.check()

    def check_rest(self) -> None:
        """Start a thread, once, that verifies the rest. A file that cannot be read is tried until it can."""
        if self._rest and self._started.acquire(blocking=False):
            threading.Thread(
                target=_check_rest, args=(weakref.ref(self),), name="verify", daemon=True
            ).start()

    def _check_rest_once(self) -> bool:
        """Verify the rest. Returns False to be called again: a file could not be read."""
        while self._rest:
            try:
                damage = integrity.check(self._store, self._rest[0])
            except StorageError as error:
                if not self._unread:
                    logger.warning("release %s is not verified yet: %s", self._release.release_id, error)
                self._unread = True
                return False
            if damage is not None:
                self._record(damage)
                logger.error("%s", self._damage)
                return True
            del self._rest[0]
        if self._unread:
            logger.info(
                "release %s is verified; all its files could be read at last", self._release.release_id
            )
        return True

    def _record(self, damage: integrity.Damage) -> None:
        name = self._release.release_id
        self._damage = (
            f"release {name} is damaged: {self._store.uri}/{damage.key}: {damage.why}. No query is answered from "
            f"it. {integrity.describe_remedy(self._store, damage.key, name)}"
        )


def _check_rest(verified: weakref.ref[Verified]) -> None:
    """Until all is verified, or the release is closed."""
    while (here := verified()) is not None:
        done = here._check_rest_once()
        del here
        if done:
            return
        time.sleep(RETRY_SECONDS)
