"""Output of the nightly commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lookdex.runtime.wording import pluralize

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from lookdex.index.indexed import Indexed
    from lookdex.pipeline.plan import Planned
    from lookdex.planning.feed.datafile import Found
    from lookdex.planning.links import Links
    from lookdex.records import PlanSummary, Release, SkippedKeys

INDENT = " " * 9


def print_plan(planned: Planned) -> None:
    summary = planned.summary
    against = f"compared with release {summary.release_id}" if summary.release_id else "nothing is live yet"
    changes = dict(summary.changes)
    if summary.leaving is not None and summary.leaving.photos:
        changes["deleted"] -= summary.leaving.photos
        changes["no longer sold"] = summary.leaving.photos
    counts = (
        ", ".join(f"{n:,} {change.replace('_', ' ')}" for change, n in changes.items() if n) or "no photo"
    )
    work = f"{pluralize(summary.planned, 'photo')} in {pluralize(summary.shards, 'shard')}"
    click.echo(f"planned  {work} ({counts}); {against}")
    print_skipped(summary.skipped)
    if planned.unnamed:
        keys = pluralize(planned.unnamed, "key")
        click.echo(
            f"{INDENT}without an image suffix: {keys} ({list_examples(planned.unnamed, planned.unnamed_examples)}); "
            "they are recognised by content"
        )
    if planned.links is not None:
        print_links(planned.links, with_products=planned.products is not None)
    if planned.found is not None:
        print_found(planned.found)
    if planned.products is not None:
        print_products(planned.products)
    print_unlisted(summary)
    print_column_changes(summary)
    if summary.products_changed:
        click.echo(f"{INDENT}the products file changed: product columns will be updated")
    if summary.thresholds_changed:
        click.echo(f"{INDENT}the thresholds changed: the release will keep the new ones")
    if planned.held:
        click.echo(
            f"{INDENT}promotions are held after a rollback: nothing goes live until `lookdex resume`",
            err=True,
        )
    if planned.stored_before:
        click.echo(
            f"{INDENT}this run was planned before: its plan is used, and the settings given now have no effect"
        )
    if planned.postponed:
        click.echo(
            f"{INDENT}{pluralize(planned.postponed, 'photo')} beyond --limit are left for the next night"
        )


def print_skipped(skipped: Sequence[SkippedKeys]) -> None:
    """Print one line for each reason why keys of the source are skipped."""
    from lookdex.imaging.formats import AND_FORMATS
    from lookdex.records import Skip

    words = {  # singular, plural, remedy
        Skip.FOLDER_MARKER: ("folder marker", "folder markers", ""),
        Skip.HIDDEN: ("hidden file", "hidden files", ""),
        Skip.NOT_A_FILE: ("broken link, pipe or socket", "broken links, pipes or sockets", ""),
        Skip.NOT_UTF8: ("name that is not UTF-8", "names that are not UTF-8", "rename the files to index them"),
        Skip.OTHER_TYPE: ("file of another type", "files of other types", ""),
        Skip.UNREAD_FORMAT: (
            "picture in an unsupported format", "pictures in unsupported formats", f"{AND_FORMATS} are supported",
        ),
        Skip.EMPTY: ("empty file without an image suffix", "empty files without an image suffix", ""),
        Skip.ARCHIVED: ("archived photo", "archived photos", "restore the photos to index them"),
    }  # fmt: skip
    for keys in skipped:
        one, many, remedy = words[keys.reason]
        said = f"{INDENT}left out: {pluralize(keys.count, one, many)} ({list_examples(keys.count, keys.examples)})"
        click.echo(f"{said}; {remedy}" if remedy else said)


def list_examples(count: int, examples: Sequence[str]) -> str:
    """The first few of `count` keys, quoted because they may contain spaces and line breaks."""
    return ", ".join(map(repr, examples)) + (", …" if count > len(examples) else "")


def print_links(links: Links, with_products: bool) -> None:
    line = f"{INDENT}{links.linked:,} of {pluralize(links.photos, 'photo')} are linked to a product"
    if with_products and links.known < links.linked:
        line += f", {links.known:,} of them to one in the products file"
    complete = links.linked == links.photos and (links.known == links.linked or not with_products)
    click.echo(line if complete else f"{line} (see --pattern, --mapping and --products)")
    if links.without_photo_count:
        have = "has" if links.without_photo_count == 1 else "have"
        click.echo(
            f"{INDENT}{links.without_photo_count:,} of {pluralize(links.products, 'product')} in the products file "
            f"{have} no photo: {list_examples(links.without_photo_count, links.without_photo)}"
        )
    if links.case.count:
        examples = "; ".join(f"{photo!r} and {file!r}" for photo, file in links.case.examples)
        click.echo(
            f"{INDENT}{pluralize(links.case.count, 'product id')} of photos and file differ only in case and are not "
            f"linked: {examples}",
            err=True,
        )


def print_found(found: Found) -> None:
    """Print how the products file was read, with a sample line if its encoding was guessed."""
    parts = [
        f"{found.format} with gzip" if found.gzip else found.format,
        found.encoding,
        f"separator {found.separator}" if found.separator else "",
        pluralize(found.rows, "row"),
    ]
    settings = " (see --products-encoding, --products-separator, --products-types)" if found.separator else ""
    click.echo(f"{INDENT}the products file: {', '.join(filter(None, parts))}{settings}")
    if found.guess:
        line = found.guess if len(found.guess) <= 60 else f"{found.guess[:59]}…"
        click.echo(
            f"{INDENT}its encoding is a guess; if this line is garbled, set --products-encoding: {line}"
        )


def print_unlisted(summary: PlanSummary) -> None:
    """Print products that the products file does not list: those that leave, and those that are not indexed."""
    leaving, left_out = summary.leaving, summary.left_out
    if leaving is not None and leaving.products:
        leave = "leaves" if leaving.products == 1 else "leave"
        click.echo(
            f"{INDENT}{pluralize(leaving.products, 'live product')} not in the products file {leave} the release, with "
            f"{pluralize(leaving.photos, 'photo')}: {list_examples(leaving.products, leaving.examples)}"
        )
    if left_out is not None and left_out.photos:
        are = "is" if left_out.photos == 1 else "are"
        click.echo(
            f"{INDENT}{pluralize(left_out.photos, 'photo')} of {pluralize(left_out.products, 'product')} not in the "
            f"products file {are} not indexed: {list_examples(left_out.products, left_out.examples)}"
        )
    if any(found is not None and found.products for found in (leaving, left_out)):
        click.echo(f"{INDENT}(--keep-unlisted keeps photos of products that the file does not list)")


def print_column_changes(summary: PlanSummary) -> None:
    """Print product columns that differ from the live release's, because applications filter on them."""
    changed = [change for change in summary.column_changes if change.live]
    if changed:
        each = ", ".join(f"{c.name} ({c.live}, now {c.planned or 'gone'})" for c in changed)
        these = "this column" if len(changed) == 1 else "these columns"
        click.echo(
            f"{INDENT}{these} changed, which breaks filters on {'it' if len(changed) == 1 else 'them'}: {each}"
        )
    if new := [f"{change.name} ({change.planned})" for change in summary.column_changes if not change.live]:
        click.echo(f"{INDENT}new columns: {', '.join(new)}")


def print_products(schema: pa.Schema) -> None:
    """Print the product columns with their types, and warn of a price that is not a number."""
    from lookdex.catalog.column_types import held, kind_of

    columns = [field for field in schema if field.name != "product_id"]
    if columns:
        named = ", ".join(f"{field.name} ({kind_of(field.type)})" for field in columns)
        click.echo(f"{INDENT}product columns: {named}")
    for field in columns:
        if field.name == "price" and kind_of(field.type) != "number":
            click.echo(
                f"{INDENT}the column price holds {held(field.type)}, not numbers: filters such as price < 50 do not "
                "work, and looks have no total. Write 12.95, without a currency, spaces or a decimal comma",
                err=True,
            )


def print_indexed(indexed: Indexed) -> None:
    from lookdex.records import Reason

    counts = ", ".join(f"{n:,} {status}" for status, n in indexed.counts.items() if n)
    why = ", ".join(f"{n:,} {reason}" for reason, n in sorted(indexed.reasons.items()))
    click.echo(
        f"indexed  {pluralize(indexed.images, 'photo')}{f' ({counts})' if counts else ''}, "
        f"{pluralize(indexed.items, 'item')}{f'; {why}' if why else ''}"
    )
    for example in indexed.examples:
        breaks = example.reason is Reason.BREAKS_MODEL
        reason = "breaks a model: " if breaks else f"{example.reason}, such as "
        click.echo(f"{INDENT}{reason}{example.words}")
    if archived := indexed.reasons.get("archived"):
        click.echo(
            f"{INDENT}{pluralize(archived, 'photo')} cannot be read because of an archive storage class: restore them. "
            "Their live rows stay, and they are retried within a week"
        )


def print_audit(release: Release) -> None:
    for check in release.audit:
        click.echo(f"  {'ok  ' if check.passed else 'FAIL'} {check.name:<58} {check.detail}")
    click.echo(f"audited  {pluralize(len(release.audit), 'check')} passed")


def describe_release(release: Release) -> str:
    """A release's size and index in a few words."""
    photos = pluralize(sum(release.images.values()), "photo")
    return f"{pluralize(release.items, 'item')} of {photos}, index {release.index.kind}"
