"""Attacks by photos: many large ones at once, expensive ones, and decoders killed while decoding."""

from __future__ import annotations

import contextlib
import http.client
import io
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import psutil
from PIL import Image

from infra.attacks.frame import BOUNDARY, TYPE, Attack, Outcome, Service
from tests.support import hostile

TWELVE, FORTY_EIGHT = (4000, 3000), (8000, 6000)  # pixels
ASKED_AT_A_TIME, KILLS, KILLS_SECONDS, GOOD = 8, 4, 1.5, 6
MOST_GROWTH = 900 << 20  # bytes by which the service process may grow for one question of the largest photos


@cache
def make_large_photo(format: str, width: int, height: int) -> bytes:
    """A smooth photo with some noise, as a file below the limit of 20 MB."""
    rng = np.random.default_rng(1)
    seed = Image.fromarray(rng.integers(0, 250, (9, 9, 3), dtype=np.uint8))
    pixels = np.asarray(seed.resize((width, height), Image.Resampling.BICUBIC)) // 2
    pixels += rng.integers(0, 3, (height, width, 1), dtype=np.uint8)
    out = io.BytesIO()
    options = {"PNG": {"compress_level": 1}, "WEBP": {"quality": 80, "method": 0}, "JPEG": {"quality": 90}}
    Image.fromarray(pixels).save(out, format, **options[format])
    return out.getvalue()


def all_at_once(outcome: Outcome, service: Service, photos: Sequence[bytes]) -> None:
    """Search by all photos at the same time. Only 200 and 503 are allowed."""
    wrong: set[str] = set()

    def ask(photo: bytes) -> None:
        status, body = service.ask(photo, {"k": 1})
        outcome.statuses[status] += 1
        if status not in (200, 503):
            wrong.add(f"{status}: {body[:200]!r}")

    with ThreadPoolExecutor(len(photos)) as clients:
        list(clients.map(ask, photos))
    outcome.wrong += sorted(wrong)


def large_photos(service: Service) -> Outcome:
    """Eight photos of 12 megapixels at once: WebP, PNG, both."""
    outcome = Outcome()
    kinds = [make_large_photo(format, *TWELVE) for format in ("WEBP", "PNG")]
    for photos in (kinds[:1] * 8, kinds[1:] * 8, kinds * 4):
        before = outcome.statuses[200]
        all_at_once(outcome, service, photos)
        outcome.check(outcome.statuses[200] > before, "none of the eight was answered")
        status, body = service.ask(photos[0], {"k": 1})
        outcome.check(status == 200, f"alone, afterwards: {status}: {body[:200]!r}")
    return outcome


def find_decoders(service: Service) -> list[psutil.Process]:
    assert service.process is not None
    found = []
    for child in psutil.Process(service.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found


def killed_decoders(service: Service) -> Outcome:
    """Kill all decoders with SIGKILL repeatedly while photos are searched."""
    outcome, stop = Outcome(), threading.Event()
    photo = hostile.photo()

    def ask(_: int) -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, body = service.ask(photo, {"k": 1})
                outcome.statuses[status] += 1
                outcome.check(status in (200, 503), f"{status}: {body[:200]!r}")

    with ThreadPoolExecutor(ASKED_AT_A_TIME) as clients:
        asking = [clients.submit(ask, number) for number in range(ASKED_AT_A_TIME)]
        for _ in range(KILLS):
            time.sleep(KILLS_SECONDS)
            for process in find_decoders(service):
                with contextlib.suppress(psutil.Error):
                    process.kill()
        stop.set()
        for future in asking:
            future.result()
    for process in find_decoders(service):
        process.kill()
    status, body = service.ask(photo, {"k": 1})
    outcome.check(status == 200, f"the next photo: {status}: {body[:200]!r}")
    outcome.check(outcome.statuses[200] > 0, "no photo was answered during the attack")
    return outcome


def costly_photos(service: Service) -> Outcome:
    """Photos that exceed the CPU time limit, next to one that does not."""
    outcome, photo, stop = Outcome(), make_large_photo("PNG", *TWELVE), threading.Event()

    def ask(_: int) -> None:
        while not stop.is_set():
            status, body = service.ask(photo, {"k": 1})
            outcome.statuses[status] += 1
            outcome.check(status == 503 or b'"too_slow"' in body, f"{status}: {body[:200]!r}")

    with ThreadPoolExecutor(ASKED_AT_A_TIME) as clients:
        asking = [clients.submit(ask, number) for number in range(ASKED_AT_A_TIME)]
        good = [service.ask(hostile.photo(), {"k": 1})[0] for _ in range(GOOD)]
        stop.set()
        for future in asking:
            future.result()
    outcome.check(
        set(good) <= {200, 503} and 200 in good, f"good photos during the attack: {sorted(set(good))}"
    )
    return outcome


def many_pixels(service: Service) -> Outcome:
    """One question of eight photos of 48 megapixels: 1.1 GB of pixels."""
    outcome, photo = Outcome(), make_large_photo("JPEG", *FORTY_EIGHT)
    assert service.process is not None
    own, most, done = psutil.Process(service.process.pid), 0, threading.Event()
    before = own.memory_info().rss

    def watch() -> None:
        nonlocal most
        while not done.wait(0.01):
            most = max(most, own.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    part = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n'.encode()
        + photo
        + b"\r\n"
    )
    body = part * 8 + f"--{BOUNDARY}--\r\n".encode()
    status, answer = service.request("POST", "/v1/search", body, {"Content-Type": TYPE}, timeout=60)
    done.set()
    watching.join()
    outcome.statuses[status] += 1
    outcome.check(status in (413, 503), f"{status}: {answer[:200]!r}")
    outcome.check(most - before < MOST_GROWTH, f"the service grew by {(most - before) >> 20} MiB")
    return outcome


ATTACKS: tuple[Attack, ...] = (
    Attack("large-photos", large_photos),
    Attack("killed-decoders", killed_decoders, {"decoders": "2"}),
    Attack("costly-photos", costly_photos, {"decode_seconds": "0.1"}),
    Attack("many-pixels", many_pixels, {"upload_bytes": "200000000"}),
)
