from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.echoes import Running, running


@pytest.fixture(scope="module")
def echo() -> Iterator[Running]:
    """An echo server with the default limits."""
    with running() as server:
        yield server
