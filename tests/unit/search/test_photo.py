"""Photos that callers search with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lookdex.errors import BadQuery
from lookdex.search.engine.photo import read_photo


def test_a_pipe_or_a_folder_is_refused_without_reading(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(BadQuery, match=f"cannot read the photo {path}: it is not a file"):
            read_photo(path)
