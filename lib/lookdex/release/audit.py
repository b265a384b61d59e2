"""Audit a candidate: SQL checks over both tables, and what SQL cannot see (bytes, indexes, the query itself).

A check returns offending rows; none, and it holds. A candidate that passes becomes `releases/<id>.json`, with the
results in it; one that does not leaves `runs/<run>/audit-<live>.json` and never goes live. All SQL checks over
200,000 items of 256-d take under 4 s on one busy core, the vectors and the products about 1 s of it each
(infra/bench_release.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import duckdb
import pyarrow as pa

from lookdex.catalog import integrity, promotion_log, runs, tables
from lookdex.catalog.json_codec import sealed
from lookdex.catalog.lance_errors import reading
from lookdex.catalog.schemas import items_schema
from lookdex.catalog.sql import identifier, quoted
from lookdex.errors import AuditFailed, CorruptData, ReleaseNotFound
from lookdex.records import CheckResult, Release, StoredFile
from lookdex.release import ann, commits, files
from lookdex.release.fragments import read_parquet
from lookdex.release.tags import set_tag
from lookdex.runtime.wording import count_of
from lookdex.storage import Store

SHOWN = 20  # offending rows kept of a check
GOOD_RECALL = 0.95
REREAD_BYTES = 2_000_000_000  # of files of earlier nights, read again each night, in turn
MIN_JUDGED = 50  # photos with objects; of fewer, a share says nothing
AGAIN = "Start the night again under a new run id."
CHECK_FILES = ("items/checks.sql", "images/checks.sql")
PRODUCT_CHECKS = "items/products.sql"
LISTED = "the products file lists every product that is sold"  # of PRODUCT_CHECKS

Smoke = Callable[[Release], object]
Offender = dict[str, object]


@dataclass(frozen=True)
class Found:
    """One check's result with its first offending rows."""

    result: CheckResult
    rows: list[Offender] = field(default_factory=list)


@dataclass(frozen=True)
class AuditReport:
    """`runs/<run>/audit-<live>.json`. offenders: check → its first offending rows as JSON."""

    release_id: str
    items_version: int
    images_version: int
    checks: tuple[CheckResult, ...]
    offenders: dict[str, list[str]]


def audit_release(
    catalog: Store,
    candidate: Release,
    smoke: Smoke | None = None,
    *,
    max_lost: float = 0.10,
    allow_mass_change: bool = False,
) -> Release:
    """Check a candidate; returns it with the results, stored as a release. Raises AuditFailed.

    smoke: asks the candidate a question through the real query function, and raises when the answer is wrong.
    max_lost: share of the live photos with objects that may have none tonight (not judged below MIN_JUDGED photos);
    `allow_mass_change` lets more pass.
    A release that passed before is returned without further checks. Raises CorruptData for tables that cannot be read.
    """
    try:
        stored = promotion_log.load_release(catalog, candidate.release_id)
    except ReleaseNotFound:
        pass
    else:  # save_release refuses when that was another candidate
        return promotion_log.save_release(catalog, replace(candidate, audit=stored.audit))
    with reading(f"the candidate {candidate.release_id} in {catalog.uri}", AGAIN):
        found = [changed_files(catalog, candidate)]
        if found[0].result.passed:  # otherwise nothing read from them can be trusted
            found += [*sql_checks(catalog, candidate), *product_checks(catalog, candidate)]
            found += python_checks(catalog, candidate)
            found.append(lost_photos(catalog, candidate, max_lost, allow_mass_change))
    if found[0].result.passed and smoke is not None:
        found.append(smoke_check(candidate, smoke))
    results = tuple(one.result for one in found)
    broken = [one for one in found if not one.result.passed]
    entry = promotion_log.current(catalog)
    report = AuditReport(
        release_id=candidate.release_id,
        items_version=candidate.items_version,
        images_version=candidate.images_version,
        checks=results,
        offenders={one.result.name: [json.dumps(row, default=str) for row in one.rows] for one in broken},
    )
    run = candidate.run_id or candidate.release_id
    key = f"{runs.run_folder(run)}/audit-{entry.n if entry else 0}.json"
    catalog.put(key, sealed(report))
    if broken:
        raise AuditFailed(message(catalog, candidate, broken, key), {b.result.name: b.rows for b in broken})
    # The tag goes first: from then on no cleanup removes what the release names.
    set_tag(catalog, candidate)
    return promotion_log.save_release(catalog, replace(candidate, audit=results))


def message(catalog: Store, candidate: Release, broken: list[Found], key: str) -> str:
    lines = [f"the audit refused release {candidate.release_id}; what is live in {catalog.uri} stays live."]
    for one in broken:
        example = f", e.g. {json.dumps(one.rows[0], default=str)[:600]}" if one.rows else ""
        detail = f": {one.result.detail}" if one.result.detail else ""
        lines.append(f"  {one.result.name}: {one.result.offenders} offending{detail}{example}")
    lines.append(f"All of it is in {key}. Mend the cause and start the night again under a new run id.")
    return "\n".join(lines)


def sql_checks(catalog: Store, candidate: Release) -> Iterator[Found]:
    """The queries of sql/items/checks.sql and sql/images/checks.sql."""
    with tables.connect(tables.open_tables(catalog, candidate)) as connection:
        for file in CHECK_FILES:
            for name, query in tables.sql_blocks(tables.sql_text(file)).items():
                yield run_check(connection, name, query)


def product_checks(catalog: Store, candidate: Release) -> Iterator[Found]:
    """`items` against the products that the plan stored: the types, then row by row by sql/items/products.sql."""
    typed = "product columns have the types of the products file"
    queries = tables.sql_blocks(tables.sql_text(PRODUCT_CHECKS))
    if candidate.products is None and candidate.products_digest:
        why = "built by an earlier lookdex, which did not store the products: plan and build the night again"
        yield Found(CheckResult(typed, False, why, 1))
        return
    if candidate.products is None:
        for name in (typed, *queries):
            yield Found(CheckResult(name, True, "not checked: a night without a products file"))
        return
    stock = read_parquet(catalog, candidate.products)
    opened = tables.open_tables(catalog, candidate)
    columns = [field for field in stock.schema if field.name != "product_id"]
    wrong = commits.difference(items_schema(candidate.dim, pa.schema(columns)), opened.items.schema)
    yield Found(CheckResult(typed, not wrong, wrong or count_of(len(columns), "column"), int(bool(wrong))))
    if wrong:  # else nothing can be compared
        return
    with tables.connect(opened) as connection:
        compare_products(connection, stock)
        for name, query in queries.items():
            found = run_check(connection, name, query)
            if name == LISTED and candidate.keep_unlisted and not found.result.detail:
                kept = (
                    f"{count_of(found.result.offenders, 'row')} of other products, which keep_unlisted keeps"
                )
                found = Found(CheckResult(name, True, kept))
            elif found.result.passed:
                found = replace(found, result=replace(found.result, detail=count_of(len(stock), "product")))
            yield found


def compare_products(connection: duckdb.DuckDBPyConnection, stock: pa.Table) -> None:
    """Create the views `products` and `compared` that sql/items/products.sql reads, beside `items`.

    stock: product_id and the product columns, which `items` has with the same types.
    """
    names = [name for name in stock.column_names if name != "product_id"]

    def packed(table: str) -> str:
        fields = (f"{quoted(name)}: {table}.{identifier(name)}" for name in names)
        return f"{{{', '.join(fields)}}}" if names else "NULL"

    connection.register("products", stock)
    connection.execute(f"""
        CREATE TEMP VIEW compared AS
        SELECT item_id, image_key, items.product_id, {packed("items")} AS published, {packed("products")} AS expected,
               products.product_id IS NOT NULL AS listed
        FROM items LEFT JOIN products USING (product_id)
    """)


def run_check(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> Found:
    """Streams the offending rows: all are counted, SHOWN are kept. A query that cannot be run fails the check."""
    shown: list[Offender] = []
    count = 0
    try:
        # Through Arrow: DuckDB's own rows need pytz for a timestamp with a time zone.
        for batch in connection.sql(query).to_arrow_reader(10_000):
            shown += batch.slice(0, SHOWN - len(shown)).to_pylist()
            count += batch.num_rows
    except duckdb.Error as error:
        why = str(error).partition("\n")[0]
        return Found(CheckResult(name, False, f"it cannot be run: {why}", max(count, 1)), shown)
    return Found(CheckResult(name, passed=count == 0, offenders=count), shown)


def python_checks(catalog: Store, candidate: Release) -> Iterator[Found]:
    opened = tables.open_tables(catalog, candidate)
    counted = {"items": opened.items.count_rows(), "images": opened.images.count_rows()}
    told = {"items": candidate.items, "images": sum(candidate.images.values())}
    wrong: list[Offender] = [
        {"table": name, "rows": counted[name], "release": rows}
        for name, rows in told.items()
        if counted[name] != rows
    ]
    yield Found(CheckResult("rows are as many as the release says", not wrong, str(told), len(wrong)), wrong)
    left = [{"index": name, "rows": rows} for name, rows in ann.unindexed_rows(opened.items).items() if rows]
    yield Found(
        CheckResult("no row is left out of an index", not left, candidate.index.kind, len(left)), left
    )
    yield recall_check(candidate, opened)


def changed_files(catalog: Store, candidate: Release) -> Found:
    """Re-read the files and compare; of the items' older data files REREAD_BYTES a night, in turn.

    This comes before either table is opened: from a damaged file Lance may read anything, or abort the process.
    """
    recorded = integrity.load_files(catalog, candidate)
    if recorded is None:
        raise CorruptData(
            f"{catalog.uri}/{integrity.files_key(candidate)} is missing, with the digests of the release's files. "
            "Build again: `lookdex build`."
        )
    parent = promotion_log.load_release(catalog, candidate.parent) if candidate.parent else None
    before = tuple(integrity.find_files(catalog, parent) or ())
    old = {file.key for file in before}
    known = {file.key for file in recorded}
    new = [file for file in recorded if file.key not in old]
    budget = REREAD_BYTES
    # What the checks read first, and the live ledger, which `lost_photos` reads.
    again = [f for f in recorded if f.key in old and not integrity.of_data(f)]
    again += [f for f in before if integrity.of_ledger(f) and f.key not in known]
    seen = [f for f in recorded if f.key in old and integrity.of_data(f)]
    for file in sorted(seen, key=lambda file: turn(file, candidate)):
        budget -= file.bytes
        if budget < 0:
            break
        again.append(file)
    rows: list[Offender] = [{"file": d.key, "why": d.why} for d in integrity.changed(catalog, new)]
    for damage in integrity.changed(catalog, again):
        cure = integrity.remedy(catalog, damage.key, candidate.parent)
        rows.append({"file": damage.key, "why": f"{damage.why}. The live release uses it. {cure}"})
    if not rows:
        opened = tables.open_tables(catalog, candidate)
        named = [
            *files.named_files(opened.items, tables.ITEMS),
            *files.named_files(opened.images, tables.IMAGES),
        ]
        rows = [{"file": key, "why": "no digest was recorded"} for key in named if key not in known]
    detail = f"{len(new) + len(again)} of {len(known | old)} files read again"
    return Found(CheckResult("files have the bytes that were written", not rows, detail, len(rows)), rows)


def turn(file: StoredFile, candidate: Release) -> str:
    """Another order each night, so that every old file is read again sooner or later."""
    return hashlib.sha256(f"{candidate.release_id} {file.key}".encode()).hexdigest()


def recall_check(candidate: Release, opened: tables.Tables) -> Found:
    name = f"the index finds {GOOD_RECALL:.0%} of the ten nearest"
    if candidate.index.kind == "exact":
        return Found(CheckResult(name, True, "exact scan, no index"))
    lanes = ann.recalls(opened.items, candidate.index)
    poor = [
        {"lane": r.lane, "recall_at_10": r.recall, "queries": r.queries}
        for r in lanes
        if r.recall < GOOD_RECALL
    ]
    detail = ", ".join(f"{r.lane} {r.recall:.3f} ({r.queries} queries)" for r in lanes)
    return Found(CheckResult(name, not poor, detail, len(poor)), poor)


def lost_photos(catalog: Store, candidate: Release, max_lost: float, allowed: bool) -> Found:
    """Photos that had an object in the live release and have none now (rejected, nothing detected, or failed)."""
    name = "photos do not lose their objects in masses"
    if candidate.parent is None:
        return Found(CheckResult(name, True, "nothing was live before"))
    before = promotion_log.load_release(catalog, candidate.parent)
    now, then = tables.ledger(catalog, candidate), tables.ledger(catalog, before)
    with duckdb.connect() as connection:
        connection.register("now_images", now)
        connection.register("then_images", then)
        join = "FROM then_images t JOIN now_images n USING (image_key) WHERE t.items > 1"
        total = connection.execute(f"SELECT count(*) {join}").fetchall()[0][0]
        lost = run_check(
            connection,
            name,
            f"SELECT image_key, n.status, n.reason, t.items AS items_before {join} AND n.items <= 1",
        )
    share = lost.result.offenders / total if total else 0.0
    detail = f"{lost.result.offenders} of {total} photos with objects have none tonight ({share:.1%})"
    if share <= max_lost or total < MIN_JUDGED or allowed:
        return Found(CheckResult(name, True, detail))
    detail += f", and {max_lost:.0%} may; if that is right, run again with --allow-mass-change"
    return Found(CheckResult(name, False, detail, lost.result.offenders), lost.rows)


def smoke_check(candidate: Release, smoke: Smoke) -> Found:
    name = "a query is answered"
    try:
        answer = smoke(candidate)
    except Exception as error:
        return Found(CheckResult(name, False, f"{type(error).__name__}: {error}", 1))
    return Found(CheckResult(name, True, str(answer) if isinstance(answer, str) else ""))
