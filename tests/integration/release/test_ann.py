"""The vector index of a release: its parameters, recall, completeness, and use by lancedb."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import lance
import lancedb
import numpy as np
import pyarrow as pa
import pytest

from lookdex.catalog import tables
from lookdex.catalog.schemas import items_schema
from lookdex.records import IndexParameters
from lookdex.release import ann
from lookdex.release.audit import audit_release
from lookdex.release.promote import promote
from lookdex.storage import Store, open_store
from tests.support import nights

ROWS, DIM = ann.EXACT_BELOW + 2_000, 32


def rows(count: int, seed: int, dim: int = DIM) -> pa.Table:
    """Items with vectors in clusters of 20; half of the items are whole photos."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((count // 20 + 1, dim), dtype=np.float32)
    vectors = centres[rng.integers(0, len(centres), count)]
    vectors = vectors + 0.5 * rng.standard_normal((count, dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f"{seed}-{i}" for i in range(count)]
    schema = items_schema(dim)
    columns = {
        "item_id": names,
        "image_key": names,
        "product_id": [f"p{i // 4}" for i in range(count)],
        "scope": ["object" if i % 2 else "image" for i in range(count)],
        "role": ["main"] * count,
        "label": ["top"] * count,
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dim),
    }
    return pa.table([columns.get(field.name, pa.nulls(count, field.type)) for field in schema], schema=schema)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> tuple[lance.LanceDataset, IndexParameters]:
    items = lance.write_dataset(rows(ROWS, 1), str(tmp_path_factory.mktemp("t") / "items.lance"))
    return items, ann.update_index(items, None, ROWS)


def test_small_tables_have_no_index() -> None:
    assert ann.choose(ann.EXACT_BELOW - 1, 256) == IndexParameters(kind="exact")


@pytest.mark.parametrize("count", [20_000, 200_000, 3_000_000])
def test_parameters_depend_on_the_number_of_rows(count: int) -> None:
    chosen = ann.choose(count, 256)
    assert chosen.kind == "IVF_SQ"
    assert 500 < count / chosen.partitions <= 1100
    assert 8 <= chosen.nprobes <= chosen.partitions


def test_recall_is_good_and_all_rows_are_indexed(indexed: tuple[lance.LanceDataset, IndexParameters]) -> None:
    items, parameters = indexed
    assert parameters.kind == "IVF_SQ"
    assert set(ann.count_unindexed_rows(items).values()) == {0}
    scalar = {f"{name}_idx" for name in ann.SCALAR_INDEXES if name in items.schema.names}
    assert set(ann.count_unindexed_rows(items)) == {"vector_idx", *scalar}
    for lane in ann.measure_recalls(items, parameters):
        assert lane.recall >= 0.95
        assert lane.queries == ann.SAMPLE


def test_recall_of_a_coarse_index_is_low(tmp_path: Path) -> None:
    items = lance.write_dataset(rows(5_000, 1), str(tmp_path / "items.lance"))
    coarse: dict[str, Any] = {"num_partitions": 4, "num_sub_vectors": 2, "num_bits": 4}  # one byte per vector
    items = items.create_index("vector", "IVF_PQ", name=tables.VECTOR_INDEX, metric="cosine", **coarse)
    poor = IndexParameters(kind="IVF_PQ", partitions=4, nprobes=1, refine=1)
    assert min(lane.recall for lane in ann.measure_recalls(items, poor)) < 0.8
    assert ann.tune(items, poor).nprobes == 4


@pytest.mark.parametrize("needed", [1, 4, 5, 23, 60, 64, 1000])
def test_tuning_finds_the_fewest_partitions_with_good_recall(
    indexed: tuple[lance.LanceDataset, IndexParameters], monkeypatch: pytest.MonkeyPatch, needed: int
) -> None:
    items, parameters = indexed
    monkeypatch.setattr(
        ann, "measure_recall", lambda items, tried, truth: 1.0 if tried.nprobes >= needed else 0.9
    )
    found = ann.tune(items, replace(parameters, partitions=64, nprobes=4)).nprobes
    if needed <= 64:
        assert max(4, needed) <= found <= max(4, needed) + found // ann.TUNED_TO + 1
    else:
        assert found == 64  # all partitions, although they are not enough


def test_recall_of_an_exact_scan_is_one(indexed: tuple[lance.LanceDataset, IndexParameters]) -> None:
    items, _ = indexed
    assert {lane.recall for lane in ann.measure_recalls(items, IndexParameters(kind="exact"))} == {1.0}


def test_lancedb_uses_the_index(
    indexed: tuple[lance.LanceDataset, IndexParameters],
) -> None:
    items, parameters = indexed
    table = lancedb.connect(str(Path(items.uri).parent)).open_table("items")
    stats = table.index_stats("vector_idx")
    assert stats is not None
    assert (stats.num_indexed_rows, stats.num_unindexed_rows) == (ROWS, 0)
    vector = items.take([5], columns=["vector"])["vector"][0].values.to_numpy()
    search: Any = table.search(
        vector, vector_column_name="vector"
    )  # its declared type lacks methods for vectors
    query = (
        search.metric("cosine").where("scope = 'object'", prefilter=True)
        .nprobes(parameters.nprobes).refine_factor(parameters.refine).limit(3)
    )  # fmt: skip
    plan = query.explain_plan(verbose=True)
    assert "ANN" in plan
    assert "ScalarIndexQuery" in plan
    assert query.to_list()[0]["item_id"] == "1-5"


@pytest.fixture
def copy(tmp_path: Path) -> lance.LanceDataset:
    items = lance.write_dataset(rows(ROWS, 1), str(tmp_path / "items.lance"))
    ann.update_index(items, None, ROWS)
    return items


def test_new_rows_are_added_to_the_index(copy: lance.LanceDataset) -> None:
    before = ann.choose(ROWS, DIM)
    for night in range(3):
        items = lance.write_dataset(rows(50, 10 + night), copy.uri, mode="append")
        assert ann.count_unindexed_rows(items)["vector_idx"] == 50
        parameters = ann.update_index(items, before, 50)
        assert set(ann.count_unindexed_rows(items).values()) == {0}
        assert items.stats.index_stats("vector_idx")["num_indices"] == night + 2
        assert parameters.partitions == before.partitions
    for night in range(3, ann.MAX_SEGMENTS + 1):
        items = lance.write_dataset(rows(50, 10 + night), copy.uri, mode="append")
        ann.add_rows(items)
    assert items.stats.index_stats("vector_idx")["num_indices"] < ann.MAX_SEGMENTS
    vector = rows(50, 10)["vector"][7].values.to_numpy()
    found = items.to_table(nearest=ann.nearest(vector, 1, parameters), fast_search=True, columns=["item_id"])
    assert found["item_id"].to_pylist() == ["10-7"]


def test_many_new_rows_retrain_the_index(copy: lance.LanceDataset) -> None:
    items = lance.write_dataset(rows(30_000, 2), copy.uri, mode="append")
    parameters = ann.update_index(items, ann.choose(ROWS, DIM), 30_000)
    assert parameters.partitions == ann.choose(ROWS + 30_000, DIM).partitions
    assert items.stats.index_stats("vector_idx")["num_indices"] == 1
    assert set(ann.count_unindexed_rows(items).values()) == {0}


def test_index_is_dropped_when_the_table_shrinks(copy: lance.LanceDataset) -> None:
    copy.delete("scope = 'image'")
    assert ann.update_index(copy, ann.choose(ROWS, DIM), 0).kind == "exact"
    assert ann.count_unindexed_rows(copy) == {}


def test_index_stays_complete_over_nights(tmp_path: Path) -> None:
    store: Store = open_store(str(tmp_path / "catalog"))
    source = nights.photos(ann.EXACT_BELOW // 2 + 500)
    first = nights.build(store, nights.index_night(store, "n1", source, shard_images=4096))
    first = audit_release(store, first)
    promote(store, "n1")
    assert first.index.kind == "IVF_SQ"
    second = nights.build(store, nights.index_night(store, "n2", [*source[30:], nights.Photo("new.jpg")]))
    opened = tables.open_tables(store, second)
    assert set(ann.count_unindexed_rows(opened.items).values()) == {0}
    second = audit_release(store, second)
    details = {check.name: check.detail for check in second.audit}
    detail = r"objects (0\.9[5-9]\d|1\.000) \(100 queries\), photos (0\.9[5-9]\d|1\.000) \(100 queries\)"
    assert re.fullmatch(detail, details["the index finds 95% of the ten nearest"])
    vector = opened.items.to_table(filter="image_key = 'new.jpg'")["vector"][0].values.to_numpy()
    found = opened.items.to_table(
        nearest=ann.nearest(vector, 1, second.index), columns=["image_key"], fast_search=True
    )
    assert found["image_key"].to_pylist() == ["new.jpg"]
