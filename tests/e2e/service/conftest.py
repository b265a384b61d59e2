"""The shop that the tests of the service share."""

from __future__ import annotations

import pytest

from lookdex.storage import open_store
from tests.support.catalogs import Shown, publish, recipe_with_digests, stock


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URI of a catalogue of twelve products and a photo without a product. It does not change."""
    uri = str(tmp_path_factory.mktemp("shop"))
    publish(
        open_store(uri), "night-1", [*stock(), Shown(None, "red", price=500.0)], recipe=recipe_with_digests()
    )
    return uri
