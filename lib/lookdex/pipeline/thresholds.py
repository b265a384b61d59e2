"""Choose the thresholds of a release: those of the settings, the live release or the models shipped with lookdex.

`lookdex evaluate end-to-end --thresholds` writes them. They are valid only for the models they were measured with.
"""

from __future__ import annotations

import logging
from importlib import resources
from pathlib import PurePosixPath

from lookdex.catalog import json_codec
from lookdex.errors import ConfigError, NotFound
from lookdex.records import Recipe, Release, Thresholds
from lookdex.storage import open_store

SHIPPED = resources.files("lookdex.models") / "tiny" / "thresholds.json"
FORMAT = Thresholds.FORMAT
log = logging.getLogger(__name__)


def load(uri: str) -> Thresholds:
    """Read a thresholds file, local or s3://. Raises ConfigError."""
    scheme, slashes, path = uri.rpartition("://")
    where = PurePosixPath(path)
    parent = f"{scheme}{slashes}{where.parent}" if slashes else str(where.parent)
    try:
        found = json_codec.given_json(Thresholds, open_store(parent).get(where.name))
    except NotFound as error:
        raise ConfigError(
            f"{uri} does not exist; `lookdex evaluate end-to-end --thresholds` writes it"
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"{uri} is not a file of `lookdex evaluate end-to-end --thresholds`: {error}"
        ) from error
    if found.format > FORMAT:
        raise ConfigError(f"{uri} has format {found.format}; this lookdex reads up to {FORMAT}. Upgrade it.")
    return found


def load_shipped(recipe: Recipe) -> Thresholds | None:
    """The thresholds measured for the models shipped with lookdex; None for other models."""
    found = json_codec.from_json(Thresholds, SHIPPED.read_bytes(), str(SHIPPED))
    return found if found.fits(recipe) else None


def choose(given: Thresholds | None, live: Release | None, recipe: Recipe) -> Thresholds | None:
    """The thresholds for tonight's recipe; None when none were measured for its models.

    Thresholds of the settings that were measured with other models are ignored with a warning, because new models are
    published before they can be measured.
    """
    if given is not None and given.fits(recipe):
        return given
    if given is not None:
        log.warning(
            "the thresholds of the settings were measured with %s and %s, not with tonight's models, and are ignored. "
            "Measure again (`lookdex evaluate end-to-end --thresholds`) once this release is live.",
            given.detector or "another detector",
            given.embedder,
        )
    before = live.thresholds if live is not None else None
    if before is not None and before.fits(recipe):
        return before
    return load_shipped(recipe)
