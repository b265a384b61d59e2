"""Follow the live release from a thread, so that no question waits for a look at the promotion log."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from lookdex.search.catalog import Catalog

END_SECONDS = 0.5  # for a look to end; one that takes longer is left behind


@contextlib.contextmanager
def following(catalog: Catalog, seconds: float) -> Iterator[None]:
    """Look every so many seconds. What keeps a release from being opened is in the log, and in `Catalog.behind`."""
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(seconds):
            # The catalogue remembers what was wrong: a bad night never reaches who asks.
            with contextlib.suppress(Exception):
                catalog.refresh()

    thread = threading.Thread(target=look, name="follow", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(END_SECONDS)
