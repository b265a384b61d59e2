"""The setting `root_path`."""

from __future__ import annotations

import pytest

from lookdex.errors import ConfigError
from lookdex.service.http.prefix import normalize_prefix


@pytest.mark.parametrize(
    ("path", "prefix"),
    [("", ""), ("/", ""), ("/lookdex", "/lookdex"), ("shop/lookdex/", "/shop/lookdex")],
)
def test_path_prefixes_are_normalised(path: str, prefix: str) -> None:
    assert normalize_prefix(path) == prefix


@pytest.mark.parametrize("path", ["https://a.example/x", "/a//b", "/..", "/a b", "/v1", "/page/x"])
def test_invalid_path_prefixes_are_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="root_path"):
        normalize_prefix(path)
