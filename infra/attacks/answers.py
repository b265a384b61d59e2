"""Attacks by expensive answers: deep pages, large sorted pools, facets of uncached filters."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from infra.attacks.frame import Attack, Outcome, Service
from tests.support.catalogs import picture
from tests.support.photos import encode

PHOTO = encode(picture("red", "blue"), "JPEG")
AT_ONCE, QUESTIONS = 12, 48
DEEPEST: dict[str, object] = {"k": 1, "offset": 999}
LARGEST: dict[str, object] = {"k": 1000, "sort": "-price", "pool": 1000, "colour": 0.5}


def deep_pages(service: Service) -> Outcome:
    """The deepest page and the largest sorted pool, from more clients than there are slots."""
    return _at_once(service, [DEEPEST if n % 2 else LARGEST for n in range(QUESTIONS)])


def many_facets(service: Service) -> Outcome:
    """Facets of new filters, which are not cached."""
    outcome = _at_once(
        service, [{"k": 1, "facets": True, "where": f"price < {n}.5"} for n in range(QUESTIONS)]
    )
    for facets in (["title"], ["price"] * 17, ["x" * 201], "price"):
        before = service.cpu()
        status, body = service.ask(PHOTO, {"facets": facets})
        outcome.statuses[status] += 1
        outcome.check(status == 422, f"{str(facets)[:40]}: {status} {body[:200]!r}")
        outcome.check(service.cpu() - before < 1, f"{str(facets)[:40]}: CPU time before it is refused")
    return outcome


def revalidated(service: Service) -> Outcome:
    """ETags that do not match cost no more than the question, and endless ones are refused."""
    outcome = Outcome()
    path = f"/v1/text?{urlencode({'q': 'red dress', 'k': 3})}"
    for tags in (",".join(['W/"x"'] * 1000), '"' * 8000, "W/" * 4000, "*," * 2000):
        status, _ = service.request("GET", path, headers={"If-None-Match": tags})
        outcome.statuses[status] += 1
        outcome.check(status in (200, 400, 431, 503), f"{tags[:20]}…: {status}")
    return outcome


def _at_once(service: Service, questions: list[dict[str, object]]) -> Outcome:
    outcome = Outcome()
    with ThreadPoolExecutor(AT_ONCE) as clients:
        for status, body in clients.map(lambda options: service.ask(PHOTO, options), questions):
            outcome.statuses[status] += 1
            outcome.check(status in (200, 503), f"{status} {body[:200]!r}")
    outcome.check(outcome.statuses[200] > 0, "no question was answered")
    status, body = service.ask(PHOTO, {"k": 3})
    outcome.check(status == 200 and bool(json.loads(body)["whole"]), f"afterwards: {status}")
    return outcome


ATTACKS = (
    Attack("deep-pages", deep_pages),
    Attack("many-facets", many_facets),
    Attack("many-tags", revalidated),
)
