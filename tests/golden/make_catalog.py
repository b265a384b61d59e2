"""Write a small catalogue as this version of lookdex writes it, for the tests of later versions.

    PYTHONPATH=lib:. python tests/golden/make_catalog.py tests/golden/catalog-1.tar.gz

Two nights with products, an index and deleted rows, and what it answers, in `answers.json`. Run it before a change of
a record or a table, and keep the old files: `test_formats.py` reads, extends and
rolls back each of them.
"""

from __future__ import annotations

import json
import sys
import tarfile
import tempfile
from pathlib import Path

import pyarrow as pa

from lookdex.catalog import promotion_log
from lookdex.records import Scope
from lookdex.release import ann
from lookdex.search.catalog import open_catalog
from lookdex.storage import Store, open_store
from tests import fakes
from tests.support import nights

PRODUCTS = 60
ASKED = ("p0007/a.jpg", "p0021/a.jpg", "p0055/a.jpg")


def source(night: int) -> list[nights.Photo]:
    """The photos of a night: the second has two more, one less and one changed."""
    photos = nights.photos(PRODUCTS + 2 * (night - 1))
    if night == 1:
        return photos
    return [*photos[1:3], nights.Photo("p0003/a.jpg", etag="2", product="p0003"), *photos[4:]]


def products(night: int) -> pa.Table:
    """product_id, title and price of a night; a price changes in the second."""
    rows = [
        {"product_id": f"p{n:04d}", "title": f"thing {n}", "price": float(n) + (n == 9) * night}
        for n in range(PRODUCTS + 2)
    ]
    return pa.Table.from_pylist(rows)


def vector(key: str) -> list[float]:
    """What the photo's object was indexed with."""
    photo = nights.Photo(key, product=key[:5])
    return [float(value) for value in nights.vectors(photo.content, 2, nights.DIM)[1]]


def answers(store: Store, release_id: str) -> dict[str, list[list[object]]]:
    """Photo → its nearest products with similarity and price."""
    catalog = open_catalog(
        store, release=release_id, detector=fakes.FakeDetector(), embedder=fakes.FakeEmbedder()
    )
    found = {}
    for key in ASKED:
        answer = catalog.search_vector(vector(key), k=5, scope=Scope.OBJECT, crops=False)
        found[key] = [
            [match.product_id, round(match.similarity, 4), match.columns["price"]]
            for match in answer.objects[0].matches
        ]
    return found


def write(folder: Path) -> None:
    store = open_store(str(folder / "catalog"))
    for night in (1, 2):
        nights.publish(
            store,
            f"night{night}",
            source(night),
            recipe=fakes.recipe(),
            shard_images=30,
            products=products(night).select(["product_id", "title", "price"]),
        )
    known = {
        release.release_id: answers(store, release.release_id)
        for release in promotion_log.list_releases(store)
    }
    (folder / "answers.json").write_text(json.dumps(known, indent=1))


def main(target: str) -> None:
    ann.EXACT_BELOW, ann.PARTITION_ROWS = 40, 32  # so small a table has an index all the same
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        with tarfile.open(target, "w:gz") as archive:
            for name in ("catalog", "answers.json"):
                archive.add(Path(folder) / name, name)


if __name__ == "__main__":
    main(sys.argv[1])
