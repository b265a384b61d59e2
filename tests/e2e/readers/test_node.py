"""The Node.js example follows the live release, with the official LanceDB package."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lookdex.catalog import tables
from lookdex.errors import ReleaseNotFound
from lookdex.records import IndexParameters
from lookdex.release.promote import rollback
from lookdex.storage import Store, open_store
from tests.support import nights, nodejs
from tests.support.nights import Photo

STOCK = pa.table({"product_id": [f"p{i:04d}" for i in range(12)], "price": [float(i) for i in range(12)]})
FOLLOW = """
import { openCatalog } from './lookdex.mjs';
import { createInterface } from 'node:readline';
const catalog = await openCatalog(process.argv[1]);
for await (const line of createInterface({ input: process.stdin })) {
  const { vector, ...options } = JSON.parse(line);
  const moved = await catalog.refresh();
  const matches = vector ? await catalog.nearest(vector, options) : [];
  const { releaseId, version, dimension, productColumns } = catalog;
  console.log(JSON.stringify({ moved, releaseId, version, dimension, productColumns, matches }));
}
"""


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    nodejs.install()


def photos(count: int, each: int = 1) -> list[Photo]:
    return [
        Photo(f"p{i:04d}/{n}.jpg", product=f"p{i:04d}", look=f"look {i}" if n else f"look {i} first")
        for i in range(count)
        for n in range(each)
    ]


def rows(uri: str) -> dict[str, np.ndarray]:
    """Product → the vector of one of its objects, in the live release."""
    connection = tables.duckdb_connection(uri)
    found = connection.sql(
        "SELECT product_id, any_value(vector) FROM items WHERE scope = 'object' GROUP BY 1"
    )
    return {product: np.array(vector, np.float32) for product, vector in found.fetchall()}


def ask(uri: str, *questions: dict[str, Any]) -> list[dict[str, Any]]:
    lines = "".join(json.dumps(question) + "\n" for question in questions)
    done = nodejs.run(["--input-type=module", "-e", FOLLOW, uri], dict(os.environ), lines)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_nearest_products_are_those_of_an_exact_search(store: Store) -> None:
    """On disk and on S3, the products and their order are those of an exact search."""
    nights.publish(store, "n1", photos(12, each=3), products=STOCK)
    vectors = rows(store.uri)
    query = vectors["p0003"]
    near, cheap = ask(
        store.uri,
        {"vector": query.tolist(), "k": 5},
        {"vector": query.tolist(), "k": 20, "where": "price < 3 OR price = 9"},
    )
    assert (near["releaseId"], near["dimension"], near["productColumns"]) == ("n1", nights.DIM, ["price"])
    frame = tables.duckdb_connection(store.uri).sql(
        "SELECT product_id, price, vector FROM items WHERE scope = 'object' AND role = 'main'"
    ).to_arrow_table().to_pylist()  # fmt: skip
    best: dict[str, float] = {}
    for row in frame:
        cosine = float(np.dot(np.array(row["vector"], np.float32), query))
        best[row["product_id"]] = max(best.get(row["product_id"], -1), cosine)
    exact = sorted(best, key=lambda product: -best[product])
    assert [m["product_id"] for m in near["matches"]] == exact[:5]
    assert near["matches"][0]["similarity"] == pytest.approx(1, abs=1e-5)
    for match in near["matches"]:
        assert match["similarity"] == pytest.approx(best[match["product_id"]], abs=1e-5)
    assert sorted(m["price"] for m in cheap["matches"]) == [0, 1, 2, 9]


def test_candidates_are_ignored_and_promotions_followed(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    nights.publish(store, "n1", photos(3), products=STOCK)
    nights.build(
        store, nights.index_night(store, "n2", photos(5), products=STOCK)
    )  # newer table versions, not live
    assert ask(store.uri, {})[0]["releaseId"] == "n1"
    nights.publish(store, "n3", photos(6), products=STOCK)
    third = ask(store.uri, {"vector": rows(store.uri)["p0005"].tolist(), "k": 50})[0]
    assert (third["releaseId"], len(third["matches"])) == ("n3", 6)
    rollback(store)
    back = ask(store.uri, {"vector": [1.0] * nights.DIM, "k": 50})[0]
    assert (back["releaseId"], len(back["matches"])) == ("n1", 3)


def test_open_catalogue_follows_a_promotion(tmp_path: Path) -> None:
    """One process asks before and after a promotion."""
    store = open_store(str(tmp_path))
    nights.publish(store, "n1", photos(3), products=STOCK)
    with subprocess.Popen(
        [nodejs.NODE, "--input-type=module", "-e", FOLLOW, store.uri], cwd=nodejs.FOLDER, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None

        stdin, stdout = process.stdin, process.stdout

        def refresh() -> dict[str, Any]:
            stdin.write("{}\n")
            stdin.flush()
            state: dict[str, Any] = json.loads(stdout.readline())
            return state

        assert [refresh()[name] for name in ("moved", "releaseId")] == [False, "n1"]
        nights.publish(store, "n2", photos(4), products=STOCK)
        assert [refresh()[name] for name in ("moved", "releaseId")] == [True, "n2"]
        assert refresh()["moved"] is False


def test_vector_index_of_the_release_is_used(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    release = nights.publish(store, "n1", photos(300), products=None)
    assert release.index == IndexParameters("exact")
    items = tables.open_table(store, tables.ITEMS, release.items_version)
    items.create_index("vector", "IVF_RQ", metric="cosine", num_partitions=2, name=tables.VECTOR_INDEX)
    for name in ("live", "r-n1"):
        items.tags.update(name, items.version)
    script = (
        "import { openCatalog } from './lookdex.mjs';"
        "const c = await openCatalog(process.argv[1]); console.log(await c.explain(JSON.parse(process.argv[2])));"
    )
    vector = json.dumps(rows(store.uri)["p0003"].tolist())
    done = nodejs.run(["--input-type=module", "-e", script, store.uri, vector], dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert "ANNSubIndex" in done.stdout, done.stdout


def test_large_integers_are_printed_as_text(tmp_path: Path) -> None:
    """Arrow returns them as BigInt, which JSON cannot represent."""
    store, large = open_store(str(tmp_path)), 2**60 + 1
    stock = pa.table({"product_id": ["p0000", "p0001"], "sold": [7, large]})
    nights.publish(store, "n1", photos(2), products=stock)
    vectors = rows(store.uri)
    objects = [{"label": "top", "box": None, "vector": vectors[name].tolist()} for name in ("p0000", "p0001")]
    done = nodejs.run(
        ["search.mjs", store.uri, "-k", "1"], dict(os.environ), json.dumps({"objects": objects})
    )
    assert done.returncode == 0, done.stderr
    assert [o["matches"][0]["sold"] for o in json.loads(done.stdout)["objects"]] == [7, str(large)]


def test_invalid_input_is_reported(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    nights.publish(store, "n1", photos(3), products=STOCK)
    usage = nodejs.run(["search.mjs"], dict(os.environ))
    assert usage.returncode == 2
    assert "usage" in usage.stderr
    answer = {"objects": [{"label": "top", "box": None, "vector": [1.0, 2.0]}]}
    wrong = nodejs.run(["search.mjs", store.uri], dict(os.environ), json.dumps(answer))
    assert wrong.returncode == 1
    assert "has 2 numbers, release n1 has 16" in wrong.stderr
    nothing = nodejs.run(["search.mjs", str(tmp_path / "none")], dict(os.environ), json.dumps(answer))
    assert nothing.returncode == 1
    expected = (
        f"search.mjs: no live release could be opened at {tmp_path / 'none'}: Table 'items' was not found\n"
    )
    assert nothing.stderr == expected
    for stdin, says in {
        "": "is no JSON",
        "{}": "is no answer",
        "null": "is no answer",
        '{"objects": [{"label": "top", "box": null}]}': "has no vectors: ask with `lookdex search … --json --vectors`",
    }.items():
        refused = nodejs.run(["search.mjs", store.uri], dict(os.environ), stdin)
        assert refused.returncode == 1
        assert says in refused.stderr
        assert refused.stderr.count("\n") == 1
    with pytest.raises(ReleaseNotFound):
        tables.duckdb_connection(str(tmp_path / "none"))
