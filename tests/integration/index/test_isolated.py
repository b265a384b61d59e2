"""Indexing photo by photo: one photo that breaks a model, one that ends its process, and a model that always fails."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from lookdex.errors import LookdexError, ModelFailed
from lookdex.index import isolated
from lookdex.index.analyse import Tools
from lookdex.index.fetch import Bad
from lookdex.index.shard_writer import Outcome
from lookdex.index.supply import Supply
from lookdex.index.task import IndexTask
from lookdex.records import Detection, Reason, Shard
from lookdex.runtime.stopwatch import Stopwatch
from lookdex.storage import open_store
from tests import fakes
from tests.support.photos import fill, refs_of


@dataclass(frozen=True)
class BreakingDetector(fakes.FakeDetector):
    """Raises at the calls with these numbers; the first call of each process is the trial on a plain picture."""

    errors: dict[int, BaseException] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)

    def detect(self, images: Sequence[np.ndarray]) -> list[list[Detection]]:
        self.calls.append(len(images))
        if error := self.errors.get(len(self.calls) - 1):
            raise error
        return super().detect(images)


class ThreadProcess(isolated._Process):
    """The child process as a thread of this one, so that a test chooses its models."""

    def __init__(self, *request: Any) -> None:
        self._connection, theirs = Pipe()
        self.gets = 0
        self._thread = threading.Thread(target=serve, args=[theirs])
        self._thread.start()
        try:
            self._connection.send(request)
            self.dim = self._receive()
        except BaseException:
            self.end()
            raise

    def how_it_ended(self) -> str:
        return "ended"

    def end(self) -> None:
        self._connection.close()
        self._thread.join()


def serve(connection: Connection) -> None:
    with connection:
        try:
            isolated._serve(connection)
        except SystemExit:  # stands for a crash
            return


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    source = open_store(tmp_path / "source")
    fill(source, 8)
    monkeypatch.setattr(isolated, "_Process", ThreadProcess)
    return Tools(
        source, open_store(tmp_path / "catalog"), fakes.detector(), fakes.embedder(), fakes.recipe(), "run"
    )


def index(
    tools: Tools, monkeypatch: pytest.MonkeyPatch, errors: dict[int, BaseException]
) -> tuple[list[Outcome], BreakingDetector]:
    """The outcomes of all photos when the detector raises these errors."""
    detector = BreakingDetector(errors=errors)
    used = Tools(tools.source, tools.catalog, detector, tools.embedder, tools.recipe, tools.run_id)
    monkeypatch.setattr("lookdex.index.task.load_tools", lambda _: used)
    shard = Shard("shard-1", refs_of(tools.source))
    with closing(isolated.Isolated(cast(IndexTask, None), shard)) as analysis:
        return list(analysis.outcomes(Supply(shard.refs), Stopwatch())), detector


def broken_photos(outcomes: Sequence[Outcome]) -> dict[int, str]:
    """The photos that break a model, by number, with their errors."""
    bad = {n: outcome for n, outcome in enumerate(outcomes) if isinstance(outcome, Bad)}
    assert {outcome.reason for outcome in bad.values()} <= {Reason.BREAKS_MODEL}
    return {n: outcome.error for n, outcome in bad.items()}


def test_one_photo_that_breaks_a_model_does_not_affect_others(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes, _ = index(tools, monkeypatch, {3: RuntimeError("no such kernel")})
    assert len(outcomes) == 8
    ((number, error),) = broken_photos(outcomes).items()
    assert number == 2
    assert "no such kernel" in error
    assert cast(Bad, outcomes[2]).content_hash


def test_photo_that_ends_the_process_is_named_and_the_next_gets_a_new_process(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes, detector = index(tools, monkeypatch, {3: SystemExit()})
    assert broken_photos(outcomes) == {2: "the process that handled it ended"}
    assert len(detector.calls) == 8 + 2  # each of both processes tries its models first


def test_models_that_do_not_survive_a_photo_get_a_new_process(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes, _ = index(tools, monkeypatch, {3: RuntimeError("lost"), 4: RuntimeError("lost")})
    assert list(broken_photos(outcomes)) == [2]


def test_model_that_breaks_on_many_photos_is_to_blame(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = {n: RuntimeError("no") for n in range(1, 2 * isolated.MAX_CULPRITS + 2, 2)}
    with pytest.raises(ModelFailed, match=f"{isolated.MAX_CULPRITS + 1} photos of one shard broke a model"):
        index(tools, monkeypatch, cast(dict[int, BaseException], errors))


def test_model_that_fails_on_a_plain_picture_blames_no_photo(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelFailed, match="on a plain picture"):
        index(tools, monkeypatch, {0: RuntimeError("no")})


def test_error_of_the_settings_is_raised(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LookdexError, match="another folder"):
        index(tools, monkeypatch, {2: LookdexError("another folder")})
