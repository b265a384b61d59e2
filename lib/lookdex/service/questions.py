"""Answer received questions: wait for a slot, decode the photos, ask the catalogue, encode JSON."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

from lookdex.errors import BadQuery
from lookdex.runtime.daemons import DaemonPool
from lookdex.runtime.deadline import DEADLINE
from lookdex.runtime.stopwatch import Stopwatch
from lookdex.runtime.wording import shorten
from lookdex.search.answer.facets import Facets
from lookdex.search.catalog import Catalog
from lookdex.search.query.options import Crops, Options
from lookdex.search.retrieval.open_release import OpenRelease
from lookdex.service.http.arrivals import Upload, UploadSlots
from lookdex.service.http.connections import compute_share
from lookdex.service.http.gate import Gate
from lookdex.service.http.observe import Metrics
from lookdex.service.http.pace import MinimumRate
from lookdex.service.photos.decoding import DecoderPool
from lookdex.service.runner import ModelRunner

T = TypeVar("T")
_READERS = 4  # concurrent reads of stored crops
_READERS_QUEUE = 256
_UPLOADS = 4  # uploads in progress per running or waiting question; they take memory


@dataclass(frozen=True, slots=True)
class EncodedAnswer:
    """An answer encoded as JSON."""

    body: str
    release_id: str
    seconds: dict[str, float]
    """By stage."""


class QuestionHandler:
    """Answer questions to one catalogue, for one event loop. Call `close` at the end.

    Args:
        max_concurrency: questions answered at the same time.
        queue: questions that may wait.
        deadline: seconds from a question's arrival to its answer.
        client_share: share of the uploads in progress that one client may have.
        pace: minimum rate of an upload.
    """

    def __init__(
        self,
        catalog: Catalog,
        decoders: DecoderPool,
        runner: ModelRunner,
        metrics: Metrics,
        *,
        max_concurrency: int,
        queue: int,
        deadline: float,
        client_share: float,
        pace: MinimumRate,
    ) -> None:
        self.catalog, self.gate = catalog, Gate(max_concurrency, queue)
        self._decoders, self._runner, self._metrics, self._deadline = decoders, runner, metrics, deadline
        self._reads = Gate(_READERS, _READERS_QUEUE)
        max_uploads = _UPLOADS * (max_concurrency + queue)
        self._arrivals = UploadSlots(max_uploads, compute_share(client_share, max_uploads), pace)
        threads = self.gate.max_threads + self._reads.max_threads
        self._threads = DaemonPool("question", threads)
        metrics.watch(catalog, self.gate)

    def receiving(self, client: str) -> AbstractContextManager[Upload]:
        """Track a client's upload while it arrives. Raises ProblemError before reading it if the queue is full."""
        self.gate.check()
        return self._arrivals.upload(client)

    async def ask(self, photos: tuple[bytes | bytearray, ...], options: Options) -> EncodedAnswer:
        """Answer a question of photos and options, or of options alone. Raises ProblemError, BadQuery."""
        self._check_facets(options)
        for photo in photos:
            self._metrics.observe_upload(len(photo))
        deadline, watch = time.monotonic() + self._deadline, Stopwatch()

        def work() -> EncodedAnswer:
            watch.lap("queue")
            pixels = self._decoders.decode_all(photos, deadline)
            if photos:
                watch.lap("decode")
            answer = self.catalog.ask(*pixels, options=options)
            watch.skip()
            body = answer.to_json(crops=options.crops is not Crops.NONE, indent=None)
            watch.lap("encode")
            steps = {step: spent for step, spent in answer.seconds.items() if step != "decode"}
            return EncodedAnswer(body, answer.release_id, dict(watch.seconds) | steps)

        encoded = await self._in_thread(self.gate, work, deadline)
        self._metrics.observe_stages(encoded.seconds)
        return encoded

    def _check_facets(self, options: Options) -> None:
        """Raise BadQuery for other columns than the configured: a column of long texts may take gigabytes to read."""
        if isinstance(options.facets, bool):
            return
        configured = self.catalog.opened.facet_columns
        if unknown := [name for name in options.facets if name not in configured]:
            raise BadQuery(
                f"the column {shorten(unknown[0], 80)!r} is not a facet; the facets are: {', '.join(configured)}"
            )

    async def crop(self, item_id: str) -> bytes | None:
        """The stored picture (JPEG) of an item, or None if the release has no such item. Raises ProblemError."""
        found = await self._read(lambda: self.catalog.crops([item_id]))
        return found.get(item_id)

    async def facets(self, opened: OpenRelease) -> Facets:
        """The facets of a release. They are known already if the release is loaded."""
        return opened.facets if opened.held else await self._read(lambda: opened.facets)

    async def _read(self, work: Callable[[], T]) -> T:
        return await self._in_thread(self._reads, work, time.monotonic() + self._deadline)

    async def _in_thread(self, gate: Gate, work: Callable[[], T], deadline: float) -> T:
        loop = asyncio.get_running_loop()

        def with_deadline() -> T:
            DEADLINE.set(deadline)
            return work()

        async def run() -> T:
            return await loop.run_in_executor(self._threads, with_deadline)  # runs in its own context

        return await gate.run(run, deadline)

    def close(self) -> None:
        """Accept no more questions. By now, all waiting ones have been answered or refused."""
        self.gate.close()
        self._threads.shutdown(cancel_futures=True)
