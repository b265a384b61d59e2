"""Attacks with write access to the catalogue: release records that name code or files as models."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra.attacks.frame import Attack, Outcome, Place, Service
from infra.synthetic import publish
from lookdex.catalog import promotion_log
from lookdex.config import NightSettings
from lookdex.pipeline.recipe import recipe_of
from lookdex.records import digest_of
from lookdex.storage import open_store

MODULE = Path(__file__).with_name("trap.py")
CODE = "python:infra.attacks.trap:detector"
NAMES = (CODE, "python:os:getcwd", "transformers:{folder}", "torchvision:{folder}", "s3://elsewhere/model")
SECONDS = 10.0  # for the service to notice a release


@contextmanager
def set_trap(folder: Path) -> Iterator[Place]:
    uri = folder / "trapped"
    publish(uri, recipe_of(NightSettings()), 500, 256)
    yield Place(str(uri), {"ATTACK_MARK": str(folder / "mark")}, folder / "mark")


def release_records(service: Service) -> Outcome:
    """Promote each name as detector and as embedder. It must not be loaded, and the previous release must answer."""
    outcome, place = Outcome(), service.place
    assert place is not None
    store = open_store(place.uri)
    current = promotion_log.live_release(store)
    assert current is not None
    good = current[1]
    for number, name in enumerate(NAMES):
        name = name.format(folder=place.uri)
        # An attacker can compute the digest, so the name itself must be refused.
        digest = digest_of((name, hashlib.sha256(MODULE.read_bytes()).hexdigest()))
        for what in ("detector", "embedder"):
            changes: dict[str, Any] = {what: name, f"{what}_digest": digest}
            made = replace(good.recipe, **changes)
            bad = replace(good, release_id=f"bad-{number}-{what}", recipe=made)
            promotion_log.save_release(store, bad)
            promotion_log.append(
                store, release_id=bad.release_id, action="promote", expected=promotion_log.current(store)
            )
            why = _refusal(service, bad.release_id)
            answer = json.loads(service.get("/v1/release")[1])
            outcome.check(answer["release_id"] == good.release_id, f"{bad.release_id} answers: {name}")
            outcome.check(bool(answer["behind"]), f"not behind although {bad.release_id} is live")
            outcome.check(
                "trusted_models" in why, f"the log does not name the setting for {name}: {why[:200]!r}"
            )
            status, _ = service.get("/v1/text?q=red")
            outcome.statuses[status] += 1
            outcome.check(status == 200, f"{status} while {bad.release_id} is live")
            outcome.check(not place.control.exists(), f"code of {bad.release_id} ran: {name}")
            place.control.unlink(missing_ok=True)
    return outcome


def _refusal(service: Service, release_id: str) -> str:
    """The service's log message about a release it refuses, or ""."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        for line in service.lines():
            text = json.dumps(line, ensure_ascii=False)
            if release_id in text:
                return text
        time.sleep(0.1)
    return ""


ATTACKS = (Attack("release-records", release_records, {"poll_seconds": "0.2"}, place=set_trap),)
