"""Follow the live release in a thread, so that no question waits for the promotion log."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from lookdex.search.catalog import Catalog

END_SECONDS = 0.5  # to wait for a refresh in progress; a longer one is abandoned


@contextlib.contextmanager
def follow_live(catalog: Catalog, seconds: float) -> Iterator[None]:
    """Refresh the catalogue every `seconds`. The log and `Catalog.behind` say why a release cannot be opened."""
    stop = threading.Event()

    def poll() -> None:
        while not stop.wait(seconds):
            # The catalogue logs the error and keeps serving the release it has.
            with contextlib.suppress(Exception):
                catalog.refresh()

    thread = threading.Thread(target=poll, name="follow", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(END_SECONDS)
