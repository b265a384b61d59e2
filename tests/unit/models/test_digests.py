"""Digests of model folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from lookdex.models.digests import folder_digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


@pytest.mark.parametrize("name", ["merges.txt", "tokenizer/vocab.json", "model-2.safetensors"])
def test_another_file_changes_the_digest(folder: Path, name: str) -> None:
    before = folder_digest(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("a")
    assert folder_digest(folder) != before


@pytest.mark.parametrize(
    "name", ["README.md", "example.PNG", ".gitattributes", ".cache/lock", "merges.txt~", "config.json~"]
)
def test_model_cards_pictures_dot_files_and_backups_do_not_change_the_digest(folder: Path, name: str) -> None:
    before = folder_digest(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("a")
    assert folder_digest(folder) == before


def test_the_name_of_a_file_counts(folder: Path) -> None:
    before = folder_digest(folder)
    (folder / "model.safetensors").rename(folder / "renamed.safetensors")
    assert folder_digest(folder) != before
