"""Whole nights on the command line, with the fakes: output and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st

from lookdex.catalog import json_codec, promotion_log, runs
from lookdex.catalog.tables import duckdb_connection
from lookdex.cli import main
from lookdex.config import NightSettings
from lookdex.errors import MassChange
from lookdex.index import loss_limit
from lookdex.index.indexed import Indexed, check_rejected
from lookdex.pipeline.index import check_device
from lookdex.pipeline.night import Night, stage_seconds
from lookdex.pipeline.recipe import make_recipe
from lookdex.records import Reason, Status, Threshold, Thresholds
from lookdex.storage import open_store
from tests.support import nights, photos
from tests.support.catalogs import live
from tests.support.paths import ROOT
from tests.support.servers import S3Server
from tests.support.verbs import FAKES, run

PATTERN = ("--pattern", "{product_id}/{name}.png")
LOCAL = ("--master", "local[2,1]")


@pytest.fixture(scope="module", autouse=True)
def keys_for_workers(s3: S3Server) -> None:
    """Spark workers inherit the environment of the JVM, so the server's keys must be set before it starts."""


@pytest.fixture
def shop(tmp_path: Path) -> tuple[str, str, str]:
    """URIs of twelve photos, of an empty catalogue, and of a products file."""
    return stocked(str(tmp_path / "root"), tmp_path)


@pytest.fixture
def shop_anywhere(root_uri: str, tmp_path: Path) -> tuple[str, str, str]:
    """The same, in a folder and in a bucket."""
    return stocked(root_uri, tmp_path)


def stocked(root: str, folder: Path) -> tuple[str, str, str]:
    photos.fill(open_store(f"{root}/photos"), 12)
    rows = "".join(f"p{n:05d},Thing {n},top,{10 + n}\n" for n in range(12))
    products = folder / "products.csv"
    products.write_text("product_id,title,category,price\n" + rows)
    return f"{root}/photos", f"{root}/catalog", str(products)


def reindex(source: str, catalog: str, products: str, *more: str) -> Result:
    shop = ("--source", source, "--catalog", catalog, "--products", products)
    return run("reindex", *shop, *PATTERN, *FAKES, *LOCAL, *more)


def test_two_nights_and_a_search(shop_anywhere: tuple[str, str, str], tmp_path: Path) -> None:
    file = Path(shop_anywhere[2])
    head, *rows = file.read_text().splitlines()
    eans = [f"{row},040123456789{n % 10}" for n, row in enumerate(rows)]
    file.write_text("\n".join([f"{head},ean", *eans]))
    first = reindex(*shop_anywhere)
    assert first.exit_code == 0, first.output
    assert "planned  12 photos" in first.output
    assert "live     release" in first.output

    again = reindex(*shop_anywhere)
    assert again.exit_code == 0
    assert "planned  0 photos" in again.output
    assert "nothing to do" in again.output

    photo = tmp_path / "query.png"
    photo.write_bytes(photos.numbered(3))
    png = tmp_path / "answer.png"
    searched = run("search", str(photo), "--catalog", shop_anywhere[1], "-k", "2", "--where", "price < 20", "--json",
                "--png", str(png))  # fmt: skip
    assert searched.exit_code == 0, searched.output
    answer = json.loads(searched.output)
    assert answer["objects"]
    assert answer["objects"][0]["matches"][0]["product_id"] == "p00003"
    assert all(m["columns"]["price"] < 20 for o in answer["objects"] for m in o["matches"])
    assert png.read_bytes().startswith(b"\x89PNG")

    by_code = run(
        "search", str(photo), "--catalog", shop_anywhere[1], "--where", "ean = '0401234567890'", "--json"
    )
    found = {m["product_id"] for o in json.loads(by_code.output)["objects"] for m in o["matches"]}
    assert found == {"p00000", "p00010"}

    wrong = run("search", str(photo), "--catalog", shop_anywhere[1], "--where", "prize < 20")
    assert wrong.exit_code == 2
    assert "price" in wrong.output
    assert "p00003" in run("search", str(photo), "--catalog", shop_anywhere[1], "-k", "2").output


def test_each_stage_of_a_night_can_be_repeated(shop_anywhere: tuple[str, str, str]) -> None:
    source, catalog, products = shop_anywhere
    run_options = ("--catalog", catalog, "--run-id", "scheduled__2026-11-22T02:00:00+00:00")
    stages: list[Callable[[], Result]] = [
        lambda: run("plan", "--source", source, "--products", products, *PATTERN, *FAKES, *run_options),
        lambda: run("index", *LOCAL, *run_options),
        lambda: run("build", *LOCAL, *run_options),
        lambda: run("audit", *run_options),
        lambda: run("promote", *run_options),
    ]
    for stage in stages:
        for _ in range(2):
            result = stage()
            assert result.exit_code == 0, result.output
    listed = json.loads(run("releases", "--catalog", catalog, "--json").output)
    run_id = runs.run_slug(run_options[3])
    assert [r["release_id"] for r in listed["releases"]] == [run_id]
    assert listed["live"]["release_id"] == run_id
    assert set(stage_seconds(open_store(catalog), run_id)) == {
        "plan",
        "index",
        "build",
        "audit",
        "promote",
    }


def test_new_changed_and_deleted_photos(shop: tuple[str, str, str]) -> None:
    source, catalog, _ = shop
    assert reindex(*shop).exit_code == 0
    store = open_store(source)
    store.put("p00001/a.png", photos.numbered(50))
    store.put("p00003/b.png", photos.numbered(51))
    store.delete("p00002/a.png")
    result = reindex(*shop)
    assert result.exit_code == 0, result.output
    assert "1 new, 1 changed, 1 deleted, 10 unchanged" in result.output
    releases = promotion_log.list_releases(open_store(catalog))
    assert [sum(r.images.values()) for r in releases] == [12, 12]


def test_changed_prices_are_published_without_running_a_model(shop: tuple[str, str, str]) -> None:
    _, catalog, products = shop
    assert reindex(*shop).exit_code == 0
    file = Path(products)
    file.write_text(file.read_text().replace(",13\n", ",1300\n"))
    result = reindex(*shop)
    assert result.exit_code == 0, result.output
    assert "planned  0 photos" in result.output
    assert "the products file changed" in result.output
    assert "indexed  0 photos, 0 items" in result.output
    assert "0/0" not in result.output  # no progress line
    with duckdb_connection(catalog) as connection:
        rows = connection.sql("SELECT DISTINCT price FROM items WHERE product_id = 'p00003'").fetchall()
    assert rows == [(1300,)]


def test_thresholds_are_stored_with_the_release_and_inherited(
    shop: tuple[str, str, str], tmp_path: Path
) -> None:
    """A file of thresholds alone makes a new release, without running a model; later runs keep them."""
    _, catalog, _ = shop
    store = open_store(catalog)
    assert reindex(*shop).exit_code == 0
    first = live(store)
    assert first.thresholds is None
    file = tmp_path / "thresholds.json"
    limit = Threshold(0.7, 0.95, 0.1, 40, 40, False)
    measured = Thresholds(
        0.95, 20, first.recipe.embedder, first.recipe.embedder_digest, limit, {"top": limit}
    )
    file.write_bytes(json_codec.to_json(measured))
    planned = run("plan", "--source", shop[0], "--catalog", catalog, "--products", shop[2], *PATTERN, *FAKES,
                  "--thresholds", str(file), "--run-id", "new-thresholds")  # fmt: skip
    assert "the thresholds changed" in planned.output
    written = file.read_bytes()
    file.write_text("{}")  # later stages use what was planned
    result = reindex(*shop, "--run-id", "new-thresholds")
    assert result.exit_code == 0, result.output
    file.write_bytes(written)
    second = live(store)
    assert (second.parent, second.thresholds) == (first.release_id, measured)
    assert (second.items_version, second.images_version) == (first.items_version, first.images_version)
    assert "nothing to do" in reindex(*shop, "--thresholds", str(file)).output
    assert "nothing to do" in reindex(*shop).output
    photos.fill(open_store(shop[0]), 13)
    assert reindex(*shop).exit_code == 0
    assert live(store).thresholds == measured
    file.write_text("{}")
    assert reindex(*shop, "--thresholds", str(file)).exit_code == 2


def test_emptied_bucket_stops_the_run(shop: tuple[str, str, str]) -> None:
    source, catalog, _ = shop
    assert reindex(*shop).exit_code == 0
    store = open_store(source)
    for listed in list(store.list()):
        store.delete(listed.key)
    result = reindex(*shop)
    assert result.exit_code == 1
    assert "--allow-mass-change" in result.output
    assert len(promotion_log.read_log(open_store(catalog))) == 1


def test_rollback_holds_promotions_until_resume(shop_anywhere: tuple[str, str, str]) -> None:
    source, catalog, _ = shop_anywhere
    assert reindex(*shop_anywhere).exit_code == 0
    open_store(source).put("p00001/a.png", photos.numbered(50))
    assert reindex(*shop_anywhere).exit_code == 0
    before = promotion_log.list_releases(open_store(catalog))[0]

    back = run("rollback", "--catalog", catalog, "--note", "bad boxes")
    assert back.exit_code == 0, back.output
    assert before.release_id in back.output
    shown = run("releases", "--catalog", catalog).output
    assert "held since" in shown
    assert "bad boxes" in shown

    held = reindex(*shop_anywhere)
    assert held.exit_code == 3, held.output
    assert "lookdex resume" in held.output
    built = held.output.splitlines()[0].removeprefix("run ")
    assert f"{built} " in next(
        line for line in run("releases", "--catalog", catalog).output.splitlines() if "never live" in line
    )
    assert run("resume", "--catalog", catalog).exit_code == 0
    published = run("promote", "--catalog", catalog, "--run-id", built)
    assert published.exit_code == 0, published.output
    entry = promotion_log.current(open_store(catalog))
    assert entry is not None
    assert entry.release_id == built
    assert "live already" in run("promote", "--catalog", catalog, "--run-id", built).output
    assert "Nothing changed" in reindex(*shop_anywhere).output


def test_missing_pattern_stops_the_run(shop: tuple[str, str, str]) -> None:
    source, catalog, products = shop
    assert reindex(*shop).exit_code == 0
    without_pattern = (
        "reindex",
        "--source",
        source,
        "--catalog",
        catalog,
        "--products",
        products,
        *FAKES,
        *LOCAL[:2],
    )
    stopped = run(*without_pattern)
    assert stopped.exit_code == 1
    assert "would belong to none" in stopped.output
    assert "--pattern" in stopped.output
    assert run(*without_pattern, "--allow-mass-change").exit_code == 0


def test_invalid_thresholds_file_is_refused_by_plan(shop: tuple[str, str, str], tmp_path: Path) -> None:
    source, catalog, products = shop
    (tmp_path / "odd.csv").write_text("product_id,price\n1,2\n")
    wrong = run("plan", "--source", source, "--catalog", catalog, "--products", products,
                "--thresholds", str(tmp_path / "odd.csv"), *FAKES)  # fmt: skip
    assert wrong.exit_code == 2
    assert "odd.csv is not a file of `lookdex evaluate end-to-end --thresholds`" in wrong.output


def test_pattern_that_matches_no_photo_is_refused_by_plan(
    shop: tuple[str, str, str],
) -> None:
    source, catalog, products = shop
    shop_options = ("--source", source, "--catalog", catalog, *FAKES)
    for verb in ("plan", "reindex"):
        wrong = run(verb, *shop_options, "--pattern", "{product_id}_{name}.png")
        assert wrong.exit_code == 2
        assert "matches none of the 12 photos, such as p00000/a.png" in wrong.output
        other = run(verb, *shop_options, "--pattern", "{*}/{product_id}.png", "--products", products)
        assert other.exit_code == 2
        assert "'a' from 'p00000/a.png'" in other.output
        assert "--pattern '{product_id}/" in run(verb, *shop_options, "--products", products).output
    assert not list(open_store(catalog).list())


def test_plan_reports_linked_photos_and_product_columns(
    shop: tuple[str, str, str],
) -> None:
    source, catalog, products = shop
    shop_options = ("--source", source, "--catalog", catalog, *FAKES)
    assert "0 of 12 photos are linked to a product" in run("plan", *shop_options).output
    whole = run("plan", *shop_options, *PATTERN, "--products", products).output
    assert "12 of 12 photos are linked to a product\n" in whole
    assert "the products file: CSV, utf-8, separator comma, 12 rows (see --products-encoding, " in whole
    assert "product columns: title (text), category (text), price (number)\n" in whole
    assert "not numbers" not in whole
    report = json.loads(run("plan", *shop_options, *PATTERN, "--products", products, "--json").output)
    assert (report["changes"]["new"], report["products_file"]["separator"]) == (12, "comma")
    file = Path(products)
    file.write_text(
        "".join(f"{line},€5.50\n" for line in file.read_text().replace(",price", "").splitlines()[:6])
    )
    file.write_text("product_id,title,category,cost,price\n" + file.read_text().partition("\n")[2])
    part = run("plan", *shop_options, *PATTERN, "--products", products).output
    assert "a guess" not in part
    assert "12 of 12 photos are linked to a product, 5 of them to one in the products file" in part
    assert "price (text)" in part
    assert "the column price holds text, not numbers" in part


def test_plan_reports_detected_encoding_and_ids_that_differ_in_case(tmp_path: Path) -> None:
    source, decomposed = open_store(str(tmp_path / "photos")), "\u1100\u1161\u1107\u1161\u11bc"
    for key in (f"{decomposed}/a.png", "AB1/a.png"):
        source.put(key, photos.numbered(1))
    products = tmp_path / "products.txt"
    products.write_bytes("product_id;상품명;가격\n가방;원피스;1,5\nab1;치마;2\n".encode("cp949"))
    shop_options = (
        "--source",
        str(tmp_path / "photos"),
        "--catalog",
        str(tmp_path / "catalog"),
        *FAKES,
        *PATTERN,
    )
    output = run("plan", *shop_options, "--products", str(products)).output
    assert "2 of 2 photos are linked to a product, 1 of them to one in the products file" in output
    assert "the products file: CSV, cp949, separator semicolon, 2 rows" in output
    assert (
        "its encoding is a guess; if this line is garbled, set --products-encoding: product_id;상품명;가격"
        in output
    )
    assert "product columns: 상품명 (text), 가격 (number)" in output
    assert "1 product id of photos and file differ only in case" in output
    assert "are not linked: 'AB1' and 'ab1'" in output
    settings_given = (
        "--products-encoding",
        "euc_kr",
        "--products-separator",
        "semicolon",
        "--products-types",
        "가격=text",
    )
    output = run("plan", *shop_options, "--products", str(products), *settings_given).output
    assert "CSV, euc_kr, separator semicolon" in output
    assert "a guess" not in output
    assert "가격 (text)" in output
    refused = run("plan", *shop_options, "--products", str(products), "--products-types", "가격=date")
    assert refused.exit_code == 2
    assert "the column '가격' holds a value that is not a date, e.g. '1,5': correct it" in refused.output


def test_truncated_products_file_stops_the_run(shop: tuple[str, str, str]) -> None:
    source, catalog, products = shop
    assert reindex(*shop).exit_code == 0
    file = Path(products)
    whole = file.read_text()
    file.write_text("".join(whole.splitlines(keepends=True)[:4]))
    stopped = reindex(*shop)
    assert stopped.exit_code == 1
    assert (
        "9 of 12 live products (75.0%) are not in the products file, such as 'p00003', 'p0" in stopped.output
    )
    for words in ("truncated", "--allow-mass-change", "--keep-unlisted"):
        assert words in stopped.output
    assert len(promotion_log.read_log(open_store(catalog))) == 1
    plan = ("plan", "--source", source, "--catalog", catalog, *PATTERN, *FAKES)
    kept = run(*plan, "--products", products, "--keep-unlisted")
    assert kept.exit_code == 1
    assert "9 of the 12 live products with a row in the products file (75.0%)" in kept.output
    assert "title, price" in kept.output
    without = run(*plan)
    assert without.exit_code == 1
    assert "12 of the 12 live products" in without.output
    allowed = run(*plan, "--products", products, "--allow-mass-change").output
    assert "planned  0 photos in 0 shards (3 unchanged, 9 no longer sold)" in allowed
    assert "9 live products not in the products file leave the release, with 9 photos: 'p00003', " in allowed


def test_products_removed_from_the_file_leave_the_release(tmp_path: Path) -> None:
    source, catalog, file = f"{tmp_path}/photos", f"{tmp_path}/catalog", tmp_path / "products.csv"
    store = open_store(source)
    photos.fill(store, 6)
    store.put("p00099/a.png", photos.numbered(50))
    store.put("p00099/b.png", photos.numbered(51))
    store.put("loose.png", photos.numbered(52))
    whole = "product_id,title,price\n" + "".join(f"p{n:05d},Thing {n},{10 + n}\n" for n in range(6))
    file.write_text(whole)
    first = reindex(source, catalog, str(file))
    assert first.exit_code == 0, first.output
    assert "2 photos of 1 product not in the products file are not indexed: 'p00099'" in first.output
    assert product_ids(catalog) == {None, *(f"p{n:05d}" for n in range(6))}

    file.write_text(whole.replace("p00005,Thing 5,15\n", "").replace("Thing 4", "Ding 4"))
    store.delete("p00003/a.png")
    run_options = ("--catalog", catalog, "--run-id", "n2")
    plan = ("plan", "--source", source, "--products", str(file), *PATTERN, *FAKES)
    planned = run(*plan, *run_options, "--max-change", "0.5")
    assert planned.exit_code == 0, planned.output
    assert "1 deleted, 5 unchanged, 1 no longer sold" in planned.output
    assert (
        "1 live product not in the products file leaves the release, with 1 photo: 'p00005'" in planned.output
    )
    again = run(*plan[:3], *FAKES, *run_options)
    assert "'p00005'" in again.output
    assert "this run was planned before" in again.output
    file.unlink()
    for stage in (("build", *LOCAL), ("audit",), ("promote",)):
        done = run(*stage, *run_options)
        assert done.exit_code == 0, done.output
    assert product_ids(catalog) == {None, "p00000", "p00001", "p00002", "p00004"}

    file.write_text(whole.replace("price", "cost"))
    back = run(*plan, "--catalog", catalog)
    assert "1 new, 5 unchanged" in back.output
    assert "this column changed, which breaks filters on it: price (number, now gone)" in back.output
    assert "new columns: cost (number)" in back.output
    report = json.loads(run(*plan, "--catalog", catalog, "--json").output)
    assert {"name": "price", "live": "number", "planned": ""} in report["column_changes"]


def product_ids(catalog: str) -> set[str | None]:
    """The products of the live release."""
    with duckdb_connection(catalog) as connection:
        return {row[0] for row in connection.sql("SELECT DISTINCT product_id FROM items").fetchall()}


def test_stages_of_finished_runs_report_their_state(tmp_path: Path) -> None:
    catalog = str(tmp_path / "catalog")
    store = open_store(catalog)
    for count, name in enumerate(("sale", "sale", "other"), 2):
        nights.publish(store, name, nights.photos(count))
    stages = ("index", "build", "audit", "promote")

    def output(stage: str, run_id: str, code: int) -> str:
        result = run(stage, "--catalog", catalog, "--run-id", run_id)
        assert result.exit_code == code, result.output
        return result.output

    for stage in stages:
        assert "run sale-1 has no plan" in output(stage, "sale-1", 1)
        assert "release other is live already" in output(stage, "other", 0)
        assert "other has followed it" in output(stage, "sale", 0)
    assert run("rollback", "--catalog", catalog, "--note", "odd").exit_code == 0
    for stage in stages:
        assert "`lookdex rollback --to other` makes it live again" in output(stage, "other", 1)
        assert "release sale-1 is live already" in output(stage, "sale", 0)
    photos.fill(open_store(f"{tmp_path}/photos"), 1)
    plan = run("plan", "--source", f"{tmp_path}/photos", "--catalog", catalog, "--run-id", "other", *FAKES)
    assert plan.exit_code == 1
    assert "undone by the rollback to sale-1" in plan.output
    assert "(odd)" in plan.output


def test_missing_device_is_reported_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos.fill(open_store(f"{tmp_path}/photos"), 2)
    shop_options = ("--source", f"{tmp_path}/photos", "--catalog", f"{tmp_path}/catalog")
    for device, models, message in (("cuda:99", FAKES, "sees"), ("gpu", (), "use cpu, cuda or cuda:N")):
        missing = run("reindex", *shop_options, *models, "--device", device)
        assert missing.exit_code == 2
        assert message in missing.output
        assert "planned" not in missing.output
        assert run("plan", *shop_options, *models, "--run-id", device).exit_code == 0
        index = run("index", "--catalog", f"{tmp_path}/catalog", "--run-id", device, "--device", device)
        assert index.exit_code == 2
        assert message in index.output
    config = NightSettings(device="cuda:99", master="spark://host:7077")
    check_device(config)  # the workers may have the device
    check_device(replace(config, device="own", master=""), "python:mine:detector", "lookdex-tiny")
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    check_device(replace(config, master=""))


def test_missing_release_or_plan_names_the_command(tmp_path: Path) -> None:
    nothing = run("search", "--text", "red", "--catalog", str(tmp_path))
    assert nothing.exit_code == 1
    assert "lookdex reindex" in nothing.output
    unplanned = run("index", "--catalog", str(tmp_path), "--run-id", "never")
    assert unplanned.exit_code == 1
    assert "lookdex plan" in unplanned.output


@settings(deadline=None)
@given(bad=st.integers(0, 200), good=st.integers(0, 200), share=st.floats(0, 1))
def test_run_that_rejects_too_many_photos_stops(bad: int, good: int, share: float) -> None:
    indexed = Indexed(
        bad + good, 0, {Status.REJECTED: bad, Status.INDEXED: good}, {Reason.CORRUPT: bad}, 0, 0, 0
    )
    check_rejected(indexed, share, allow=True)
    if bad + good >= loss_limit.MIN_JUDGED and bad > share * (bad + good):
        with pytest.raises(MassChange, match=f"{bad:,} of {bad + good:,}"):
            check_rejected(indexed, share, allow=False)
    else:
        check_rejected(indexed, share, allow=False)
    # Photos that failed in earlier runs, and files that are not pictures, do not count.
    check_rejected(indexed, share, allow=False, retried=bad)
    check_rejected(replace(indexed, reasons={Reason.NO_PICTURE: bad}), share, allow=False)


def test_spark_jobs_have_the_options_of_their_verbs() -> None:
    """`spark-submit jobs/x.py` parses what the verb parses."""
    for job, verb in (("plan_changes", "plan"), ("index_images", "index"), ("build_release", "build")):
        path = ROOT / "jobs" / f"{job}.py"
        done = subprocess.run(
            [sys.executable, path, "--help"], capture_output=True, text=True, env=os.environ
        )
        assert done.returncode == 0, done.stderr
        options = {o for p in main.main.commands[verb].params for o in p.opts}
        assert all(option in done.stdout for option in options)


def test_recipe_follows_the_settings() -> None:
    base = NightSettings(detector=FAKES[1], embedder=FAKES[3])
    assert make_recipe(base) == make_recipe(replace(base, batch=3, device="cuda", shard_images=5))
    for change in (replace(base, min_score=0.9), replace(base, crop_margin=0.5), replace(base, max_pixels=5)):
        assert make_recipe(change).digest != make_recipe(base).digest


def test_run_stopped_by_sigterm_leaves_nothing_behind_and_is_resumed(tmp_path: Path) -> None:
    source, catalog, temporary = tmp_path / "photos", tmp_path / "catalog", tmp_path / "tmp"
    temporary.mkdir()
    photos.fill(open_store(str(source)), 12)
    command = [sys.executable, "-m", "lookdex.cli.main", "reindex", "--source", str(source), "--catalog", str(catalog),
               "--detector", "python:tests.fakes:slow_detector", *FAKES[2:], "--device", "slow",
               "--shard-images", "2",
               *LOCAL]  # fmt: skip
    path = f"{ROOT / 'lib'}{os.pathsep}{ROOT}"
    environment = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(temporary)}
    night = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    reports = catalog / "runs"
    deadline = time.monotonic() + 120
    while not list(reports.glob("*/reports/*.json")):
        assert night.poll() is None, night.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    processes = psutil.Process(night.pid).children(recursive=True)
    night.send_signal(signal.SIGTERM)
    output, errors = night.communicate(timeout=60)
    assert night.returncode == 143
    assert not any(process.is_running() for process in processes)
    assert list(temporary.iterdir()) == []
    run_id = output.splitlines()[0].removeprefix("run ")
    lines = [line for line in errors.splitlines() if line and not line.startswith("index ")]
    assert lines == [
        f"stopped: the live release is unchanged; lookdex reindex with --run-id {run_id} continues where this left off"
    ]
    assert promotion_log.current(open_store(str(catalog))) is None
    done = len(list(reports.glob("*/reports/*.json")))
    again = subprocess.run(
        [*command, "--run-id", run_id], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200
    )
    assert again.returncode == 0, again.stderr
    assert "12 photos" in again.stdout
    assert 0 < done < 6


@pytest.mark.parametrize("verb", ["index", "build", "audit", "promote"])
def test_stage_can_be_interrupted_while_it_reads_the_plan(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading the log and the plan may take long on a slow store."""
    handlers: list[object] = []

    def interrupted(*_: object) -> str:
        handlers.append(signal.getsignal(signal.SIGTERM))
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(Night, "finished", interrupted)
    stopped = run(verb, "--catalog", str(tmp_path), "--run-id", "n")
    assert (stopped.exit_code, stopped.output) == (
        130, "\nstopped: the live release is unchanged; the same command continues where this left off\n"
    )  # fmt: skip
    assert handlers[0] not in (before, signal.SIG_DFL)
    assert signal.getsignal(signal.SIGTERM) == before


def test_photo_that_kills_its_process_is_named_and_the_rest_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if Spark gives each task only one attempt."""
    source, catalog = f"{tmp_path}/photos", f"{tmp_path}/catalog"
    photos.fill(open_store(source), 200)
    open_store(source).put("p00123/a.png", photos.poisoned())
    models = ("--detector", "python:tests.fakes:poisoned_detector", *FAKES[2:], "--device", "abort")
    done = run(
        "reindex", "--source", source, "--catalog", catalog, *PATTERN, *models, *LOCAL, "--shard-images", "50"
    )
    assert done.exit_code == 0, done.output
    assert "200 photos (199 indexed, 1 failed)" in done.output
    assert "breaks a model: p00123/a.png: the process that handled it was ended by SIGABRT" in done.output
    assert live(open_store(catalog)).images == {"indexed": 199, "failed": 1}


def test_ctrl_c_while_spark_starts_leaves_no_process_running(tmp_path: Path) -> None:
    source, catalog = tmp_path / "photos", tmp_path / "catalog"
    photos.fill(open_store(str(source)), 2)
    command = [
        sys.executable, "-m", "lookdex.cli.main", "reindex", "--source", str(source), "--catalog", str(catalog),
        *FAKES, *LOCAL,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'lib'}{os.pathsep}{ROOT}"}
    night = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    started, deadline = psutil.Process(night.pid), time.monotonic() + 120
    while not started.children(recursive=True):
        assert night.poll() is None, night.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(night.pid, signal.SIGINT)  # as a terminal does
    _, errors = night.communicate(timeout=60)  # returns when the last process has closed the pipes
    assert night.returncode == 130
    assert "continues where this left off" in errors
    assert "Exception" not in errors
    assert "Traceback" not in errors
