"""A release's record is validated before it is used: an invalid field is damage, and named."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from lookdex.catalog import promotion_log
from lookdex.catalog.json_codec import CHECKSUM
from lookdex.errors import BadQuery, CorruptData, LookdexError, NewerFormat
from lookdex.records.ranges import SourceAccess
from lookdex.report import make_report
from lookdex.search.catalog import Catalog
from lookdex.storage import Signing, open_store
from tests.support.catalogs import opened, picture, publish, stock
from tests.support.shops import thresholds

KEY = "releases/night-1.json"
VALUES: tuple[object, ...] = (
    None, True, -1, 0, 1, 7, 2**31, 2**63, 2**64, 10**400, 0.5, 1e308, float("nan"), float("-inf"), "", "nope", "a\0b",
    "../x", "0001-01-01T00:00:00+14:00", "2026-11-30T00:00:00", [], ["nope"], ["title", "title"], ["vector"], {},
    {"nope": -1},
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    publish(open_store(folder), "night-1", stock(6), thresholds=thresholds())
    return folder


@pytest.fixture
def record(folder: Path) -> Iterator[dict[str, Any]]:
    """The record without its checksum, as older versions wrote it. The file is restored afterwards."""
    file = folder / KEY
    original = file.read_bytes()
    content = json.loads(original)
    del content[CHECKSUM]
    yield content
    file.write_bytes(original)


def search_with(folder: Path, record: dict[str, Any]) -> Catalog:
    """Replace the record, open the catalogue, and search."""
    (folder / KEY).write_text(json.dumps(record))
    catalog = opened(str(folder)).load()
    catalog.search(picture("red"), text="red", facets=True)
    return catalog


def test_record_without_a_checksum_is_read(folder: Path, record: dict[str, Any]) -> None:
    assert search_with(folder, record).release.items_version == 1


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("release_id", "night-2", "it has the id 'night-2'"),
        ("items_version", -1, "items_version: .*greater"),
        ("items_version", 2**64, "items_version: .*less"),
        ("images_version", 0, "images_version: .*greater"),
        ("dim", 0, "dim: .*greater"),
        ("dim", -1, "dim: .*greater"),
        ("dim", 2**63, "dim: .*less"),
        ("dim", 17, r"vector is .*\[16\] and not .*\[17\]"),
        ("items", -1, "items: .*greater"),
        ("images", {"indexed": 2**63}, "images.indexed: .*less"),
        ("product_columns", ["nope"], "there is no column 'nope'"),
        ("product_columns", ["title", "title"], "'title' is named twice"),
        ("product_columns", ["crop"], "'crop' has the name of one of lookdex's own"),
        ("created_at", "2026-11-30T00:00:00", "created_at: .*timezone"),
        ("created_at", "0001-01-01T00:00:00+14:00", "created_at: .*greater"),
        ("source_access", "everyone", "source_access: .*pattern"),
        ("index", {"kind": "IVF_SQ", "nprobes": 2**40}, "index.nprobes: .*less"),
    ],
)  # fmt: skip
def test_invalid_field_is_damage(
    folder: Path, record: dict[str, Any], field: str, value: object, says: str
) -> None:
    with pytest.raises(CorruptData, match=says):
        search_with(folder, record | {field: value})


def paths(value: object, *above: str | int) -> Iterator[tuple[str | int, ...]]:
    """The path of every value in a JSON document."""
    if isinstance(value, dict | list):
        for name, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*above, name)
            yield from paths(below, *above, name)


def changed(record: Any, path: tuple[str | int, ...], value: object) -> Any:
    """A copy of a JSON document with another value at `path`."""
    if not path:
        return value
    copy = record.copy()
    copy[path[0]] = changed(copy[path[0]], path[1:], value)
    return copy


def test_invalid_values_raise_only_typed_errors(folder: Path, record: dict[str, Any]) -> None:
    store, refused = open_store(folder), 0
    errors: set[type[LookdexError]] = set()
    for path in paths(record):
        for value in VALUES:
            (folder / KEY).write_text(json.dumps(changed(record, path, value)))
            try:
                promotion_log.load_release(store, "night-1")
            except LookdexError as error:
                refused += 1
                errors.add(type(error))
                continue
            if len(path) == 1:
                with contextlib.suppress(LookdexError):
                    opened(str(folder)).search(picture("red"))
    assert refused > 500
    assert errors == {CorruptData, NewerFormat}


def test_invalid_release_argument_is_a_bad_query(folder: Path) -> None:
    release = promotion_log.load_release(open_store(folder), "night-1")
    wrong_fields: tuple[dict[str, Any], ...] = (
        {"items_version": -1},
        {"dim": 2**63},
        {"created_at": "today"},
        {"index": None},
        {"recipe": 5},
    )
    for wrong in wrong_fields:
        with pytest.raises(BadQuery, match=f"release: .*{next(iter(wrong))}"):
            opened(str(folder), release=replace(release, **wrong))
    with pytest.raises(CorruptData, match="no column 'nope'"):
        opened(str(folder), release=replace(release, product_columns=("nope",)))


def test_log_entry_must_have_the_number_of_its_file(folder: Path) -> None:
    file = folder / "live/00000001.json"
    original = file.read_bytes()
    for n in (0, 2, 10**9):
        file.write_text(
            json.dumps({k: v for k, v in json.loads(original).items() if k != CHECKSUM} | {"n": n})
        )
        with pytest.raises(CorruptData, match=r"00000001\.json is damaged"):
            opened(str(folder))
    file.write_bytes(original)


def test_source_access_values_match_the_store_options() -> None:
    pattern = get_args(SourceAccess)[1].metadata[0].pattern
    assert pattern == f"^({'|'.join(Signing)})$"


def test_report_refuses_an_invalid_record(folder: Path, record: dict[str, Any]) -> None:
    (folder / KEY).write_text(json.dumps(record | {"product_columns": ["nope"]}))
    with pytest.raises(CorruptData, match="no column 'nope'"):
        make_report(str(folder))
