"""Models identified without loading them: digests, operating points, and folders with files missing."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from lookdex.errors import ModelNotFound
from lookdex.models.digests import (
    TINY,
    TINY_DETECTOR,
    TINY_EMBEDDER,
    detector_defaults,
    detector_digest,
    detector_folder,
    embedder_defaults,
    embedder_digest,
    embedder_folder,
    folder_digest,
    read_settings,
)


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
    assert re.fullmatch("[0-9a-f]{16}", before)
    (folder / "model.safetensors").rename(folder / "renamed.safetensors")
    assert folder_digest(folder) != before


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Hugging Face cache with a snapshot of org/model at the commit `abc`."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    set_commit(tmp_path / "hub", "abc\n")
    return tmp_path / "hub"


def set_commit(cache: Path, commit: str) -> None:
    refs = cache / "models--org--model" / "refs"
    refs.mkdir(parents=True, exist_ok=True)
    (refs / "main").write_text(commit)


@pytest.mark.parametrize(
    ("digest", "name"), [(detector_digest, "transformers:org/model"), (embedder_digest, "hf-hub:org/model")]
)
def test_the_digest_of_a_hub_model_is_that_of_its_commit(
    digest: Callable[[str], str], name: str, cache: Path
) -> None:
    before = digest(name)
    assert re.fullmatch("[0-9a-f]{16}", before)
    set_commit(cache, "abc")  # the line break does not count
    assert digest(name) == before
    set_commit(cache, "def\n")
    assert digest(name) != before
    with pytest.raises(ModelNotFound, match="org/other"):
        digest(name.replace("model", "other"))


@pytest.mark.parametrize("home", [True, False], ids=["HF_HOME", "home"])
def test_the_hub_cache_is_found_where_the_hub_puts_it(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: bool
) -> None:
    expected = detector_digest("transformers:org/model")
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.delenv("HF_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if home:
        monkeypatch.setenv("HF_HOME", "~")
    else:
        (tmp_path / ".cache" / "huggingface").mkdir(parents=True)
        cache.rename(tmp_path / ".cache" / "huggingface" / "hub")
    assert detector_digest("transformers:org/model") == expected


def test_a_local_folder_has_the_digest_of_its_files_under_every_kind(folder: Path) -> None:
    (folder / "open_clip_config.json").write_text("{}")
    expected = folder_digest(folder)
    assert detector_digest(f"torchvision:{folder}") == detector_digest(f"transformers:{folder}") == expected
    assert embedder_digest(str(folder)) == embedder_digest(f"hf-hub:{folder}") == expected


def test_the_digest_of_a_pretrained_model_is_that_of_its_tag() -> None:
    digest = embedder_digest("open_clip:ViT-B-32/one")
    assert re.fullmatch("[0-9a-f]{16}", digest)
    assert digest == embedder_digest("open_clip:ViT-B-32/one") != embedder_digest("open_clip:ViT-B-32/two")
    assert digest != embedder_digest("open_clip:ViT-B-16/one")


@pytest.mark.parametrize("name", ["open_clip:ViT-B-32", "open_clip:/one", "open_clip:ViT-B-32/"])
def test_a_pretrained_model_needs_an_architecture_and_a_tag(name: str) -> None:
    with pytest.raises(ModelNotFound, match="no pretrained tag"):
        embedder_digest(name)


@pytest.mark.parametrize("digest", [detector_digest, embedder_digest])
def test_the_digest_of_a_custom_model_is_that_of_its_name_and_module(
    digest: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, file = ModuleType("shop_models"), tmp_path / "shop_models.py"
    module.__dict__.update(__file__=str(file))
    for name in ("one", "two"):
        exec(f"def {name}(): ...", module.__dict__)
    monkeypatch.setitem(sys.modules, "shop_models", module)
    file.write_text("VERSION = 1")
    before = digest("python:shop_models:one")
    assert before == digest("python:shop_models:one") != digest("python:shop_models:two")
    file.write_text("VERSION = 2")
    assert digest("python:shop_models:one") != before


@pytest.mark.parametrize(
    ("config", "score"), [('{"min_score": 0.62}', 0.62), ("{}", 0.3)], ids=["own", "default"]
)
def test_a_detector_has_its_own_operating_point_or_the_default(
    folder: Path, config: str, score: float
) -> None:
    (folder / "config.json").write_text(config)
    assert detector_defaults(f"torchvision:{folder}").min_score == score
    assert detector_defaults(f"transformers:{folder}").min_score == 0.3
    assert detector_defaults("python:a:b").min_score == 0.3


@pytest.mark.parametrize(
    ("config", "margin"),
    [('{"lookdex_cfg": {"crop_margin": 0.2}}', 0.2), ('{"lookdex_cfg": {}}', 0.05), ("{}", 0.05)],
)
def test_an_embedder_has_its_own_crop_margin_or_the_default(folder: Path, config: str, margin: float) -> None:
    (folder / "open_clip_config.json").write_text(config)
    assert embedder_defaults(str(folder)).crop_margin == margin
    assert embedder_defaults(f"hf-hub:{folder}").crop_margin == 0.05
    assert embedder_defaults("open_clip:ViT-B-32/one").crop_margin == 0.05
    assert embedder_defaults("python:a:b").crop_margin == 0.05


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("yolo", "unknown detector 'yolo'"),
        ("torchvision:", "unknown detector"),
        ("other:folder", "unknown detector"),
        ("torchvision:{folder}", "has no model.safetensors; a model needs config.json and model.safetensors"),
        ("torchvision:{folder}/empty", "has no config.json and no model.safetensors"),
    ],
)
def test_a_detector_without_its_files_is_named(folder: Path, name: str, message: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "empty").mkdir()
    with pytest.raises(ModelNotFound, match=message):
        detector_folder(name.format(folder=folder))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{folder}/none", "neither an embedder nor a folder"),
        ("{folder}", "has no open_clip_config.json; a model needs open_clip_config.json"),
    ],
)
def test_an_embedder_without_its_files_is_named(folder: Path, name: str, message: str) -> None:
    with pytest.raises(ModelNotFound, match=message):
        embedder_folder(name.format(folder=folder))


@pytest.mark.parametrize(
    ("text", "message"), [("{", "cannot be read"), ("[]", "not a JSON object"), (None, "cannot be read")]
)
def test_settings_that_are_no_json_object_are_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelNotFound, match=message):
        read_settings(tmp_path / "config.json")


def test_lookdex_tiny_is_complete() -> None:
    assert detector_folder(TINY) == TINY_DETECTOR
    assert embedder_folder(TINY) == TINY_EMBEDDER
    assert detector_digest(TINY) == folder_digest(TINY_DETECTOR)
    assert embedder_digest(TINY) == folder_digest(TINY_EMBEDDER)
