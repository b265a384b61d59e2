"""Attacks by filters on 150,000 rows: many conditions, hostile patterns, long lists, deep nesting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from infra.attacks.frame import Attack, Outcome, Place, Service
from infra.synthetic import publish
from lookdex.config import NightSettings
from lookdex.models.loading import Loader
from lookdex.pipeline.recipe import recipe_of
from tests.support.catalogs import picture
from tests.support.photos import encode

ROWS = 150_000
PHOTO = encode(picture("red", "blue"), "JPEG")
CPU_SECONDS = 3.0  # for one refused question with its photo; 600 ilike once took 5.7
AT_ONCE, ROUNDS = 12, 3


def repeat_part(part: str, count: int, word: str = "or") -> str:
    return f" {word} ".join(part.format(n=n) for n in range(count))


ILIKES = repeat_part("title ilike '%x{n}%'", 600)
REFUSED = {
    "600 ilike": ILIKES,
    "600 ilike, inverted": f"not ({ILIKES})",
    "a pattern of 12 kB": f"title ilike '%{'x' * 12_000}%'",
    "many patterns of many parts": repeat_part("title like '%{n}%a%a%a%a%a%a%'", 400),
    "patterns too large for an automaton": repeat_part("title like '%g" + "_" * 150 + "{n}%'", 40),
    "comparisons": repeat_part("price<{n}", 1500),
    "functions": repeat_part("lower(title)<'{n}'", 800),
    "nested": "(" * 5000 + "true" + ")" * 5000,
    "nots": "not " * 4000 + "true",
    "arithmetic": "price" + "+price" * 3000 + "<1",
    "20,000 characters": " " * 20_000 + "true",
}
ANSWERED = {
    "1,000 ids in a list": f"product_id in ({', '.join(repr(f'P{n:06d}') for n in range(1000))})",
    "1,000 ids, joined by or": repeat_part("product_id='P{n:06d}'", 700),
    "a few ilike": "title ilike '%thing 1%' and not title ilike '%7%' or title ilike '%9 of%'",
    "the maximum allowed": repeat_part("title ilike '%{n}%'", 60),
}


def refused(service: Service) -> Outcome:
    """Filters that are too expensive are refused with a problem document before they cost CPU time."""
    outcome = Outcome()
    for name, where in REFUSED.items():
        before = service.cpu()
        status, body = service.ask(PHOTO, {"where": where})
        spent = service.cpu() - before
        outcome.statuses[status] += 1
        outcome.check(status == 422 and b"filter" in body, f"{name}: {status} {body[:200]!r}")
        outcome.check(len(body) < 4000, f"{name}: a problem of {len(body)} bytes")
        outcome.check(spent < CPU_SECONDS, f"{name}: {spent:.1f} CPU seconds")
    return outcome


def at_once(service: Service) -> Outcome:
    """The most expensive allowed filters, from more clients than there are slots."""
    outcome = Outcome()
    filters = [*ANSWERED.values()] * (AT_ONCE * ROUNDS // len(ANSWERED))

    def ask(where: str) -> tuple[int, bytes]:
        return service.ask(PHOTO, {"where": where})

    with ThreadPoolExecutor(AT_ONCE) as clients:
        for status, body in clients.map(ask, filters):
            outcome.statuses[status] += 1
            outcome.check(status in (200, 503), f"{status} {body[:200]!r}")
    outcome.check(outcome.statuses[200] > 0, "no question was answered")
    status, body = service.ask(PHOTO, {"where": "price < 60"})
    outcome.check(status == 200 and bool(json.loads(body)["whole"]), f"afterwards: {status}")
    return outcome


@contextmanager
def publish_large(folder: Path) -> Iterator[Place]:
    """Publish a release of so many rows."""
    catalog = folder / "large"
    if not catalog.exists():
        recipe = recipe_of(NightSettings())
        publish(catalog, recipe, ROWS, Loader().embedder_of(recipe, "cpu").dim)
    yield Place(str(catalog))


ATTACKS = (
    Attack("filters-refused", refused, place=publish_large),
    Attack("filters-at-once", at_once, place=publish_large),
)
