"""The markers of tests, by what they use: the fixtures they ask for, their parameters, their module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from tests.support.paths import ROOT

FIXTURES = {"s3": "s3", "unsafe_s3": "s3", "browser": "browser"}
PARAMETERS = ("s3", "airflow")  # a parameter of this value
MODULES = {
    "e2e/page": ("slow",),
    "e2e/pipeline/test_cluster.py": ("spark", "s3", "slow"),
    "e2e/pipeline/test_dag.py": ("airflow", "spark", "slow"),
    "e2e/pipeline/test_evaluate_spark.py": ("spark", "slow"),
    "e2e/pipeline/test_flips.py": ("slow",),
    "e2e/pipeline/test_spark.py": ("spark", "slow"),
    "e2e/repository/test_demo.py": ("airflow", "spark", "slow"),
    "e2e/repository/test_readme.py": ("spark", "slow"),
    "e2e/service": ("slow",),
    "integration/cli": ("slow",),
    "integration/cli/test_cli.py": ("spark",),
    "integration/lookdex_tiny": ("slow",),
    "integration/models/test_openvino.py": ("slow",),
    "integration/release/test_ann.py": ("slow",),
    "integration/runtime/test_progress.py": ("spark", "slow"),
    "integration/training": ("slow",),
}  # paths below tests/, files or folders


def mark(items: Iterable[pytest.Item]) -> None:
    """Add to each test the markers of what it uses."""
    for item in items:
        for name in set(_markers(item)):
            item.add_marker(name)


def _markers(item: pytest.Item) -> Iterator[str]:
    for fixture in getattr(item, "fixturenames", ()):
        if fixture in FIXTURES:
            yield FIXTURES[fixture]
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    yield from (value for value in parameters if isinstance(value, str) and value in PARAMETERS)
    path = item.path.relative_to(ROOT / "tests").as_posix()
    for place, names in MODULES.items():
        if path == place or path.startswith(f"{place}/"):
            yield from names
