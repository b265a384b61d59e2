"""Verifies that the files of an opened release have the bytes that were written, before they are used.

The manifest, the index and the deletion files decide which rows are found, and Lance trusts them: all of them are
read at once when a release is opened, and of the data files as many as `verify_bytes` allows. The others are read
in the background once the catalogue is loaded, or once the store gives them again. Later changes under an open
catalogue are noticed only by the audits of the next nights.
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

VERIFY_BYTES = (
    128_000_000  # of data files, read again when a release is opened: 0.1 s from a disk, 1 s from S3
)
RETRY_SECONDS = 10.0  # until a file is tried again that the store did not give

logger = logging.getLogger(__name__)


class Verified:
    """Of the `items` of one release. Safe among threads."""

    def __init__(self, store: Store, release: Release, verify_bytes: int | None = VERIFY_BYTES):
        """verify_bytes: of data files, before the first query; None for all."""
        self._store, self._release = store, release
        self._damage: str | None = None
        self._unread = False  # the store did not give a file
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

    def look_first(self) -> None:
        """Read what must be whole before the table is opened. Raises CorruptData, Unavailable, AccessDenied."""
        if found := integrity.changed(self._store, self._first):
            self._remember(found[0])
            self.check()

    def look_at_rest(self) -> None:
        """Read the rest from a thread, once. While the store does not give a file, it is tried again and again."""
        if self._rest and self._started.acquire(blocking=False):
            threading.Thread(
                target=_look_at_rest, args=(weakref.ref(self),), name="verify", daemon=True
            ).start()

    def _look_on(self) -> bool:
        """Go on with the rest; False where the store gives no file now."""
        while self._rest:
            try:
                damage = integrity.check(self._store, self._rest[0])
            except StorageError as error:
                if not self._unread:
                    logger.warning("release %s is not verified yet: %s", self._release.release_id, error)
                self._unread = True
                return False
            if damage is not None:
                self._remember(damage)
                logger.error("%s", self._damage)
                return True
            del self._rest[0]
        if self._unread:
            logger.info(
                "release %s is verified, after the store did not give a file", self._release.release_id
            )
        return True

    def _remember(self, damage: integrity.Damage) -> None:
        name = self._release.release_id
        self._damage = (
            f"release {name} is damaged: {self._store.uri}/{damage.key}: {damage.why}. No query is answered from "
            f"it. {integrity.remedy(self._store, damage.key, name)}"
        )


def _look_at_rest(verified: weakref.ref[Verified]) -> None:
    """Until all is read, or nobody has the release open any more."""
    while (here := verified()) is not None:
        done = here._look_on()
        del here
        if done:
            return
        time.sleep(RETRY_SECONDS)
