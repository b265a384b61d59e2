"""The stage `plan`: gather the inputs, compare them, guard against a mass change, store the plan.

The decisions about photos are in `planning`, without I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from lookdex.catalog import integrity, promotion_log, runs, tables
from lookdex.config import NightSettings
from lookdex.pipeline import thresholds
from lookdex.pipeline.night import Night
from lookdex.pipeline.recipe import make_recipe
from lookdex.planning import assortment, diff, listing, products
from lookdex.planning.feed.datafile import Found
from lookdex.planning.links import Links, check_known, check_links, count_links
from lookdex.records import (
    Change,
    ColumnChange,
    LiveEntry,
    PlanSummary,
    Recipe,
    Release,
    StoredFile,
    Thresholds,
    Unlisted,
)
from lookdex.release import candidates, promote
from lookdex.storage import ReadOptions, Signing, Store, open_store, probe_put_if_absent

NOT_STORED = StoredFile(key="", sha256="", rows=0, bytes=0)  # the plan of a dry run


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan and details to print. A dry run stores nothing."""

    summary: PlanSummary
    links: Links | None = None  # None: the plan was stored before
    products: pa.Schema | None = None  # of the products file: product_id and the product columns
    postponed: int = 0  # photos beyond the limit, left for the next night
    held: bool = False  # a rollback holds promotions
    unnamed: int = 0  # photos without an image suffix
    unnamed_examples: tuple[str, ...] = ()
    found: Found | None = None  # how the products file was read
    stored_before: bool = False  # the plan is kept: settings given now have no effect


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of a plan.

    entry, release, ledger: the live ones; None before the first promotion. file: the products file; kept: its
    product_id and product columns. linked: the photos of `source` with their products (`products.link_products`).
    """

    night: Night
    entry: LiveEntry | None
    release: Release | None
    ledger: pa.Table | None
    recipe: Recipe
    thresholds: Thresholds | None
    file: products.Products | None
    kept: pa.Table | None
    source: listing.Source
    linked: pa.Table
    links: Links

    @property
    def known(self) -> pa.ChunkedArray | None:
        """The product ids of the products file; None without one."""
        return None if self.file is None else self.file.table["product_id"]

    @property
    def sold(self) -> pa.ChunkedArray | None:
        """The ids of the products that may be in the release; None: all may."""
        return None if self.night.settings.keep_unlisted else self.known


@dataclass(frozen=True, slots=True)
class Comparison:
    """The changes of the night. leaving, left_out, products_digest: as in PlanSummary."""

    plan: diff.Plan
    leaving: Unlisted
    left_out: Unlisted
    products_digest: str


def plan_night(night: Night, *, limit: int | None = None, full: bool = False) -> Planned:
    """Compare the source with the live release, and store the plan, unless it is a dry run.

    A plan is stored once: a second call with the same run id returns it. limit, full: as in `make_plan`.

    Raises:
        MassChange: more than `settings.max_change` of the live photos are gone, or of the live products are not in the
            products file.
        RolledBack: the run's release was rolled back.
        UnsafeStore: the catalogue's store ignores If-None-Match (checked before the first night only).
        ConfigError: a pattern, mapping or products file fits no photo, or the thresholds file is not one.
    """
    if night.run_id:
        stored = runs.find_plan(night.catalog, night.run_id)
        if stored is not None and not stored.outdated:
            return Planned(stored, held=promotions_held(night.catalog), stored_before=True)
        candidates.check_run_not_undone(night.catalog, night.run_id)
        promote.follow(night.catalog)
    with night.stage("plan"):
        inputs = gather(night)
        comparison = compare(inputs, limit=limit, full=full)
        guard(inputs, comparison)
        summary = store(inputs, comparison)
    return Planned(
        summary,
        links=inputs.links,
        products=None if inputs.kept is None else inputs.kept.schema,
        postponed=comparison.plan.postponed,
        held=inputs.entry is not None and inputs.entry.hold,
        unnamed=inputs.source.unnamed,
        unnamed_examples=inputs.source.unnamed_examples,
        found=None if inputs.file is None else inputs.file.found,
    )


def promotions_held(catalog: Store) -> bool:
    """Whether a rollback holds promotions."""
    entry = promotion_log.current(catalog)
    return entry is not None and entry.hold


def gather(night: Night) -> Inputs:
    """Read the products file, list the source, link photos to products and read the live ledger.

    Raises ConfigError when the pattern, mapping or products file is unusable or fits no photo, CorruptData when the
    ledger is damaged.
    """
    catalog, settings = night.catalog, night.settings
    entry, release = promotion_log.live_release(catalog) or (None, None)
    recipe = make_recipe(settings)
    given = thresholds.load(settings.thresholds) if settings.thresholds else None
    file = products.load_configured(settings)
    kept = products.choose(file, settings.product_columns) if file is not None else None
    stock = file.table if file is not None else None
    source = listing.list_source(open_source(settings), workers=settings.fetch_workers)
    mapping = products.load_mapping(settings.mapping) if settings.mapping else None
    linked = products.link_products(source.photos, stock, pattern=settings.pattern or None, mapping=mapping)
    links = count_links(linked, stock)
    check_links(linked, links, settings.pattern, settings.mapping)
    if release is not None:
        integrity.require(catalog, release, integrity.is_ledger_file)
    ledger = tables.read_ledger(catalog, release) if release else None
    return Inputs(night, entry, release, ledger, recipe, given, file, kept, source, linked, links)


def compare(inputs: Inputs, *, limit: int | None, full: bool) -> Comparison:
    """Compare the source with the live ledger. limit, full: as in `diff.make_plan`."""
    photos, leaving, left_out = inputs.linked, Unlisted(), Unlisted()
    if inputs.sold is not None:
        chosen = assortment.drop_unlisted(inputs.linked, inputs.sold, inputs.ledger)
        photos, leaving, left_out = chosen.photos, chosen.leaving, chosen.left_out
    made = diff.make_plan(
        photos,
        inputs.ledger,
        inputs.recipe.digest,
        shard_images=inputs.night.settings.shard_images,
        full=full,
        limit=limit,
        refusal_digest=inputs.recipe.refusal,
        archived=inputs.source.archived,
        turn=datetime.now(UTC).toordinal() % diff.ARCHIVE_NIGHTS,
        sold=inputs.sold,
    )
    digest = products.digest(inputs.kept) if inputs.kept is not None else ""
    return Comparison(made, leaving, left_out, digest)


def guard(inputs: Inputs, comparison: Comparison) -> None:
    """Raise MassChange when the release would lose too much, ConfigError when no photo shows a listed product."""
    night = inputs.night
    diff.check_mass_change(
        count_losses(inputs, comparison), night.settings.max_change, night.allow_mass_change
    )
    if inputs.file is not None and not night.allow_mass_change:
        check_known(inputs.linked, inputs.links, inputs.file.table, night.settings.products)


def count_losses(inputs: Inputs, comparison: Comparison) -> diff.Losses:
    """Count what the night would remove from the live release."""
    release, ledger, made = inputs.release, inputs.ledger, comparison.plan
    listed = inputs.source.photos.num_rows
    if release is None or ledger is None:
        return diff.Losses(listed=listed, skipped=sum(keys.count for keys in inputs.source.skipped))
    losses = diff.Losses(
        photos=ledger.num_rows,
        listed=listed,
        gone=made.changes[Change.DELETED] - comparison.leaving.photos,
        unlinked=made.unlinked,
        products=len(pc.unique(pc.list_flatten(ledger["product_ids"]))),
        leaving=comparison.leaving,
        without_photo=inputs.links.without_photo,
        case=inputs.links.case,
    )
    products_changed = comparison.products_digest != release.products_digest
    if inputs.sold is not None or not (products_changed or made.changes[Change.CHANGED]):
        return losses
    described = tables.read_described_products(inputs.night.catalog, release)
    if inputs.known is not None:
        rewritten, known = inputs.linked, inputs.known
    else:  # without a products file, only the rows of planned photos lose their columns
        rewritten = made.table.filter(pc.field("shard_id").is_valid())
        known = pa.array([], pa.string())
    lost = diff.count_lost_products(rewritten, ledger, described, known)
    return replace(losses, described=len(described), lost=lost)


def store(inputs: Inputs, comparison: Comparison) -> PlanSummary:
    """Store the plan and return its summary. A dry run stores nothing."""
    night, summary = inputs.night, summarise(inputs, comparison)
    if not night.run_id:
        return summary
    if inputs.entry is None:
        probe_put_if_absent(night.catalog)
    return runs.save_plan(night.catalog, comparison.plan.table, summary, inputs.kept)


def summarise(inputs: Inputs, comparison: Comparison) -> PlanSummary:
    """The summary of a plan that is not stored yet."""
    night, release, made = inputs.night, inputs.release, comparison.plan
    settings = night.settings
    kept = thresholds.choose(inputs.thresholds, release, inputs.recipe)
    return PlanSummary(
        run_id=night.run_id,
        live=inputs.entry.since if inputs.entry else 0,
        release_id=release.release_id if release else None,
        source=settings.source,
        recipe=inputs.recipe,
        changes=made.changes,
        shards=made.shards,
        created_at=datetime.now(UTC),
        plan=NOT_STORED,
        products_digest=comparison.products_digest,
        products_changed=release is not None and comparison.products_digest != release.products_digest,
        thresholds=kept,
        thresholds_changed=release is not None and kept != release.thresholds,
        keep_unlisted=inputs.file is not None and settings.keep_unlisted,
        leaving=comparison.leaving,
        left_out=comparison.left_out,
        column_changes=column_changes(night.catalog, release, inputs.kept),
        source_access=settings.source_access,
        skipped=(*inputs.source.skipped, *filter(None, [made.archived])),
    )


def column_changes(
    catalog: Store, release: Release | None, kept: pa.Table | None
) -> tuple[ColumnChange, ...]:
    """The product columns that differ from the live release's; none without a products file, which keeps them."""
    if release is None or kept is None:
        return ()
    schema = tables.open_items(catalog, release).schema
    columns = pa.schema([schema.field(name) for name in release.product_columns])
    return assortment.compare_columns(columns, kept.schema)


def open_source(settings: NightSettings) -> Store:
    """The store of the source, opened with the settings."""
    return open_store(
        settings.source, options=ReadOptions(Signing(settings.source_access), settings.fetch_seconds)
    )
