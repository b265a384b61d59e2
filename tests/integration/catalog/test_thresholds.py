"""Which thresholds a release keeps: given, inherited, shipped, or none."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import lookdex_sample
from lookdex.catalog import json_codec, promotion_log
from lookdex.config import NightSettings
from lookdex.errors import ConfigError
from lookdex.pipeline import thresholds
from lookdex.pipeline.recipe import make_recipe
from lookdex.records import IndexParameters, Recipe, Release, Threshold, Thresholds, Trust
from lookdex.storage import open_store
from lookdex.taxonomy.categories import CATEGORIES
from tests.fakes import recipe
from tests.support import nights

RECIPE = recipe()


def measured(similarity: float = 0.7, recipe: Recipe = RECIPE) -> Thresholds:
    limit = Threshold(similarity, 0.95, 0.1, 40, 40, False)
    return Thresholds(
        0.95, 20, recipe.embedder, recipe.embedder_digest, limit, {"top": replace(limit, similarity=0.8)},
        recipe.detector, recipe.detector_digest, Trust(0.99, 0.6, {"top": 0.4}), 2,
    )  # fmt: skip


def release(kept: Thresholds | None, recipe: Recipe = RECIPE) -> Release:
    return Release(
        "r", None, datetime(2026, 1, 1, tzinfo=UTC), "s", 1, 1, recipe, 16, 1, {}, IndexParameters("exact"), (),
        thresholds=kept,
    )  # fmt: skip


def test_categories_without_a_threshold_use_the_common_one() -> None:
    assert [measured().similarity(name) for name in ("top", "bag", None)] == [0.8, 0.7, 0.7]


def test_thresholds_of_the_settings_come_before_the_live_ones() -> None:
    given, kept = measured(0.5), measured(0.6)
    assert thresholds.choose(given, release(kept), RECIPE) == given
    assert thresholds.choose(None, release(kept), RECIPE) == kept
    assert thresholds.choose(None, None, RECIPE) is None
    assert thresholds.choose(None, release(None), RECIPE) is None


@pytest.mark.parametrize("change", [{"embedder_digest": "newer"}, {"detector_digest": "newer"}])
def test_thresholds_of_other_models_are_dropped(
    change: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    newer = recipe(**change)
    assert thresholds.choose(None, release(measured()), newer) is None
    with caplog.at_level(logging.WARNING):
        assert thresholds.choose(measured(), None, newer) is None
    assert "not with tonight's models" in caplog.text
    assert "lookdex evaluate end-to-end --thresholds" in caplog.text


def test_settings_that_change_no_model_keep_the_thresholds() -> None:
    assert thresholds.choose(None, release(measured()), recipe(max_objects=3)) == measured()


def test_shipped_models_have_thresholds() -> None:
    tiny = make_recipe(NightSettings())
    found = thresholds.choose(None, None, tiny)
    assert found is not None, (
        "the detector is another: lookdex evaluate detection --images … --coco street.json "
        "--trust lib/lookdex/models/tiny/thresholds.json, on the street photos of lookdex_tiny.splits"
    )
    assert found.format == thresholds.FORMAT
    assert set(found.by_category) <= set(CATEGORIES)
    assert found.trust is not None
    assert thresholds.load_shipped(replace(tiny, embedder_digest="another")) == found  # with any embedder
    assert thresholds.load_shipped(replace(tiny, detector_digest="another")) is None
    assert found.similarity("top") is None  # each shop measures its own thresholds of good matches
    assert thresholds.choose(measured(recipe=tiny), None, tiny) == measured(recipe=tiny)


def test_sample_thresholds_fit_the_shipped_models() -> None:
    file = Path(lookdex_sample.__file__).with_name("thresholds.json")
    found = thresholds.load(str(file))
    assert found.fits(make_recipe(NightSettings())), (
        "the models are others: lookdex sample --out S --products 1000 --looks 400; lookdex reindex … ; "
        f"lookdex evaluate end-to-end --catalog C --queries S/truth.parquet --thresholds {file}"
    )
    assert set(found.by_category) == set(CATEGORIES)
    assert found.trust is not None


def test_file_of_format_1_is_read(tmp_path: Path) -> None:
    value = json.loads(json_codec.to_json(measured()))
    for name in ("detector", "detector_digest", "trust"):
        del value[name]
    file = tmp_path / "thresholds.json"
    file.write_text(json.dumps(value | {"format": 1}))
    found = thresholds.load(str(file))
    assert found == replace(measured(), detector="", detector_digest="", trust=None, format=1)
    assert found.fits(recipe(detector_digest="any"))
    file.write_text(json.dumps(value | {"format": 3}))
    with pytest.raises(ConfigError, match="has format 3; this lookdex reads up to 2"):
        thresholds.load(str(file))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json does not exist; .*--thresholds` writes it"):
        thresholds.load(str(tmp_path / "none.json"))
    (tmp_path / "odd.json").write_text('{"keep": 0.95}')
    with pytest.raises(ConfigError, match=r"odd\.json is not a file of") as caught:
        thresholds.load(str(tmp_path / "odd.json"))
    assert "run the night again" not in str(caught.value)


def test_relative_path_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "thresholds.json").write_bytes(json_codec.to_json(measured()))
    monkeypatch.chdir(tmp_path)
    assert thresholds.load("thresholds.json") == measured()


def test_older_release_without_thresholds_is_read(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    value = json.loads(json_codec.to_json(release(measured())))
    del value["thresholds"]
    store.put("releases/r.json", json.dumps(value).encode())
    assert promotion_log.load_release(store, "r").thresholds is None
    promotion_log.save_release(store, replace(release(measured()), release_id="s"))
    assert promotion_log.load_release(store, "s").thresholds == measured()


def test_release_keeps_the_thresholds_of_its_plan(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "catalog"))
    first = nights.publish(store, "n1", nights.photos(3))
    assert first.thresholds is None
    night = nights.index_night(store, "n2", nights.photos(4))
    plan = replace(night.plan, thresholds=measured())
    assert nights.build(store, replace(night, plan=plan)).thresholds == measured()
