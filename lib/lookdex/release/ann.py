"""Choose, build and tune the vector index of a release.

Measured on one core of a two-core machine with AVX2 (256-d, clusters of 50, half of the rows pass a filter):

    taskset -c 0 env OMP_NUM_THREADS=1 LANCE_CPU_THREADS=1 python -m infra.bench_ann

    rows      Lance exact scan    with a bitmap on the filter    IVF_SQ, 1024 a partition, refine 4
      5,000       3 ms                 4 ms                        2 ms, recall@10 1.000
     20,000      13 ms                11 ms                        3 ms, 0.997, built in 0.4 s
     50,000      94 ms                33 ms                        6 ms, 0.989, built in 2 s
    200,000     422 ms                96 ms                        4 ms, 0.981, built in 13 s

Tables below 20,000 rows are scanned: there is no index to build or to become stale, and recall is 1. Larger ones get
IVF_SQ. At these settings IVF_RQ builds slower (17 s), answers slower (7 ms) and finds a little more (0.990). Without
refine, SQ loses one or two points of recall.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import lance
import numpy as np

from lookdex.catalog.tables import VECTOR_INDEX
from lookdex.records import IndexParameters, Role, Scope

EXACT_BELOW = 20_000  # rows
PARTITION_ROWS = 1024
PROBED = 0.02  # initial share of the partitions that a query reads; `tune` raises it as needed
REFINE = 4  # candidates re-scored with their full vectors, as a multiple of k
GOOD_RECALL = 0.97  # goal of `tune`; the audit refuses below 0.95
TUNED_TO = 16  # `tune` stops when the number of partitions is known to a sixteenth
MAX_SEGMENTS = 8  # index segments (one per night) before they are merged
SAMPLE = 100  # vectors

SCALAR_INDEXES: dict[str, Literal["BITMAP", "BTREE"]] = {
    "scope": "BITMAP",
    "role": "BITMAP",
    "label": "BITMAP",
    "product_id": "BTREE",
    "image_key": "BTREE",
    "category": "BITMAP",  # a product column, if there is one: queries for an object search its category first
}

LANES = {
    "objects": f"scope = '{Scope.OBJECT}' AND role = '{Role.MAIN}'",
    "photos": f"scope = '{Scope.IMAGE}'",
}


@dataclass(frozen=True, slots=True)
class Recall:
    """recall@10 of one kind of query over `queries` sampled vectors."""

    lane: str
    recall: float
    queries: int


def choose(items: int, dim: int) -> IndexParameters:
    """The index for a table of `items` rows. `dim` makes no difference in the measured range (64 to 1024)."""
    if items < EXACT_BELOW:
        return IndexParameters(kind="exact")
    partitions = items // PARTITION_ROWS
    probes = min(partitions, max(8, round(partitions * PROBED)))
    return IndexParameters(kind="IVF_SQ", partitions=partitions, nprobes=probes, refine=REFINE)


def update_index(items: lance.LanceDataset, live: IndexParameters | None, fresh: int) -> IndexParameters:
    """Index all rows of `items`. Commits new versions of the table.

    The vector index is trained again when there is none, when half of the rows are new, or when the table doubled or
    halved since. Otherwise the new rows are added to it.

    live: the parameters of the live release, whose index `items` may have inherited. fresh: rows added tonight.
    """
    rows = items.count_rows()
    wanted = choose(rows, items.schema.field("vector").type.list_size)
    existing = {index.name for index in items.describe_indices()}
    if wanted.kind == "exact":
        for name in existing:
            items.drop_index(name)
        return wanted
    before = live if VECTOR_INDEX in existing else None
    if before is None or before.kind != wanted.kind or fresh > rows / 2 or not fits(before, wanted):
        items.create_index(
            "vector",
            wanted.kind,
            name=VECTOR_INDEX,
            metric="cosine",
            num_partitions=wanted.partitions,
            replace=True,
        )
    else:
        wanted = replace(wanted, partitions=before.partitions, nprobes=max(before.nprobes, 1))
        add_rows(items)
    for column, kind in SCALAR_INDEXES.items():
        if column in items.schema.names and f"{column}_idx" not in existing:
            items.create_scalar_index(column, kind, name=f"{column}_idx")
    if scalar := sorted(existing - {VECTOR_INDEX}):
        items.optimize.optimize_indices(index_names=scalar)
    return tune(items, wanted)


def add_rows(items: lance.LanceDataset) -> None:
    """Add the new rows to the vector index as a new segment; merge the segments when there are MAX_SEGMENTS.

    For 500 new rows on 200,000 of 256-d this takes 0.05 s, and a merge of three segments 0.2 s; training takes 13 s.
    """
    segments = items.stats.index_stats(VECTOR_INDEX)["num_indices"]
    merge = segments if segments >= MAX_SEGMENTS else 0
    items.optimize.optimize_indices(index_names=[VECTOR_INDEX], num_indices_to_merge=merge)


def fits(before: IndexParameters, wanted: IndexParameters) -> bool:
    return before.partitions / 2 < wanted.partitions < before.partitions * 2


def count_unindexed_rows(items: lance.LanceDataset) -> dict[str, int]:
    """Rows that each index does not cover: fast_search would never find them."""
    names = [index.name for index in items.describe_indices()]
    return {name: items.stats.index_stats(name)["num_unindexed_rows"] for name in names}


def tune(items: lance.LanceDataset, parameters: IndexParameters) -> IndexParameters:
    """Raise nprobes to the smallest number that reaches GOOD_RECALL on sampled vectors (at most all partitions)."""
    truths = [
        truth for where in LANES.values() if len((truth := find_exact_neighbours(items, where)).queries)
    ]

    def good(probes: int) -> bool:
        tried = replace(parameters, nprobes=probes)
        return all(measure_recall(items, tried, truth) >= GOOD_RECALL for truth in truths)

    enough, too_few = parameters.nprobes, parameters.nprobes - 1
    while enough < parameters.partitions and not good(enough):
        too_few, enough = enough, min(parameters.partitions, 2 * enough)
    while enough - too_few > max(1, enough // TUNED_TO):
        middle = (enough + too_few) // 2
        enough, too_few = (middle, too_few) if good(middle) else (enough, middle)
    return replace(parameters, nprobes=enough)


@dataclass(frozen=True)
class Truth:
    """Exact answers to sampled queries of one lane."""

    where: str
    queries: np.ndarray  # float32 (q, dim)
    tenth: np.ndarray  # (q,) similarity of the tenth neighbour
    count: np.ndarray  # (q,) number of neighbours, at most 10


def find_exact_neighbours(items: lance.LanceDataset, where: str, sample: int = SAMPLE) -> Truth:
    """Exact search in numpy over the streamed rows of a lane: one pass to sample, one to score."""
    rows = items.count_rows(filter=where)
    dim = items.schema.field("vector").type.list_size
    queries = np.empty((0, dim), np.float32)
    picked = np.sort(np.random.default_rng(0).choice(rows, min(sample, rows), replace=False))
    chunks, start = [], 0
    for vectors in stream_vectors(items, where):
        inside = picked[(picked >= start) & (picked < start + len(vectors))] - start
        chunks.append(vectors[inside])
        start += len(vectors)
    queries = np.concatenate(chunks) if chunks else queries
    # A stored vector always finds itself. Noise makes it like another photo of the object.
    noise = np.random.default_rng(1).standard_normal(queries.shape, dtype=np.float32)
    queries = queries + 0.2 / max(dim, 1) ** 0.5 * noise
    queries /= np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-12)
    best = np.full((len(queries), 10), -np.inf, np.float32)
    for vectors in stream_vectors(items, where):
        both = np.concatenate([best, queries @ vectors.T], axis=1)
        best = -np.partition(-both, 9, axis=1)[:, :10]
    found = np.isfinite(best)
    return Truth(where, queries, np.where(found, best, np.inf).min(axis=1, initial=np.inf), found.sum(axis=1))


def stream_vectors(items: lance.LanceDataset, where: str) -> Iterator[np.ndarray]:
    """Blocks (n, dim) float32 of the vectors that pass `where`, in table order."""
    dim = items.schema.field("vector").type.list_size
    for batch in items.scanner(
        columns=["vector"], filter=where, scan_in_order=True, batch_size=8192
    ).to_batches():
        yield batch["vector"].flatten().to_numpy(zero_copy_only=False).reshape(-1, dim)


def measure_recall(items: lance.LanceDataset, parameters: IndexParameters, truth: Truth) -> float:
    """Share of the ten nearest that the index finds. Equal similarities count as found, because of duplicates."""
    hits = 0
    for query, tenth, count in zip(truth.queries, truth.tenth, truth.count, strict=True):
        found = items.scanner(
            columns=["vector"], nearest=nearest(query, 10, parameters), filter=truth.where, prefilter=True,
            fast_search=parameters.kind != "exact", disable_scoring_autoprojection=True,
        ).to_table()  # fmt: skip
        vectors = found["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        scores = vectors.reshape(-1, len(query)) @ query
        hits += min(int((scores >= tenth - 1e-5).sum()), count)
    return float(hits / max(int(truth.count.sum()), 1))


def nearest(query: np.ndarray, k: int, parameters: IndexParameters) -> dict[str, object]:
    """Lance's `nearest` argument for a search under `parameters`."""
    plain = {"column": "vector", "q": query, "k": k, "metric": "cosine"}
    if parameters.kind == "exact":
        return {**plain, "use_index": False}
    # As in queries. With only a minimum, Lance reads every partition when there is a filter.
    probes = max(1, parameters.nprobes)
    return {**plain, "minimum_nprobes": probes, "maximum_nprobes": probes, "refine_factor": parameters.refine}


def measure_recalls(items: lance.LanceDataset, parameters: IndexParameters) -> list[Recall]:
    """recall@10 of each lane that has rows."""
    truths = {lane: find_exact_neighbours(items, where) for lane, where in LANES.items()}
    return [
        Recall(lane, measure_recall(items, parameters, truth), len(truth.queries))
        for lane, truth in truths.items()
        if len(truth.queries)
    ]
