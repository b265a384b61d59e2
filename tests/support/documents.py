"""The documents, and the code blocks in them that the tests execute."""

from __future__ import annotations

import re

from tests.support.paths import ROOT

# Blocks are executed in the order of these pages.
PAGES = (
    "README.md", "docs/nightly.md", "docs/airflow-and-spark.md", "docs/tables.md", "docs/analysts.md",
    "docs/library.md", "docs/api.md", "docs/service.md", "docs/clients.md", "docs/page.md", "docs/configuration.md",
    "docs/models.md", "docs/evaluating.md", "docs/training.md", "docs/operating.md", "docs/limits.md",
    "docs/architecture.md", "docs/glossary.md", "CONTRIBUTING.md", "SECURITY.md",
)  # fmt: skip
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
ALL = "\n".join(TEXTS.values())
_BLOCK = re.compile(r"<!-- run: (\w+) -->\n```(\w+)\n(.*?)```", re.DOTALL)
BLOCKS = {name: (language, text) for name, language, text in _BLOCK.findall(ALL)}
"""By name: the language of a code block, and its text."""


def generated(page: str, name: str) -> str:
    """The part of a page between `<!-- name: … -->` and `<!-- /name -->`."""
    found = re.search(rf"<!-- {name}:.*?-->\n(.*?)\n<!-- /{name} -->", TEXTS[page], re.DOTALL)
    assert found, f"{page} has no generated part {name}"
    return found[1]
