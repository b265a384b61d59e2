"""The published JSON Schemas, `schemas/answer-2.json` and `schemas/options-2.json`, generated from the types.

`python -m lookdex.search.schema` regenerates them in the source; a test compares them with the types.
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
_SCHEMAS: dict[str, tuple[int, Callable[[], dict[str, Any]]]] = {
    "answer": (answer.FORMAT, answer.schema),
    "options": (options.FORMAT, options.schema),
}
NAMES = tuple(f"{name}-{number}.json" for name, (number, _) in _SCHEMAS.items())


def generated(name: str) -> str:
    """Generate a schema from the types, as text. name: one of NAMES."""
    kind, _, number = name.removesuffix(".json").rpartition("-")
    head = {"$schema": DIALECT, "$id": f"urn:lookdex:{kind}:{number}"}
    return json.dumps(head | _SCHEMAS[kind][1](), ensure_ascii=False, indent=1) + "\n"


def published(name: str) -> str:
    """Read the packaged schema. name: one of NAMES."""
    return resources.files(__package__).joinpath("schemas", name).read_text(encoding="utf-8")


def main() -> None:
    folder = Path(__file__).parent / "schemas"
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        (folder / name).write_text(generated(name), encoding="utf-8")
        print(folder / name)


if __name__ == "__main__":
    main()
