"""Index photos one by one in a child process, to find the photo that breaks or kills a model.

The child does everything for a photo: fetch, decode, models, rows. When it dies, or raises an error that is not of the
store or the settings, the current photo is the culprit, and the next photo gets a new process. Each child first runs
its models on a plain picture, so that no photo is blamed for a model that always fails.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from lookdex.errors import LookdexError, ModelFailed
from lookdex.index.analyse import Tools, analyse
from lookdex.index.fetch import Bad, Cost, Fetched, FetchOptions, Photo, fetch
from lookdex.index.shard_writer import Outcome
from lookdex.index.supply import Supply
from lookdex.records import ImageRef, Reason, Shard, Status
from lookdex.runtime.stopwatch import Stopwatch

if TYPE_CHECKING:
    from lookdex.index.task import IndexTask

# Not run as __main__, because both processes must unpickle the same _Answer.
_MAIN = "from lookdex.index.isolated import main; main()"
# If more photos of a shard break a model than this number, or than this share of a large shard, the model is broken.
MAX_CULPRITS, MAX_SHARE = 5, 0.05


@dataclass(frozen=True, slots=True)
class _Answer:
    outcome: Outcome
    gets: int  # by this process so far
    last: bool = False  # the process ends because its state may be damaged


class Isolated:
    """An `Analysis` of one shard in child processes. Raises ModelFailed when too many photos break a model."""

    def __init__(self, task: IndexTask, shard: Shard) -> None:
        self._task, self._shard = task, shard
        self._process: _Process | None = None
        self._gets = 0
        self._culprits: list[Bad] = []
        self._most = max(MAX_CULPRITS, int(MAX_SHARE * len(shard.refs)))

    @property
    def dim(self) -> int:
        return self._started().dim

    @property
    def gets(self) -> int:
        return self._gets + (self._process.gets if self._process else 0)

    def outcomes(self, photos: Supply, watch: Stopwatch) -> Generator[Outcome]:
        try:
            for ref in photos:
                watch.lap("wait")
                outcome = photos.record(self._ask(ref))
                watch.lap("detect")
                yield outcome
                watch.lap("write")
        finally:
            self.close()

    def close(self) -> None:
        if self._process is not None:
            self._gets += self._process.gets
            self._process.end()
            self._process = None

    def _started(self) -> _Process:
        if self._process is None:
            self._process = _Process(self._task, self._shard)
        return self._process

    def _ask(self, ref: ImageRef) -> Outcome:
        process = self._started()
        try:
            answer = process.ask(ref)
        except (EOFError, OSError):
            outcome: Outcome = blame(ref, f"the process that handled it {process.how_it_ended()}")
            self.close()
        else:
            outcome = answer.outcome
            if answer.last:
                self.close()
        if isinstance(outcome, Bad) and outcome.reason is Reason.BREAKS_MODEL:
            self._culprits.append(outcome)
            if len(self._culprits) > self._most:
                raise ModelFailed(
                    f"{len(self._culprits)} photos of one shard broke a model, so the model is to blame. "
                    f"The last one: {ref.key}: {outcome.error}"
                )
        return outcome


def blame(ref: ImageRef, error: str, photo: Fetched | None = None) -> Bad:
    """The outcome of a photo that breaks a model."""
    known = photo if isinstance(photo, Photo) else None
    return Bad(
        ref,
        Status.FAILED,
        Reason.BREAKS_MODEL,
        known.cost if known else Cost(),
        known.content_hash if known else None,
        known.pixels.shape[1] if known else None,
        known.pixels.shape[0] if known else None,
        error,
    )


class _Process:
    """A child process with its models loaded. Raises what loading them raised, or ModelFailed."""

    def __init__(self, task: IndexTask, shard: Shard) -> None:
        ours, theirs = Pipe()
        paths = [path or os.getcwd() for path in sys.path]
        self._connection = ours
        with theirs:
            # Not multiprocessing: its `spawn` would run the main module again, which belongs to Spark.
            self._child = subprocess.Popen(
                [sys.executable, "-c", _MAIN, str(theirs.fileno()), str(os.getpid())],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                stdin=subprocess.DEVNULL,
                stdout=2,  # the worker's stdout belongs to Spark
                pass_fds=[theirs.fileno()],
            )
        self.gets = 0
        try:
            ours.send((task, shard))
            self.dim: int = self._receive()
        except (EOFError, OSError) as error:
            ending = self.how_it_ended()
            self.end()
            raise ModelFailed(
                f"the models {task.plan.recipe.detector} and {task.plan.recipe.embedder} could not be tried: their "
                f"process {ending}"
            ) from error
        except BaseException:
            self.end()
            raise

    def ask(self, ref: ImageRef) -> _Answer:
        """Index a photo. Raises EOFError or OSError when the process died, and errors that are not its fault."""
        self._connection.send(ref)
        answer: _Answer = self._receive()
        self.gets = answer.gets
        return answer

    def _receive(self) -> Any:
        found = self._connection.recv()
        if isinstance(found, LookdexError):
            raise found
        return found

    def how_it_ended(self) -> str:
        """How the process ended, for a message; to be called once its side of the connection is closed."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout=10)
        code = self._child.poll()
        if code is None:
            return "closed its connection"
        if code >= 0:
            return f"ended with exit code {code}"
        name = signal.Signals(-code).name
        return f"was ended by {name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")

    def end(self) -> None:
        self._connection.close()
        with suppress(ProcessLookupError):
            self._child.kill()
        self._child.wait()


# ── in the child process ─────────────────────────────────────────────────────────────────────────────────────


class _Requested(Sequence[ImageRef]):
    """The photos of a shard, one by one as the parent process asks for them."""

    def __init__(self, shard: Shard, connection: Connection) -> None:
        self._shard, self._connection = shard, connection
        self.current: ImageRef | None = None

    def __len__(self) -> int:
        return len(self._shard.refs)

    def __getitem__(self, index: Any) -> Any:
        return self._shard.refs[index]

    def __iter__(self) -> Iterator[ImageRef]:
        while True:
            try:
                self.current = self._connection.recv()
            except EOFError:  # the parent has closed the connection
                return
            yield self.current


def _serve(connection: Connection) -> None:
    """Answer the task and its shard with the vectors' size, then each `ImageRef` with an `_Answer` or an error."""
    task, shard = connection.recv()
    try:
        from lookdex.index.task import load_tools

        tools = load_tools(task)
        _try_out(tools)
    except Exception as error:
        connection.send(_picklable(error))
        return
    connection.send(tools.embedder.dim)
    # One at a time, so that a crash is due to the photo requested last.
    options = FetchOptions(tools.recipe.max_bytes, tools.recipe.max_pixels, workers=1, ahead_images=1)
    requested = _Requested(shard, connection)
    try:
        for fetched in fetch(requested, tools.source, options):
            connection.send(_analyse_one(fetched, tools))
    except Exception as error:
        if requested.current is None or _is_external(error):
            connection.send(_picklable(error))
        else:
            broken = blame(requested.current, _message(error))
            connection.send(_Answer(broken, tools.source.requests, last=True))


def _analyse_one(fetched: Fetched, tools: Tools) -> _Answer:
    """The outcome of one photo. Raises errors that are not its fault."""
    try:
        (outcome,) = analyse([fetched], tools, Stopwatch())
        return _Answer(outcome, tools.source.requests)
    except Exception as error:
        if _is_external(error):
            raise
        broken = blame(fetched.ref, _message(error), fetched)
    last = False
    try:
        _try_out(tools)
    except Exception:  # the models did not survive the photo, as when a GPU's context is lost
        last = True
    return _Answer(broken, tools.source.requests, last)


def _is_external(error: Exception) -> bool:
    """Whether the error comes from the store or the settings, and not from a model or a photo."""
    return isinstance(error, LookdexError) and not isinstance(error, ModelFailed)


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, ModelFailed) else f"{type(error).__name__}: {error}"


def _try_out(tools: Tools) -> None:
    """Run the models on a plain picture. Raises ModelFailed."""
    shade = np.linspace(40, 220, 224 * 160 * 3).reshape(224, 160, 3).astype(np.uint8)
    plain = Photo(ImageRef("a plain picture", "", 0), shade, "", Cost())
    try:
        analyse([plain], tools, Stopwatch())
    except LookdexError:
        raise
    except Exception as error:
        raise ModelFailed(f"{type(error).__name__}: {error}, on a plain picture") from error


def _picklable(error: Exception) -> LookdexError:
    """The error, or a ModelFailed in its place if it cannot be pickled."""
    if isinstance(error, LookdexError):
        with suppress(Exception):
            pickle.loads(pickle.dumps(error))
            return error
    return ModelFailed(f"{type(error).__name__}: {error}")


def _die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        sys.exit("the parent is gone")


def main() -> NoReturn:
    _die_with_parent(int(sys.argv[2]))
    with Connection(int(sys.argv[1])) as connection:
        _serve(connection)
    sys.stdout.flush()
    os._exit(0)  # threads that a model left behind may never end
