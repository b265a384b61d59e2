"""Cost of filter predicates: the constants of `lookdex.search.retrieval.filters.cost`.

    python -m infra.bench_filters [--rows 150000] [--rounds 3]

Each filter is applied to a Lance table of this many rows and excludes most of them. Prints nanoseconds of CPU time per
row, including reading its columns (all threads, fastest round), and the model's prediction.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable

import lance
import numpy as np
import pyarrow as pa

from lookdex.search.retrieval.filters import compile_filter
from lookdex.search.retrieval.filters.parser import parse
from lookdex.search.retrieval.filters.rewrite import rewrite
from lookdex.search.retrieval.filters.write import Writer

WORDS = [
    "red",
    "blue",
    "long",
    "cotton",
    "linen",
    "silk",
    "dress",
    "shirt",
    "with",
    "for",
    "women",
    "summer",
    "striped",
]
SIZES = ["XS", "S", "M", "L", "XL", "36", "38", "40", "42", "44"]


def table(rows: int) -> pa.Table:
    """Columns of a shop: a title of some 40 bytes, a text of some 400, sizes, numbers, dates."""
    draw = np.random.default_rng(0)
    words = np.array(WORDS)

    def texts(count: int) -> pa.Array:
        return pa.array([" ".join(row) for row in words[draw.integers(0, len(words), (rows, count))]])

    sizes = [[SIZES[i] for i in row] for row in draw.integers(0, len(SIZES), (rows, 5))]
    whole = draw.integers(0, 10**6, rows)
    return pa.table(
        {
            "id": pa.array([f"P{n:07d}" for n in range(rows)]),
            "title": texts(7),
            "story": texts(70),
            "sizes": pa.array(sizes, pa.list_(pa.string())),
            "attrs": pa.StructArray.from_arrays([texts(1)], ["material"]),
            "price": draw.random(rows) * 100,
            "stock": whole,
            "cost": pa.array(whole, pa.int64()).cast(pa.decimal128(19, 0)).cast(pa.decimal128(38, 2)),
            "launched": pa.array(whole % 20_000, pa.int32()).cast(pa.date32()),
            "on_sale": whole % 2 == 0,
        }
    )


def make_list(count: int, quote: str = "'") -> str:
    return ", ".join(f"{quote}{n:07d}{quote}" if quote else str(n) for n in range(count))


FILTERS = {
    "price": ["price < -1", *(" or ".join(f"price < {-n}" for n in range(1, m)) for m in (17, 65))],
    "stock": [
        "stock < -1",
        "stock = 7.5",
        f"stock in ({make_list(10, '')})",
        f"stock in ({make_list(1000, '')})",
        "stock + 1 < 0",
        " + ".join(["stock"] * 17) + " < 0",
        " / ".join(["stock"] * 17) + " < 0",
        "abs(stock) < -1",
    ],
    "cost": ["cost < -1", "cost = 7.001", f"cost in ({make_list(1000, '')})"],
    "launched": ["launched < '0001-01-01'"],
    "on_sale": ["on_sale is null", "not on_sale and on_sale"],
    "id": ["id = 'x'", *(f"id in ({make_list(count)})" for count in (2, 10, 1000)), "id is null"],
    "title": [
        "title = 'x'",
        "title < 'a'",
        "title like 'x%'",
        "title like '%x'",
        "title like '%xyz%'",
        "title like '%x%y%'",
        "title like '%a%a%a%a%q%'",
        "title like '" + "%a" * 20 + "%q%'",
        "title like '" + "_" * 30 + "q%'",
        "title like '" + "_%" * 30 + "q%'",
        "title like '%" + "a" * 190 + "%'",
        "title ilike 'x%'",
        "title ilike '%xyz%'",
        "title ilike '%한국어%'",
        "title ilike '%a%a%a%a%q%'",
        "title ilike '" + "%a" * 20 + "%q%'",
        "title ilike '" + "%a" * 99 + "%q'",
        "title ilike '" + "_" * 30 + "q%'",
        "title ilike '" + "_%" * 60 + "q%'",
        "title ilike '%" + "a" * 190 + "%'",
        "title ilike '%" + "s" * 190 + "%'",
        "title ilike '%" + "ßk" * 90 + "%'",
        "lower(title) = 'x'",
        "upper(lower(upper(lower(title)))) = 'x'",
        "length(title) < 0",
    ],
    "story": [
        "story = 'x'",
        "story like '%xyz%'",
        "story like '%x%y%'",
        "story like '" + "%a" * 20 + "%q%'",
        "story ilike '%xyz%'",
        "story ilike '" + "%a" * 20 + "%q%'",
        "story ilike '" + "%a" * 99 + "%q'",
        "story ilike '" + "_%" * 60 + "q%'",
        "story ilike '%" + "ßk" * 90 + "%'",
        "lower(story) = 'x'",
        "length(story) < 0",
    ],
    "sizes": [
        "'x' in sizes",
        f"sizes in ({make_list(10)})",
        f"sizes in ({make_list(100)})",
        "length(sizes) < 0",
        "sizes is null",
    ],
    "attrs": ["attrs.material = 'x'", "attrs is null"],
}  # fmt: skip
WIDTHS = {"id": 8, "title": 40, "story": 400, "sizes": 5, "attrs.material": 6}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=150_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dataset = lance.write_dataset(table(options.rows), f"{folder}/shop.lance")

        def cost(sql: str) -> float:
            """ns a row"""
            best = min(cpu(lambda: dataset.count_rows(sql)) for _ in range(options.rounds))
            return best / float(options.rows) * 1e9

        print(f"{'filter':<60} {'measured':>9} {'model':>9}   ns a row")
        for column, filters in FILTERS.items():
            if options.only and column != options.only:
                continue
            for where in filters:
                sql = compile_filter(where, dataset.schema)
                print(f"{where[:60]:<60} {cost(sql):>9.1f} {model(where, dataset.schema):>9.1f}")


def model(where: str, schema: pa.Schema) -> float:
    writer = Writer(WIDTHS)
    writer.test(rewrite(parse(where, schema)))
    return (writer.bill.seconds(1) - writer.bill.seconds(0)) * 1e9


def cpu(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
