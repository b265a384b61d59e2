"""Audit a candidate: SQL checks over both tables, and checks of files, indexes and the query library.

A check returns the rows that break it; without any it passes. A candidate that passes all checks becomes
`releases/<id>.json`, with the results in it. Any other never goes live; `runs/<run>/audit-<live>.json` says why.
All SQL checks over 200,000 items of 256-d take under 4 s on one busy core, of which vectors and products take about 1 s
each (infra/bench_release.py).
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
from lookdex.runtime.wording import pluralize
from lookdex.storage import Store

SHOWN = 20  # offending rows kept per check
GOOD_RECALL = 0.95
REREAD_BYTES = 2_000_000_000  # of older data files to verify each night, in turn
MIN_JUDGED = 50  # photos with objects; below this a share is not meaningful
AGAIN = "Start the night again under a new run id."
CHECK_FILES = ("items/checks.sql", "images/checks.sql")
PRODUCT_CHECKS = "items/products.sql"
LISTED = "the products file lists every product that is sold"  # a check of PRODUCT_CHECKS

Smoke = Callable[[Release], object]
Offender = dict[str, object]


@dataclass(frozen=True)
class Checked:
    """The result of a check with its first offending rows."""

    result: CheckResult
    rows: list[Offender] = field(default_factory=list)


@dataclass(frozen=True)
class AuditReport:
    """`runs/<run>/audit-<live>.json`. offenders: the first offending rows of each failed check, as JSON."""

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
    """Check a candidate and store it as a release, with the results in it.

    A release that passed before is returned without further checks.

    smoke: searches the candidate through the query library, and raises when the answer is wrong. max_lost: share of the
    live photos with objects that may have none tonight (ignored below MIN_JUDGED photos, or with `allow_mass_change`).

    Raises AuditFailed, and CorruptData for tables that cannot be read.
    """
    try:
        stored = promotion_log.load_release(catalog, candidate.release_id)
    except ReleaseNotFound:
        pass
    else:  # save_release raises if that was another candidate
        return promotion_log.save_release(catalog, replace(candidate, audit=stored.audit))
    with reading(f"the candidate {candidate.release_id} in {catalog.uri}", AGAIN):
        checks = [changed_files(catalog, candidate)]
        if checks[0].result.passed:  # otherwise nothing that is read can be trusted
            checks += [*sql_checks(catalog, candidate), *product_checks(catalog, candidate)]
            checks += python_checks(catalog, candidate)
            checks.append(lost_photos(catalog, candidate, max_lost, allow_mass_change))
    if checks[0].result.passed and smoke is not None:
        checks.append(smoke_check(candidate, smoke))
    results = tuple(check.result for check in checks)
    broken = [check for check in checks if not check.result.passed]
    entry = promotion_log.current(catalog)
    report = AuditReport(
        release_id=candidate.release_id,
        items_version=candidate.items_version,
        images_version=candidate.images_version,
        checks=results,
        offenders={
            check.result.name: [json.dumps(row, default=str) for row in check.rows] for check in broken
        },
    )
    run = candidate.run_id or candidate.release_id
    key = f"{runs.run_folder(run)}/audit-{entry.n if entry else 0}.json"
    catalog.put(key, sealed(report))
    if broken:
        raise AuditFailed(message(catalog, candidate, broken, key), {b.result.name: b.rows for b in broken})
    # The tag comes first: from then on no cleanup removes files of the release.
    set_tag(catalog, candidate)
    return promotion_log.save_release(catalog, replace(candidate, audit=results))


def message(catalog: Store, candidate: Release, broken: list[Checked], key: str) -> str:
    """The message of AuditFailed."""
    lines = [
        f"the audit refused release {candidate.release_id}; the live release of {catalog.uri} is unchanged."
    ]
    for check in broken:
        example = f", e.g. {json.dumps(check.rows[0], default=str)[:600]}" if check.rows else ""
        detail = f": {check.result.detail}" if check.result.detail else ""
        lines.append(f"  {check.result.name}: {check.result.offenders} offending{detail}{example}")
    lines.append(f"The full report is in {key}. Fix the cause and start the night again under a new run id.")
    return "\n".join(lines)


def sql_checks(catalog: Store, candidate: Release) -> Iterator[Checked]:
    """Run the queries of sql/items/checks.sql and sql/images/checks.sql."""
    with tables.connect(tables.open_tables(catalog, candidate)) as connection:
        for file in CHECK_FILES:
            for name, query in tables.sql_blocks(tables.sql_text(file)).items():
                yield run_check(connection, name, query)


def product_checks(catalog: Store, candidate: Release) -> Iterator[Checked]:
    """Compare `items` with the products that the plan stored: the types, then the rows (sql/items/products.sql)."""
    typed = "product columns have the types of the products file"
    queries = tables.sql_blocks(tables.sql_text(PRODUCT_CHECKS))
    if candidate.products is None and candidate.products_digest:
        why = "built by an earlier lookdex that did not store the products: plan and build the night again"
        yield Checked(CheckResult(typed, False, why, 1))
        return
    if candidate.products is None:
        for name in (typed, *queries):
            yield Checked(CheckResult(name, True, "not checked: a night without a products file"))
        return
    stock = read_parquet(catalog, candidate.products)
    candidate_tables = tables.open_tables(catalog, candidate)
    columns = [field for field in stock.schema if field.name != "product_id"]
    wrong = commits.difference(items_schema(candidate.dim, pa.schema(columns)), candidate_tables.items.schema)
    yield Checked(CheckResult(typed, not wrong, wrong or pluralize(len(columns), "column"), int(bool(wrong))))
    if wrong:  # rows of other types cannot be compared
        return
    with tables.connect(candidate_tables) as connection:
        compare_products(connection, stock)
        for name, query in queries.items():
            found = run_check(connection, name, query)
            if name == LISTED and candidate.keep_unlisted and not found.result.detail:
                kept = f"{pluralize(found.result.offenders, 'row')} of other products, kept by keep_unlisted"
                found = Checked(CheckResult(name, True, kept))
            elif found.result.passed:
                found = replace(found, result=replace(found.result, detail=pluralize(len(stock), "product")))
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


def run_check(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> Checked:
    """Run one check. All offending rows are counted and SHOWN are kept. A query that cannot be run fails the check."""
    shown: list[Offender] = []
    count = 0
    try:
        # Through Arrow: DuckDB's Python rows need pytz for timestamps with a time zone.
        for batch in connection.sql(query).to_arrow_reader(10_000):
            shown += batch.slice(0, SHOWN - len(shown)).to_pylist()
            count += batch.num_rows
    except duckdb.Error as error:
        why = str(error).partition("\n")[0]
        return Checked(CheckResult(name, False, f"it cannot be run: {why}", max(count, 1)), shown)
    return Checked(CheckResult(name, passed=count == 0, offenders=count), shown)


def python_checks(catalog: Store, candidate: Release) -> Iterator[Checked]:
    """Check the numbers of rows, that indexes cover all rows, and the recall of the vector index."""
    candidate_tables = tables.open_tables(catalog, candidate)
    items = candidate_tables.items
    counted = {"items": items.count_rows(), "images": candidate_tables.images.count_rows()}
    expected = {"items": candidate.items, "images": sum(candidate.images.values())}
    wrong: list[Offender] = [
        {"table": name, "rows": counted[name], "release": rows}
        for name, rows in expected.items()
        if counted[name] != rows
    ]
    yield Checked(
        CheckResult("rows are as many as the release says", not wrong, str(expected), len(wrong)), wrong
    )
    left = [{"index": name, "rows": rows} for name, rows in ann.unindexed_rows(items).items() if rows]
    yield Checked(
        CheckResult("no row is left out of an index", not left, candidate.index.kind, len(left)), left
    )
    yield recall_check(candidate, candidate_tables)


def changed_files(catalog: Store, candidate: Release) -> Checked:
    """Re-read the files and compare their digests. Of older data files of the items, REREAD_BYTES a night, in turn.

    Must run before a table is opened: Lance may read anything from a damaged file, or abort the process.
    """
    recorded = integrity.load_files(catalog, candidate)
    if recorded is None:
        raise CorruptData(
            f"{catalog.uri}/{integrity.files_key(candidate)}, with the digests of the release's files, is missing. "
            "Build again: `lookdex build`."
        )
    parent = promotion_log.load_release(catalog, candidate.parent) if candidate.parent else None
    before = tuple(integrity.find_files(catalog, parent) or ())
    old = {file.key for file in before}
    known = {file.key for file in recorded}
    new = [file for file in recorded if file.key not in old]
    budget = REREAD_BYTES
    # The files that the checks read first, and the live ledger, which `lost_photos` reads.
    again = [f for f in recorded if f.key in old and not integrity.of_data(f)]
    again += [f for f in before if integrity.of_ledger(f) and f.key not in known]
    old_data = [f for f in recorded if f.key in old and integrity.of_data(f)]
    for file in sorted(old_data, key=lambda file: turn(file, candidate)):
        budget -= file.bytes
        if budget < 0:
            break
        again.append(file)
    rows: list[Offender] = [{"file": d.key, "why": d.why} for d in integrity.changed(catalog, new)]
    for damage in integrity.changed(catalog, again):
        remedy = integrity.remedy(catalog, damage.key, candidate.parent)
        rows.append({"file": damage.key, "why": f"{damage.why}. The live release uses it. {remedy}"})
    if not rows:
        candidate_tables = tables.open_tables(catalog, candidate)
        used = [
            *files.named_files(candidate_tables.items, tables.ITEMS),
            *files.named_files(candidate_tables.images, tables.IMAGES),
        ]
        rows = [{"file": key, "why": "no digest was recorded"} for key in used if key not in known]
    detail = f"{len(new) + len(again)} of {len(known | old)} files read again"
    return Checked(CheckResult("files have the bytes that were written", not rows, detail, len(rows)), rows)


def turn(file: StoredFile, candidate: Release) -> str:
    """A sort key that differs each night, so that every old file is verified sooner or later."""
    return hashlib.sha256(f"{candidate.release_id} {file.key}".encode()).hexdigest()


def recall_check(candidate: Release, candidate_tables: tables.Tables) -> Checked:
    """Check the recall of the vector index."""
    name = f"the index finds {GOOD_RECALL:.0%} of the ten nearest"
    if candidate.index.kind == "exact":
        return Checked(CheckResult(name, True, "exact scan, no index"))
    lanes = ann.recalls(candidate_tables.items, candidate.index)
    poor = [
        {"lane": r.lane, "recall_at_10": r.recall, "queries": r.queries}
        for r in lanes
        if r.recall < GOOD_RECALL
    ]
    detail = ", ".join(f"{r.lane} {r.recall:.3f} ({r.queries} queries)" for r in lanes)
    return Checked(CheckResult(name, not poor, detail, len(poor)), poor)


def lost_photos(catalog: Store, candidate: Release, max_lost: float, allowed: bool) -> Checked:
    """Check how many photos with objects in the live release have none now (rejected, nothing detected, or failed)."""
    name = "photos do not lose their objects in masses"
    if candidate.parent is None:
        return Checked(CheckResult(name, True, "nothing was live before"))
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
        return Checked(CheckResult(name, True, detail))
    detail += f", more than {max_lost:.0%}; if this is intended, run again with --allow-mass-change"
    return Checked(CheckResult(name, False, detail, lost.result.offenders), lost.rows)


def smoke_check(candidate: Release, smoke: Smoke) -> Checked:
    """Check that the candidate answers a query."""
    name = "a query is answered"
    try:
        answer = smoke(candidate)
    except Exception as error:
        return Checked(CheckResult(name, False, f"{type(error).__name__}: {error}", 1))
    return Checked(CheckResult(name, True, str(answer) if isinstance(answer, str) else ""))
