"""Catalogues in other processes: forked ones raise an error with the remedy, pickled ones open again."""

from __future__ import annotations

import multiprocessing
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lookdex import errors
from lookdex.errors import ReleaseNotFound
from lookdex.search.catalog import Catalog
from lookdex.storage import open_store
from tests.support.catalogs import opened, picture, publish, stock

if sys.platform == "win32":
    pytest.skip("no fork on Windows", allow_module_level=True)

# Forks a process while its threads search, and each child once more.
FORKING = """
import os, sys, threading, traceback, warnings
warnings.simplefilter("ignore")  # Lance warns of each fork
from lookdex.errors import ForkedProcess
from tests.support.catalogs import opened, picture

uri, children = sys.argv[1], int(sys.argv[2])
catalog = opened(uri).load()
held, product = catalog.opened, catalog.similar("p001").whole
threads = [threading.Thread(target=lambda: [catalog.search(picture("red")) for _ in range(10_000)], daemon=True)
           for _ in range(2)]
for thread in threads:
    thread.start()
USES = (
    lambda: catalog.search(picture("red")), lambda: catalog.search_text("red"), lambda: catalog.similar("p001"),
    lambda: catalog.search_vector([1.0] * 16), lambda: catalog.vectors(picture("red")), lambda: catalog.crops(["a"]),
    lambda: catalog.to_pandas(limit=1), lambda: catalog.refresh(), lambda: catalog.release, lambda: catalog.facets,
    lambda: catalog.columns, lambda: catalog.load(), lambda: held.crops(["a"]), lambda: opened(uri),
)

def refused():
    for use in USES:
        try:
            use()
        except ForkedProcess as error:
            assert "post_fork" in str(error)
        else:
            os._exit(3)

def fork(then):
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        os._exit(then())
    except BaseException:
        traceback.print_exc()
        os._exit(4)

def child():
    refused()
    return fork(lambda: refused() or 0)

print([fork(child) for _ in range(children)])
print(catalog.search(picture("red")).release_id, flush=True)
os._exit(0)
"""
# Forks a process that has imported everything, but opened no catalogue.
OPENED_IN_CHILD = """
import os, sys, warnings
warnings.simplefilter("ignore")
import lance
from tests.support.catalogs import opened, picture

if os.fork() == 0:
    print(opened(sys.argv[1]).search(picture("red")).release_id, flush=True)
    os._exit(0)
os.wait()
"""

# A pool with forked workers, of a process without and with an open catalogue.
POOL = """
import multiprocessing, pickle, sys, warnings
warnings.simplefilter("ignore")
import lance
from lookdex.errors import ForkedProcess
from lookdex.search.catalog import Catalog
from tests.support.catalogs import opened
from tests.integration.search.test_forks import released

def mapped(catalog):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.map_async(released, [catalog]).get(30)[0]

with multiprocessing.get_context("spawn").Pool(1) as pool:
    pickled = pool.apply_async(opened, (sys.argv[1],)).get(60)
first = mapped(pickled)
catalog = opened(sys.argv[1])
try:
    mapped(catalog)
except ForkedProcess as error:
    print(type(error).__name__)
print(first)
print(catalog.release.release_id, flush=True)
"""


@pytest.fixture
def shop(tmp_path: Path) -> str:
    publish(open_store(str(tmp_path)), "night-1", stock())
    return str(tmp_path)


def run(code: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_forked_children_get_an_error_with_the_remedy(shop: str) -> None:
    assert run(FORKING, shop, "5") == [str([0] * 5), "night-1"]


def test_child_may_open_a_catalogue_if_its_parent_has_none(shop: str) -> None:
    assert run(OPENED_IN_CHILD, shop) == ["night-1"]


def test_pickled_catalogue_opens_again(shop: str) -> None:
    following, pinned = opened(shop), opened(shop, release="night-1")
    publish(open_store(shop), "night-2", stock(products=3))
    copies = [pickle.loads(pickle.dumps(catalog)) for catalog in (following, pinned)]
    assert [copy.search(picture("red")).release_id for copy in copies] == ["night-2", "night-1"]


def test_error_in_a_forked_pool_reaches_the_parent(shop: str) -> None:
    assert run(POOL, shop) == ["ForkedProcess", "night-1", "night-1"]


def test_pickled_catalogue_opens_on_first_use(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    publish(store, "night-1", stock())
    pickled = pickle.dumps(opened(str(tmp_path)))
    shutil.rmtree(tmp_path)
    copy = pickle.loads(pickled)
    with pytest.raises(ReleaseNotFound, match="nothing is live"):
        copy.search(picture("red"))
    publish(store, "night-2", stock(products=3))
    assert copy.search(picture("red")).release_id == "night-2"
    assert pickle.loads(pickle.dumps(copy)).behind is None


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
)
def test_errors_can_be_pickled(kind: type[Exception]) -> None:
    copy = pickle.loads(pickle.dumps(kind("words")))
    assert (type(copy), str(copy)) == (kind, "words")


def test_catalogue_is_passed_to_a_spawned_process(shop: str) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply_async(released, (opened(shop),)).get(60) == "night-1"


def released(catalog: Catalog) -> str:
    return catalog.search(picture("red")).release_id
