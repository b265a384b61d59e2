"""Which models a stored record may name.

Releases and plans name their models, and anyone who can write to the catalogue can forge such a record. Loading a model
can run code (`python:…`, pickled weights) and fetch files (a hub id, a folder). So a record may only choose among the
models in the reader's own settings, and lookdex-tiny, which is part of lookdex.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lookdex.config import SharedSettings
from lookdex.errors import ModelNotTrusted
from lookdex.models.digests import TINY
from lookdex.records import Recipe
from lookdex.runtime.wording import shorten

SHOWN = 100  # maximum characters of a record's text in a message


@dataclass(frozen=True, slots=True)
class TrustedModels:
    """The models that a stored record may name, besides lookdex-tiny."""

    names: frozenset[str] = frozenset()
    """As in settings and recipes, compared exactly."""

    @classmethod
    def from_names(cls, names: Iterable[str]) -> TrustedModels:
        return cls(frozenset(names))

    @classmethod
    def from_settings(cls, settings: SharedSettings) -> TrustedModels:
        """The models of the settings detector, embedder and trusted_models."""
        return cls.from_names((settings.detector, settings.embedder, *settings.trusted_models))

    def check(self, record: str, **models: str) -> None:
        """Raise ModelNotTrusted for the first model that is not trusted. Nothing is resolved, imported or read.

        Args:
            record: where the names come from, for the message.
            models: detector=…, embedder=…
        """
        for what, name in models.items():
            if name != TINY and name not in self.names:
                raise ModelNotTrusted(
                    f"{shorten(record, SHOWN)} names the {what} {shorten(name, SHOWN)!r}, which the local settings do "
                    "not list. It is not loaded, because loading a model can run code and fetch files, and anyone who "
                    "can write to the catalogue can forge such a record. If you trust it, add it to the setting "
                    f"{what} or trusted_models (LOOKDEX_TRUSTED_MODELS; from Python, "
                    "open_catalog(…, trusted_models=[…]))"
                )

    def check_recipe(self, record: str, recipe: Recipe) -> None:
        """Raise ModelNotTrusted unless both models of a recipe are trusted."""
        self.check(record, detector=recipe.detector, embedder=recipe.embedder)


ONLY_TINY = TrustedModels()
