"""Decoding uploads in isolated processes, and the limits that are checked first."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import psutil
import pytest
from PIL import Image

from lookdex.imaging import codec, container
from lookdex.records import Reason
from lookdex.service.http.problems import ProblemError, ProblemKind
from lookdex.service.photos import decoding
from lookdex.service.photos.decoder import DecodeFailure, DecoderLostError, LossCause, UploadLimits
from lookdex.service.photos.decoding import DecoderPool
from tests.fakes import COLOURS
from tests.support.catalogs import picture
from tests.support.photos import encode

LIMITS = UploadLimits(max_bytes=3_000_000, max_pixels=4_000_000, max_frames=3, seconds=20)


@pytest.fixture(scope="module")
def decoders() -> Iterator[DecoderPool]:
    decoders = DecoderPool(1, LIMITS)
    decoders.start()
    yield decoders
    decoders.close()


def animation(frames: int, format: str) -> bytes:
    pages = [Image.fromarray(picture(list(COLOURS)[n % 6])) for n in range(frames)]
    out = io.BytesIO()
    pages[0].save(out, format, save_all=True, append_images=pages[1:], duration=40)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A small PNG whose header declares many pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(999)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF"])
def test_pixels_are_those_of_the_index(decoders: DecoderPool, format: str) -> None:
    data = encode(picture("red", "blue"), format)
    expected = codec.decode(data, LIMITS.max_bytes, LIMITS.max_pixels)
    pixels = decoders.decode(data)
    np.testing.assert_array_equal(pixels, expected)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        (b"", ProblemKind.BAD_PHOTO, "empty"),
        (b"%PDF-1.7", ProblemKind.UNKNOWN_FORMAT, "unknown_format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ProblemKind.UNKNOWN_FORMAT, "GIF, AVIF and HEIC"),
        (encode(picture("red"))[:150], ProblemKind.BAD_PHOTO, "corrupt"),
        (encode(picture("red"))[:20], ProblemKind.BAD_PHOTO, "header"),
        (encode(picture("red")[:9]), ProblemKind.BAD_PHOTO, "too_small: 96 × 9 pixels"),
        (bomb(60_000, 60_000), ProblemKind.TOO_LARGE, "too_many_pixels: 60000 × 60000"),
        (b"\xff\xd8\xff" + bytes(3_100_000), ProblemKind.TOO_LARGE, "too_many_bytes"),
        (animation(4, "GIF"), ProblemKind.BAD_PHOTO, "too_many_frames: an animation of 4 frames"),
        (animation(5, "WEBP"), ProblemKind.BAD_PHOTO, "too_many_frames: an animation of 5 frames"),
        (animation(6, "PNG"), ProblemKind.BAD_PHOTO, "too_many_frames: an animation of 6 frames"),
    ],
)  # fmt: skip
def test_unusable_photos_are_refused_with_a_reason(
    decoders: DecoderPool, data: bytes, kind: ProblemKind, says: str
) -> None:
    with pytest.raises(ProblemError, match=says) as refused:
        decoders.decode(data)
    assert refused.value.kind is kind
    assert refused.value.reason in {*Reason, "too_many_frames"}
    assert f"({refused.value.reason}" in str(refused.value)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_short_animations_are_accepted(decoders: DecoderPool, format: str) -> None:
    assert decoders.decode(animation(3, format)).shape == (96, 96, 3)


@pytest.mark.parametrize(("format", "frames"), [("GIF", 7), ("WEBP", 7), ("PNG", 7), ("GIF", 1), ("JPEG", 1)])
def test_frames_are_counted_without_decoding(format: str, frames: int) -> None:
    data = animation(frames, format) if format != "JPEG" else encode(picture("red"), "JPEG")
    header = codec.read_header(data)
    assert container.count_frames(data, header) == frames
    for end in range(len(data) // 3, len(data), 97):  # truncated: no error and no extra frames
        assert 1 <= container.count_frames(data[:end], header) <= frames


def processes() -> list[psutil.Process]:
    """The running decoder processes."""
    return [child for child in psutil.Process().children(recursive=True) if "spawn_main" in command_of(child)]


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # zombies too, such as another test's
        return ""


LARGE = encode(np.zeros((6000, 6000, 3), np.uint8), compress_level=1)  # about 0.3 s of CPU time
ROOM = replace(LIMITS, max_pixels=40_000_000)


def test_limit_is_on_cpu_time_not_wall_clock_time() -> None:
    """A decoder that is suspended for longer than the limit succeeds; one that computes for longer is killed."""
    lost: list[LossCause] = []
    before = set(processes())
    decoders = DecoderPool(1, replace(ROOM, seconds=0.15), lost.append)
    try:
        decoders.start()
        mine = set(processes()) - before
        for process in mine:
            process.suspend()
        with ThreadPoolExecutor(1) as callers:
            waiting = callers.submit(decoders.decode, encode(picture("red")))
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
            for process in mine:
                process.resume()
            assert waiting.result(30).shape == (96, 96, 3)
        assert not lost
        with pytest.raises(ProblemError, match=r"more than 0\.15 s of CPU time") as refused:
            decoders.decode(LARGE)
        assert (refused.value.kind, refused.value.reason) == (ProblemKind.BAD_PHOTO, "too_slow")
        assert lost == [LossCause.TOO_SLOW]
        assert decoders.decode(encode(picture("red"))).shape == (96, 96, 3)
    finally:
        decoders.close()


def test_hanging_decoder_is_killed_at_the_deadline_and_replaced() -> None:
    lost: list[LossCause] = []
    before = set(processes())
    decoders = DecoderPool(1, LIMITS, lost.append)
    try:
        decoders.start()
        stuck = set(processes()) - before
        for process in stuck:
            process.suspend()
        with pytest.raises(ProblemError) as refused:
            decoders.decode(encode(picture("red")), time.monotonic() + 0.1)
        assert (refused.value.kind, lost) == (ProblemKind.TOO_LATE, [LossCause.TOO_LATE])
        assert refused.value.headers["Retry-After"]
        assert sum(process.is_running() for process in stuck) == 1
        for process in stuck:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
        assert decoders.decode(encode(picture("red"))).shape == (96, 96, 3)
    finally:
        decoders.close()


def test_waiting_for_a_decoder_ends_at_the_deadline(decoders: DecoderPool) -> None:
    slots = [decoders._take(time.monotonic() + 30) for _ in range(2)]
    with pytest.raises(ProblemError) as refused:
        decoders.decode(encode(picture("red")), time.monotonic() + 0.05)
    assert refused.value.kind is ProblemKind.TOO_LATE
    for slot in slots:
        decoders._give_back(slot)
    assert decoders.decode(encode(picture("red")), time.monotonic() + 30).shape == (96, 96, 3)


def test_photos_are_decoded_even_if_decoders_are_killed() -> None:
    lost: list[LossCause] = []
    before = {process.pid for process in processes()}
    decoders = DecoderPool(2, ROOM, lost.append)
    try:
        decoders.start()
        mine = [process for process in processes() if process.pid not in before]
        with ThreadPoolExecutor(2) as callers:
            decoded = callers.submit(decoders.decode, LARGE)
            while max(busy := [process.cpu_percent(0.01) for process in mine]) < 50:
                pass
            mine[busy.index(max(busy))].kill()
            assert decoded.result(30).shape == (6000, 6000, 3)
        assert lost == [LossCause.KILLED]
        for process in [p for p in processes() if p.pid not in before]:
            process.kill()  # idle ones
            process.wait()
        with ThreadPoolExecutor(4) as callers:
            shapes = {pixels.shape for pixels in callers.map(decoders.decode, [encode(picture("red"))] * 8)}
        assert shapes == {(96, 96, 3)}
        assert lost == [LossCause.KILLED]
    finally:
        decoders.close()
    assert not [process for process in processes() if process.pid not in before]


class ScriptedDecoder:
    """A process that returns or raises the next entry of `script`: pixels, a `DecodeFailure`, or an error to raise."""

    script: ClassVar[list[Any]] = []
    starts: ClassVar[list[Any]] = []

    def __init__(self, folder: str | None, limits: UploadLimits) -> None:
        self.alive, self.started = True, False

    def await_start(self, deadline: float) -> None:
        if not self.started and self.starts and (error := self.starts.pop(0)):
            self.alive = False
            raise error
        self.started = True

    def decode(self, data: bytes, deadline: float) -> Any:
        step = self.script.pop(0)
        if isinstance(step, Exception):
            self.alive = isinstance(step, OSError)
            raise step
        return step

    def kill(self) -> None:
        self.alive = False


PIXELS = np.zeros((20, 20, 3), np.uint8)
CRASHED, KILLED = DecoderLostError(-signal.SIGSEGV), DecoderLostError(-signal.SIGKILL)


@pytest.mark.parametrize(
    ("script", "kind", "reason", "lost"),
    [
        ([PIXELS], None, None, []),
        ([KILLED, PIXELS], None, None, [LossCause.KILLED]),
        ([CRASHED, PIXELS], None, None, [LossCause.CRASHED]),  # an earlier photo may have damaged the process
        ([CRASHED, CRASHED], ProblemKind.BAD_PHOTO, Reason.CORRUPT, [LossCause.CRASHED] * 2),
        (
            [DecoderLostError(1), DecoderLostError(1)],
            ProblemKind.BAD_PHOTO,
            Reason.CORRUPT,
            [LossCause.CRASHED] * 2,
        ),
        ([KILLED, KILLED], ProblemKind.BUSY, None, [LossCause.KILLED] * 2),
        ([DecoderLostError(-signal.SIGPROF)], ProblemKind.BAD_PHOTO, "too_slow", [LossCause.TOO_SLOW]),
        (
            [KILLED, DecoderLostError(-signal.SIGPROF)],
            ProblemKind.BAD_PHOTO,
            "too_slow",
            [LossCause.KILLED, LossCause.TOO_SLOW],
        ),
        ([TimeoutError()], ProblemKind.TOO_LATE, None, [LossCause.TOO_LATE]),
        ([OSError(errno.ENOSPC, "no space")], ProblemKind.BUSY, None, []),
        ([DecodeFailure(Reason.TOO_SMALL, "")], ProblemKind.BAD_PHOTO, Reason.TOO_SMALL, []),
    ],
)
def test_photo_is_blamed_only_if_it_loses_two_processes(
    monkeypatch: pytest.MonkeyPatch,
    script: list[Any],
    kind: ProblemKind | None,
    reason: str | None,
    lost: list[LossCause],
) -> None:
    monkeypatch.setattr(decoding, "DecoderProcess", ScriptedDecoder)
    monkeypatch.setattr(ScriptedDecoder, "script", [*script, PIXELS])
    found: list[LossCause] = []
    decoders = DecoderPool(1, LIMITS, found.append)
    decoders.start()
    if kind is None:
        assert decoders.decode(b"") is PIXELS
    else:
        with pytest.raises(ProblemError) as refused:
            decoders.decode(b"")
        assert (refused.value.kind, refused.value.reason) == (kind, reason)
        assert ("Retry-After" in refused.value.headers) == (kind.status == 503)
    assert found == lost
    assert decoders.decode(b"") is PIXELS
    assert len(decoders._free) == 2


def test_process_killed_while_starting_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "DecoderProcess", ScriptedDecoder)
    monkeypatch.setattr(ScriptedDecoder, "script", [KILLED, PIXELS, PIXELS])
    decoders = DecoderPool(1, LIMITS)
    decoders.start()
    monkeypatch.setattr(ScriptedDecoder, "starts", [KILLED, KILLED, None])
    assert decoders.decode(b"") is PIXELS
    monkeypatch.setattr(ScriptedDecoder, "starts", [KILLED] * 9)
    for slot in decoders._free:
        slot.process.kill()
    with pytest.raises(ProblemError) as refused:
        decoders.decode(b"")
    assert refused.value.kind is ProblemKind.TOO_LATE
    monkeypatch.setattr(ScriptedDecoder, "starts", [])
    assert decoders.decode(b"") is PIXELS


def test_photos_of_a_question_share_a_pixel_limit(decoders: DecoderPool) -> None:
    """The pixels of all photos stay in memory until the question is answered."""
    full = encode(np.zeros((2000, 1999, 3), np.uint8), compress_level=1)
    assert len(decoders.decode_all([full, full])) == 2
    with pytest.raises(
        ProblemError, match=r"8,000,000 pixels in total, but 3 of these 4 have 11,994,000"
    ) as refused:
        decoders.decode_all([full] * 4)
    assert (refused.value.kind, refused.value.reason) == (ProblemKind.TOO_LARGE, Reason.TOO_MANY_PIXELS)


def test_decoder_memory_is_limited() -> None:
    """A large photo exceeds the memory limit, and the process survives."""
    code = (
        "import sys; from pathlib import Path; from lookdex.service.photos import decoder as d;"
        "d._SPARE_BYTES = (8 << 20) - d.codec.MEMORY; d._harden();"
        "print(d._decode(Path(sys.argv[1]).open('rb'), d.UploadLimits(1 << 30, 1 << 30, 1, 9.0)))"
    )
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(encode(np.zeros((3000, 3000, 3), np.uint8)))
        file.flush()
        ran = subprocess.run(
            [sys.executable, "-c", code, file.name], capture_output=True, text=True, timeout=60, check=True
        )
    assert "too_much_memory" in ran.stdout


@pytest.mark.parametrize("roomy", [True, False])
def test_no_files_are_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, roomy: bool) -> None:
    """Photos are in unnamed files: none is visible while decoding or after a kill."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if roomy:
        monkeypatch.setattr(decoding, "_MEMORY", tmp_path)
    else:
        monkeypatch.setattr(decoding, "_memory_folder", lambda processes, limits: None)
    decoders, before = DecoderPool(1, LIMITS), set(processes())
    decoders.start()
    decoders.decode(encode(picture("red")))
    with pytest.raises(ProblemError):
        decoders.decode(b"nothing")
    (mine, *_) = set(processes()) - before
    if sys.platform == "linux":
        held = {Path(os.readlink(link)).parent for link in Path(f"/proc/{mine.pid}/fd").iterdir()}
        assert tmp_path in held
    assert list(tmp_path.iterdir()) == []
    decoders.close()
    assert not mine.is_running()


@pytest.mark.parametrize(("photos", "roomy"), [(1.9, False), (2.1, True)])
def test_shared_memory_is_used_only_if_it_can_hold_the_largest_photos(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photos: float, roomy: bool
) -> None:
    free = int(photos * (3 * LIMITS.max_pixels + LIMITS.max_bytes))
    monkeypatch.setattr(decoding, "_MEMORY", tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=free))
    decoders, before = DecoderPool(1, LIMITS), set(processes())
    try:
        decoders.start()
        assert len(set(processes()) - before) == 2  # one decoder and a spare
        assert decoders._folder == (str(tmp_path) if roomy else None)
    finally:
        decoders.close()


def test_decoders_end_when_the_service_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from lookdex.service.photos.decoding import DecoderPool, UploadLimits;"
        "DecoderPool(1, UploadLimits(1 << 20, 1 << 20, 1, 9.0)).start(); print('started', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        service.stdout.readline()
        children = psutil.Process(service.pid).children(recursive=True)
        service.kill()
    gone, alive = psutil.wait_procs(children, 20)
    assert (len(gone) >= 2, alive) == (True, [])


def test_pool_survives_if_no_process_can_be_started() -> None:
    decoders, small, before = DecoderPool(1, LIMITS), encode(picture("red")), set(processes())
    try:
        decoders.start()
        for process in set(processes()) - before:
            process.kill()
            process.wait()
        most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, most[1]))  # no further file can be opened
        try:
            for _ in range(4):
                with pytest.raises(ProblemError) as refused:
                    decoders.decode(small, time.monotonic() + 5)
                assert refused.value.kind is ProblemKind.TOO_LATE
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, most)
        with ThreadPoolExecutor(2) as callers:
            assert {pixels.shape for pixels in callers.map(decoders.decode, [small] * 4)} == {(96, 96, 3)}
        assert len(decoders._free) == 2
    finally:
        decoders.close()
