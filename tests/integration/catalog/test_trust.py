"""A catalogue cannot choose what code runs: readers load only models that their own settings name."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import lookdex
from lookdex.catalog import promotion_log
from lookdex.config import ServiceSettings, SharedSettings
from lookdex.errors import ModelMismatch, ModelNotFound, ModelNotTrusted
from lookdex.models import digests
from lookdex.models.embed import open_model
from lookdex.models.trust import TrustedModels
from lookdex.records import Recipe, digest_of
from lookdex.service import create_app
from lookdex.storage import open_store
from tests.fakes import FakeDetector, FakeEmbedder, recipe
from tests.support import nights
from tests.support.catalogs import picture, publish, recipe_with_digests, stock
from tests.support.verbs import FAKES, run

MODULE = """
import pathlib
pathlib.Path({mark!r}).write_text("it ran")
from tests.fakes import detector, embedder
"""


@dataclass(frozen=True)
class Trap:
    """A folder with a module and model files that leave a mark if any of their code runs."""

    folder: Path

    @property
    def mark(self) -> Path:
        return self.folder / "mark"

    @property
    def module(self) -> str:
        return "python:trapped_models:detector"

    def pickled(self) -> bytes:
        return pickle.dumps(_Trapped(str(self.mark)), protocol=2)  # the protocol of torch files


class _Trapped:
    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (self.mark,)


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trap:
    trap = Trap(tmp_path / "trap")
    trap.folder.mkdir()
    (trap.folder / "trapped_models.py").write_text(MODULE.format(mark=str(trap.mark)))
    monkeypatch.syspath_prepend(str(trap.folder))
    monkeypatch.delitem(sys.modules, "trapped_models", raising=False)
    return trap


def recipe_naming(trap: Trap, model: str, name: str) -> Recipe:
    """A recipe of the fakes with another detector or embedder, and the digest that an attacker would give it."""
    source = (trap.folder / "trapped_models.py").read_bytes()
    digest = digest_of((name, hashlib.sha256(source).hexdigest()))
    changes: dict[str, Any] = {model: name, f"{model}_digest": digest}
    return replace(recipe_with_digests(), **changes)


NAMES = (
    "python:trapped_models:detector",
    "python:os:system",
    "transformers:{folder}",
    "transformers:somebody/their-detector",
    "torchvision:{folder}",
    "hf-hub:somebody/their-model",
    "open_clip:ViT-B-32/openai",
    "{folder}",
    "s3://elsewhere/model",
    "lookdex-tiny/../../elsewhere",
    "lookdex-tiny ",
)


@pytest.mark.parametrize("model", ["detector", "embedder"])
@pytest.mark.parametrize("name", NAMES)
def test_model_that_the_settings_do_not_name_is_not_loaded(
    trap: Trap, tmp_path: Path, model: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = name.format(folder=trap.folder)
    publish(open_store(tmp_path / "shop"), "night-1", stock(2), recipe=recipe_naming(trap, model, name))
    for function in ("detector_digest", "embedder_digest"):  # they look for a model's files first
        monkeypatch.setattr(digests, function, lambda name: pytest.fail(f"looked for {name}"))
    other: dict[str, Any] = (
        {"embedder": FakeEmbedder()} if model == "detector" else {"detector": FakeDetector()}
    )
    with pytest.raises(ModelNotTrusted, match=f"names the {model} .*trusted_models"):
        lookdex.open_catalog(tmp_path / "shop", **other)
    with pytest.raises(ModelNotTrusted):
        create_app(ServiceSettings(catalog=str(tmp_path / "shop"), trusted_models=FAKES[1::2]))
    assert not trap.mark.exists()


def test_service_stays_on_its_release_if_the_next_names_an_untrusted_model(
    trap: Trap, tmp_path: Path
) -> None:
    store = open_store(tmp_path / "shop")
    publish(store, "night-1", stock(2), recipe=recipe_with_digests())
    catalog = lookdex.open_catalog(store, trusted_models=FAKES[1::2], poll_seconds=0.0).load()
    publish(store, "night-2", stock(2), recipe=recipe_naming(trap, "detector", trap.module))
    assert catalog.search(picture("red")).release_id == "night-1"
    assert "night-2 names the detector 'python:trapped_models:detector'" in (catalog.behind or "")
    assert "trusted_models" in (catalog.behind or "")
    assert not trap.mark.exists()
    with pytest.raises(ModelNotTrusted):
        catalog.refresh()
    publish(store, "night-3", stock(2), recipe=recipe_with_digests())
    assert (catalog.search(picture("red")).release_id, catalog.behind) == ("night-3", None)


def test_trusted_models_match_exact_names_only(trap: Trap, tmp_path: Path) -> None:
    publish(
        open_store(tmp_path / "shop"),
        "night-1",
        stock(2),
        recipe=recipe_naming(trap, "detector", trap.module),
    )
    with pytest.raises(ModelNotTrusted):
        lookdex.open_catalog(tmp_path / "shop", trusted_models=[f"{trap.module}2", FAKES[3]])
    assert not trap.mark.exists()
    with pytest.raises(ModelMismatch, match="was built with the detector"):  # its digest is of another module
        lookdex.open_catalog(tmp_path / "shop", trusted_models=[trap.module, FAKES[3]])
    assert trap.mark.exists()


def test_models_passed_as_objects_need_no_trust(tmp_path: Path) -> None:
    publish(open_store(tmp_path), "night-1", stock(2), recipe=recipe(detector="my own", embedder="mine, too"))
    catalog = lookdex.open_catalog(
        tmp_path, detector=FakeDetector(name="my own"), embedder=FakeEmbedder(name="mine, too")
    )
    assert catalog.search(picture("red")).objects


def test_error_message_is_short_for_long_names(tmp_path: Path) -> None:
    with pytest.raises(ModelNotTrusted) as caught:
        TrustedModels().check("r" * 10_000, detector="x" * 10_000)
    assert len(str(caught.value)) < 1000
    assert TrustedModels.from_settings(SharedSettings(embedder="hf-hub:a/b", trusted_models=("c",))).names == {
        "lookdex-tiny", "hf-hub:a/b", "c",
    }  # fmt: skip


# ── every verb ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "verb",
    [
        ("search", "--text", "red"),
        ("evaluate", "end-to-end", "--queries", "{queries}"),
    ],
    ids=lambda verb: verb[0],
)
def test_verbs_that_read_a_release_name_the_setting(
    trap: Trap, tmp_path: Path, verb: tuple[str, ...]
) -> None:
    publish(
        open_store(tmp_path / "shop"),
        "night-1",
        stock(2),
        recipe=recipe_naming(trap, "detector", trap.module),
    )
    (tmp_path / "queries.csv").write_text("image,product_id,category\nphoto.jpg,p000,top\n")
    (tmp_path / "photo.jpg").touch()
    arguments = [word.format(queries=tmp_path / "queries.csv") for word in verb]
    done = run(*arguments, "--catalog", str(tmp_path / "shop"), LOOKDEX_TRUSTED_MODELS=FAKES[3])
    assert (done.exit_code, trap.mark.exists()) == (2, False), done.output
    assert "trusted_models" in done.output


def test_index_and_audit_load_trusted_models_only(trap: Trap, tmp_path: Path) -> None:
    store = open_store(tmp_path / "shop")
    trapped = replace(nights.RECIPE, detector=trap.module)
    night = nights.index_night(store, "night", nights.photos(3), recipe=trapped)
    shop = ("--catalog", str(tmp_path / "shop"), "--run-id", "night")
    settings = {"LOOKDEX_TRUSTED_MODELS": trapped.embedder}
    refused = run("index", *shop, **settings)
    assert refused.exit_code == 2, refused.output
    assert "the plan of run night names the detector" in refused.output
    nights.build(store, night)
    refused = run("audit", *shop, **settings)
    assert refused.exit_code == 2, refused.output
    assert "names the detector" in refused.output
    assert not trap.mark.exists()
    assert promotion_log.list_releases(store) == []


# ── weights ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_pickled_weights_run_no_code_even_if_trusted(trap: Trap) -> None:
    tower = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
    text = {"context_length": 12, "vocab_size": 100, "width": 16, "heads": 2, "layers": 1}
    config = {
        "model_cfg": {"embed_dim": 16, "vision_cfg": tower, "text_cfg": text},
        "preprocess_cfg": {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"},
    }
    (trap.folder / "open_clip_config.json").write_text(json.dumps(config))
    (trap.folder / "open_clip_pytorch_model.bin").write_bytes(trap.pickled())
    with pytest.raises(ModelNotFound, match="could not be loaded"):
        open_model(str(trap.folder))
    assert not trap.mark.exists()
    pickle.loads(trap.pickled())
    assert trap.mark.exists()  # the trap works
