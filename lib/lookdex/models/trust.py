"""Which models a stored record may name.

A release and a plan name their models, and whoever may write to the catalogue may write such a record. To load a model
can run code (`python:…`, pickled weights) and fetch files (a hub id, a folder). So a record only chooses among the
models that the reader's own settings name, and lookdex-tiny, which comes with lookdex.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lookdex.config import Config
from lookdex.errors import ModelNotTrusted
from lookdex.models.digests import TINY
from lookdex.records import Recipe

SHOWN = 100  # characters of a record's text in a message


@dataclass(frozen=True, slots=True)
class TrustedModels:
    """names: as settings and recipes write them, compared letter by letter."""

    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, names: Iterable[str]) -> TrustedModels:
        return cls(frozenset(names))

    @classmethod
    def of_config(cls, config: Config) -> TrustedModels:
        """Those of the settings detector, embedder and trusted_models."""
        return cls.of((config.detector, config.embedder, *config.trusted_models))

    def check(self, record: str, **models: str) -> None:
        """Raise ModelNotTrusted for the first of `models` (detector, embedder: a name) that is not trusted.

        record: what names them, for the message. Nothing is looked up, imported or read.
        """
        for what, name in models.items():
            if name != TINY and name not in self.names:
                raise ModelNotTrusted(
                    f"{_cut(record)} names the {what} {_cut(name)!r}, and the settings here do not: it is not loaded, "
                    "because loading a model can run code and fetch files, and whoever may write to the catalogue may "
                    f"write such a record. If it is yours, name it in the setting {what} or trusted_models "
                    "(LOOKDEX_TRUSTED_MODELS; from Python, open_catalog(…, trusted_models=[…]))"
                )

    def check_recipe(self, record: str, recipe: Recipe) -> None:
        """Raise ModelNotTrusted unless both models of a recipe are trusted."""
        self.check(record, detector=recipe.detector, embedder=recipe.embedder)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


ONLY_TINY = TrustedModels()
