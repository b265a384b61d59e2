"""The store of the tests of releases: a folder only, since they do not depend on the kind of store."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookdex.storage import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "catalog")
