"""Most generated questions get a photo that is one, and a filter that is one: what is beyond them is asked too."""

from __future__ import annotations

import random
from typing import Any

import schemathesis

from tests.support.catalogs import picture
from tests.support.photos import encode

PHOTOS = [
    encode(picture(*colours), format)
    for colours in (("red",), ("blue", "green"), ())
    for format in ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
]
FILTERS = ("price < 5", "title LIKE 'red%'", "product_id IS NOT NULL AND price BETWEEN 1 AND 9")


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:
    if not case.meta.generation.mode.is_positive:
        return case
    chance = random.Random(repr((case.body, case.query)))
    if isinstance(case.query, dict) and "where" in case.query and chance.random() < 0.7:
        case.query["where"] = chance.choice(FILTERS)
    if isinstance(case.query, dict) and "q" in case.query and chance.random() < 0.7:
        case.query["q"] = chance.choice(("red", "cyan"))
    if (
        isinstance(case.path_parameters, dict)
        and "product_id" in case.path_parameters
        and chance.random() < 0.5
    ):
        case.path_parameters["product_id"] = f"p{chance.randrange(12):03d}"
    if isinstance(case.body, bytes) and chance.random() < 0.8:
        case.body = chance.choice(PHOTOS)
    if isinstance(case.query, dict) and chance.random() < 0.7:
        case.query = _page(case.query, chance, facets=("true", "price"))
    if isinstance(case.query, dict) and isinstance(case.body, dict) and chance.random() < 0.8:
        case.query.pop("options", None)  # a form has its own
    if isinstance(case.body, dict):
        if isinstance(case.body.get("photo"), list) and chance.random() < 0.8:
            case.body["photo"] = [chance.choice(PHOTOS) for _ in case.body["photo"]]
        options = case.body.get("options")
        if isinstance(options, dict) and options.get("where") and chance.random() < 0.7:
            options["where"] = chance.choice(FILTERS)
        if isinstance(options, dict) and chance.random() < 0.7:
            case.body["options"] = _page(options, chance, facets=(True, False, ["price"], []))
    return case


def _page(options: dict[str, Any], chance: random.Random, facets: tuple[Any, ...]) -> dict[str, Any]:
    """The options with such a page, order and facets as there are, where they have some."""
    there = {
        "release": ("night-1",),
        "sort": ("price", "-title", "score"),
        "offset": (0, 5, 40),
        "k": (1, 5, 30),
    }
    there |= {"pool": (30, 60), "facets": facets}
    told = {name: chance.choice(there[name]) if name in there else value for name, value in options.items()}
    return told if told.get("sort") in ("price", "-title") else {k: v for k, v in told.items() if k != "pool"}
