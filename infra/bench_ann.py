"""Exact scan or which index: times and recall of Lance's searches on one core. Figures are in release/ann.py.

    taskset -c 0 env OMP_NUM_THREADS=1 LANCE_CPU_THREADS=1 python -m infra.bench_ann --rows 5000 20000 50000 200000

Vectors are random clusters of about 50 around random centres (cosine 0.7 within a cluster), like product photos:
several photos of a product, and look-alikes. Queries are stored vectors plus noise; half of the rows pass the filter.
Recall@10 is relative to an exact search with the same filter. Times are medians in ms.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time

os.environ.setdefault("LANCE_INCLUDE_VECTOR_CENTROIDS", "false")

import lance
import numpy as np
import pyarrow as pa

FILTER = "role = 'main'"
VARIANTS = (  # kind, rows per partition, share of partitions probed, refine
    ("IVF_RQ", 4096, 0.10, 1),
    ("IVF_RQ", 4096, 0.10, 4),
    ("IVF_SQ", 4096, 0.10, 1),
    ("IVF_SQ", 1024, 0.05, 1),
    ("IVF_SQ", 1024, 0.10, 1),
    ("IVF_SQ", 1024, 0.10, 4),
    ("IVF_RQ", 1024, 0.05, 4),
    ("IVF_RQ", 1024, 0.10, 4),
)


def make_clusters(rows: int, dim: int, rng: np.random.Generator) -> np.ndarray:
    """(rows, dim) float32, unit length."""
    centres = rng.standard_normal((max(1, rows // 50), dim), dtype=np.float32)
    spread = 0.65 * rng.standard_normal((rows, dim), dtype=np.float32)
    vectors = centres[rng.integers(0, len(centres), rows)] + spread
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def table(vectors: np.ndarray, rng: np.random.Generator) -> pa.Table:
    rows, dim = vectors.shape
    flat = pa.array(vectors.reshape(-1))
    roles = np.where(rng.random(rows) < 0.5, "main", "other")
    return pa.table(
        {"id": np.arange(rows), "role": roles, "vector": pa.FixedSizeListArray.from_arrays(flat, dim)}
    )


def search(data: lance.LanceDataset, query: np.ndarray, **nearest: object) -> tuple[list[int], float]:
    start = time.perf_counter()
    found = data.scanner(
        columns=["id", "_distance"],
        nearest={"column": "vector", "q": query, "k": 10, "metric": "cosine", **nearest},
        filter=FILTER,
        prefilter=True,
    ).to_table()
    return found["id"].to_pylist(), (time.perf_counter() - start) * 1000


def measure(data: lance.LanceDataset, queries: np.ndarray, truth: list[set[int]], **nearest: object) -> str:
    search(data, queries[0], **nearest)
    answers = [search(data, query, **nearest) for query in queries]
    recall = statistics.mean(len(set(ids) & want) / 10 for (ids, _), want in zip(answers, truth, strict=True))
    return f"recall@10 {recall:.3f}  {statistics.median(ms for _, ms in answers):7.2f} ms"


def bench(rows: int, dim: int, count: int) -> None:
    rng = np.random.default_rng(rows)
    vectors = make_clusters(rows, dim, rng)
    content = table(vectors, rng)
    main = np.asarray(content["role"].to_numpy(zero_copy_only=False) == "main")
    queries = vectors[rng.choice(rows, count, replace=False)]
    queries = queries + 0.3 / dim**0.5 * rng.standard_normal(queries.shape, dtype=np.float32)
    truth, times = [], []
    for query in queries:
        start = time.perf_counter()
        scores = np.where(main, vectors @ query, -2)
        truth.append({int(i) for i in np.argpartition(scores, -10)[-10:]})
        times.append((time.perf_counter() - start) * 1000)
    print(f"{rows:>7} x {dim}  numpy exact                             {statistics.median(times):7.2f} ms")
    folder = tempfile.mkdtemp()
    try:
        data = lance.write_dataset(content, f"{folder}/t.lance")
        print(f"{rows:>7} x {dim}  Lance exact scan        {measure(data, queries, truth)}")
        data.create_scalar_index("role", "BITMAP")
        print(f"{rows:>7} x {dim}  … with a bitmap on role {measure(data, queries, truth)}")
        built: tuple[str, int] | None = None
        for kind, size, share, refine in VARIANTS:
            partitions = max(1, rows // size)
            if partitions < 2:
                continue
            spent = ""
            if built != (kind, size):
                start = time.perf_counter()
                data.create_index(
                    "vector",
                    kind,
                    metric="cosine",
                    num_partitions=partitions,
                    replace=True,
                    name="vector_idx",
                )
                spent = f"built in {time.perf_counter() - start:.1f} s"
                built = (kind, size)
            probes = max(1, min(partitions, max(8, round(partitions * share))))
            figures = measure(data, queries, truth, nprobes=probes, refine_factor=refine)
            print(
                f"{rows:>7} x {dim}  {kind} {partitions:>4} partitions, probes {probes:>3}, refine {refine}  "
                f"{figures}  {spent}",
                flush=True,
            )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[5_000, 20_000, 50_000, 200_000])
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--queries", type=int, default=100)
    options = parser.parse_args()
    for rows in options.rows:
        bench(rows, options.dim, options.queries)
