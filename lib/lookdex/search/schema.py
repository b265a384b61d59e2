"""The published JSON Schemas: `schemas/answer-2.json` and `schemas/options-2.json`, made from the types.

`python -m lookdex.search.schema` writes them anew into the source; a test keeps them equal to the types.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from lookdex.search.answer import answer
from lookdex.search.query import options

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MADE: dict[str, tuple[int, Callable[[], dict[str, Any]]]] = {
    "answer": (answer.FORMAT, answer.schema),
    "options": (options.FORMAT, options.schema),
}
NAMES = tuple(f"{name}-{number}.json" for name, (number, _) in _MADE.items())


def made(name: str) -> str:
    """A schema of today's types as text. name: 'answer-2.json' or 'options-2.json'."""
    plain, _, number = name.removesuffix(".json").rpartition("-")
    head = {"$schema": DIALECT, "$id": f"urn:lookdex:{plain}:{number}"}
    return json.dumps(head | _MADE[plain][1](), ensure_ascii=False, indent=1) + "\n"


def published(name: str) -> str:
    """The schema as it is packaged."""
    return resources.files(__package__).joinpath("schemas", name).read_text(encoding="utf-8")


def main() -> None:
    folder = Path(__file__).parent / "schemas"
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        (folder / name).write_text(made(name), encoding="utf-8")
        print(folder / name)


if __name__ == "__main__":
    main()
