"""The index and build jobs on a standalone Spark cluster with two workers, over S3.

The workers do not see this checkout. The package is sent with --archives, as `infra/spark/package` says for
dist/lookdex.zip, and to the build job with --py-files.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lookdex.catalog import runs
from lookdex.catalog.json_codec import from_json
from lookdex.records import Release
from lookdex.storage import open_store
from tests.support.cluster import Cluster, start_cluster
from tests.support.paths import ROOT
from tests.support.photos import fill, images_of, items_of, plan
from tests.support.servers import S3Server
from tests.support.verbs import FAKES


@pytest.fixture(scope="module")
def cluster(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with start_cluster(tmp_path_factory.mktemp("spark")) as running:
        yield running


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The package and the fakes in one zip."""
    path = tmp_path_factory.mktemp("dist") / "lookdex.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted((ROOT / "lib" / "lookdex").rglob("*.py")):
            archive.write(file, file.relative_to(ROOT / "lib"))
        for file in sorted((ROOT / "sql").rglob("*.sql")):
            archive.write(file, Path("lookdex") / file.relative_to(ROOT))
        for file in sorted((ROOT / "lib" / "lookdex" / "models").rglob("*.json")):
            archive.write(file, file.relative_to(ROOT / "lib"))
        archive.writestr("tests/__init__.py", "")
        archive.write(ROOT / "tests/fakes.py", "tests/fakes.py")
    return str(path)


def test_index_and_build_run_on_a_cluster(cluster: Cluster, s3: S3Server, shipped: str) -> None:
    source, catalog = open_store(s3("photos")), open_store(s3("catalog"))
    fill(source, 40)
    summary = plan(source, catalog, shard_images=5)
    options = ["--catalog", catalog.uri, "--run-id", "night"]
    done = cluster.submit(
        *("--archives", f"{shipped}#package", "--conf", "spark.executorEnv.PYTHONPATH=package"),
        *(str(ROOT / "jobs" / "index_images.py"), *options, *FAKES),
        driver_path=shipped,  # stands for a package that is installed on the driver
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert "40 photos" in done.stdout

    table = runs.load_plan_table(catalog, summary)
    reports = runs.load_reports(catalog, "night", runs.shard_ids(table))
    assert len(reports) == 8
    assert len({report.worker for report in reports.values()}) == 2  # both workers took part
    assert sum(report.gets for report in reports.values()) == 40
    assert images_of(catalog, list(reports.values())).num_rows == 40
    items = items_of(catalog, list(reports.values()))

    done = cluster.submit("--py-files", shipped, str(ROOT / "jobs" / "build_release.py"), *options)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    (candidate,) = (o.key for o in catalog.list("runs/night/candidate"))
    release = from_json(Release, catalog.get(candidate))
    assert release.items == items.num_rows
    assert release.images["indexed"] == 40
