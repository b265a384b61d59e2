"""From a received question to the bytes of its answer: a place at the gate, pixels, the catalogue, JSON."""

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
from lookdex.runtime.wording import shortened
from lookdex.search.answer.facets import Facets
from lookdex.search.catalog import Catalog
from lookdex.search.query.options import Crops, Options
from lookdex.search.retrieval.open_release import OpenRelease
from lookdex.service.http.arrivals import Arrivals, Upload
from lookdex.service.http.connections import share_of
from lookdex.service.http.gate import Gate
from lookdex.service.http.observe import Metrics
from lookdex.service.http.pace import Pace
from lookdex.service.photos.decoding import Decoders
from lookdex.service.runner import Runner

T = TypeVar("T")
_READERS = 4  # stored crops read at a time
_READERS_QUEUE = 256
_ARRIVING = 4  # uploads that arrive at a time, for each question that is answered or waits: they take memory


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer as it is sent. seconds: by stage."""

    body: str
    release_id: str
    seconds: dict[str, float]


class Questions:
    """Answers questions of one catalogue. Of one event loop; `close` when it ends.

    places, queue: of the gate. deadline: seconds from a question's arrival to its answer. client_share, pace: of the
    uploads that arrive, those that one client may have, and how fast each must be.
    """

    def __init__(
        self,
        catalog: Catalog,
        decoders: Decoders,
        runner: Runner,
        metrics: Metrics,
        *,
        places: int,
        queue: int,
        deadline: float,
        client_share: float,
        pace: Pace,
    ):
        self.catalog, self.gate = catalog, Gate(places, queue)
        self._decoders, self._runner, self._metrics, self._deadline = decoders, runner, metrics, deadline
        self._reads = Gate(_READERS, _READERS_QUEUE)
        most = _ARRIVING * (places + queue)
        self._arrivals = Arrivals(most, share_of(client_share, most), pace)
        threads = self.gate.most_at_work + self._reads.most_at_work
        self._threads = DaemonPool("question", threads)
        metrics.watch(catalog, self.gate)

    def reception(self, client: str) -> AbstractContextManager[Upload]:
        """While an upload of the client arrives. Raises Refused, before any of it is read, when the queue is full."""
        self.gate.check()
        return self._arrivals.upload(client)

    async def ask(self, photos: tuple[bytes | bytearray, ...], options: Options) -> Spoken:
        """The answer to photos and options, or to options alone. Raises Refused, BadQuery."""
        self._check_facets(options)
        for photo in photos:
            self._metrics.uploaded(len(photo))
        deadline, watch = time.monotonic() + self._deadline, Stopwatch()

        def work() -> Spoken:
            watch.lap("queue")
            pixels = self._decoders.decode_all(photos, deadline)
            if photos:
                watch.lap("decode")
            answer = self.catalog.ask(*pixels, options=options)
            watch.skip()
            body = answer.to_json(crops=options.crops is not Crops.NONE, indent=None)
            watch.lap("encode")
            steps = {step: spent for step, spent in answer.seconds.items() if step != "decode"}
            return Spoken(body, answer.release_id, dict(watch.seconds) | steps)

        spoken = await self._in_thread(self.gate, work, deadline)
        self._metrics.stages(spoken.seconds)
        return spoken

    def _check_facets(self, options: Options) -> None:
        """Whatever else a client names is not counted: a column of long texts may take gigabytes to read."""
        if isinstance(options.facets, bool):
            return
        offered = self.catalog.opened.facet_columns
        if odd := [name for name in options.facets if name not in offered]:
            raise BadQuery(
                f"the column {shortened(odd[0], 80)!r} is not counted here; those that are: {', '.join(offered)}"
            )

    async def crop(self, item_id: str) -> bytes | None:
        """The stored picture (JPEG) of an item; None where the release has no such item. Raises Refused."""
        found = await self._read(lambda: self.catalog.crops([item_id]))
        return found.get(item_id)

    async def facets(self, opened: OpenRelease) -> Facets:
        """What filters can offer: known since the release was opened, unless the catalogue was not loaded."""
        return opened.facets if opened.held else await self._read(lambda: opened.facets)

    async def _read(self, work: Callable[[], T]) -> T:
        return await self._in_thread(self._reads, work, time.monotonic() + self._deadline)

    async def _in_thread(self, gate: Gate, work: Callable[[], T], deadline: float) -> T:
        loop = asyncio.get_running_loop()

        def by_then() -> T:
            DEADLINE.set(deadline)
            return work()

        async def run() -> T:
            return await loop.run_in_executor(self._threads, by_then)  # in a context of its own

        return await gate.run(run, deadline)

    def close(self) -> None:
        """Take no more. Whoever was still waiting has been answered, or sent away, by now."""
        self.gate.close()
        self._threads.shutdown(cancel_futures=True)
