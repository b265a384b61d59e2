"""Vectors that callers search with."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookdex.errors import BadQuery
from lookdex.search.engine.vectors import to_unit_vector


@given(st.floats(min_value=5e-324, max_value=1.7e308))
def test_the_length_of_a_vector_does_not_matter(factor: float) -> None:
    unit = to_unit_vector(factor * np.array([1.0, -1.0, 1.0, 0.0]), 4)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit, np.array([1.0, -1.0, 1.0, 0.0]) / np.sqrt(3), rtol=1e-6)


@pytest.mark.parametrize("vector", [[0.0] * 4, [float("nan")] * 4, [float("inf"), 0, 0, 0], [1.0] * 3])
def test_a_vector_without_a_direction_is_refused(vector: list[float]) -> None:
    with pytest.raises(BadQuery, match="finite numbers"):
        to_unit_vector(vector, 4)
