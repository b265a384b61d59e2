"""Plan a night: join the listing with the live ledger and cut the changes into shards. No I/O.

All data stays in Arrow and DuckDB, so a million photos are planned in seconds without becoming Python objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from lookdex.catalog.schemas import IMAGES_SCHEMA, PLAN_SCHEMA
from lookdex.errors import ConfigError, MassChange
from lookdex.planning.feed.ids import CaseOnly, shown
from lookdex.records import Change, Reason, Skip, SkippedKeys, Status, Unlisted
from lookdex.runtime.wording import pluralize

# A photo that turned out to be archived, although its listing does not say so, is fetched once in this many nights.
ARCHIVE_NIGHTS = 7
EXAMPLES = 3
# - A failed photo is always a retry: its row says nothing certain about the file. One that breaks a model is not
#   retried until the photo or the model changes.
# - A full night plans unchanged photos as `recipe`.
# - Archived photos that are not in the ledger are left out. One that is in the ledger is fetched once when something
#   changed, and then not again until its listing says that it was restored. Listings do not say so for the archive
#   tiers of Intelligent-Tiering; these photos take turns over ARCHIVE_NIGHTS.
# - A rejected photo that a later version may be able to read is retried once.
_COMPARE = f"""
create temp table compared as
select coalesce(l.image_key, m.image_key) as image_key,
       case when m.image_key is null then l.etag else m.etag end as etag,
       case when m.image_key is null then l.bytes else m.bytes end as bytes,
       case when m.image_key is null then l.product_ids else m.product_ids end as product_ids,
       case when m.image_key is null then l.category else m.category end as category,
       case when m.image_key is null then '{Change.DELETED}'
            when l.image_key is null then '{Change.NEW}'
            when l.status = '{Status.FAILED}' and l.reason = '{Reason.ARCHIVED}' and l.recipe = $recipe
              and unsold.image_key is null
              and (a.image_key is not null or not $full and hash(l.image_key) % {ARCHIVE_NIGHTS} <> $turn)
              then '{Change.UNCHANGED}'
            when l.status = '{Status.FAILED}' and l.reason is distinct from '{Reason.BREAKS_MODEL}'
            then '{Change.RETRY}'
            when l.etag is distinct from m.etag
              or list_sort(coalesce(l.product_ids, [])) is distinct from m.product_ids
              or l.category is distinct from m.category then '{Change.CHANGED}'
            when l.status = '{Status.REJECTED}' and l.recipe = $recipe and $refusal <> $recipe
              then '{Change.RETRY}'
            when l.recipe is distinct from
                case when l.status = '{Status.REJECTED}' then $refusal else $recipe end or $full
              then '{Change.RECIPE}'
            else '{Change.UNCHANGED}' end as change,
       m.image_key is not null and len(l.product_ids) > 0 and coalesce(len(m.product_ids), 0) = 0 as unlinked,
       unsold.image_key is not null as urgent
from listed m full outer join ledger l on l.image_key = m.image_key
     left join archived a on a.image_key = m.image_key
     left join unsold on unsold.image_key = l.image_key
where l.image_key is not null or a.image_key is null
"""
# Live photos with rows of a product that is no longer sold. They are planned regardless of the limit, because these
# rows may not stay for another night.
_UNSOLD = """
create temp table unsold as
select distinct image_key from (select image_key, unnest(product_ids) as product_id from ledger)
anti join sold using (product_id)
"""
# Each step has its own table: as one query, DuckDB takes minutes for a million rows instead of seconds.
_NUMBER = f"""
create temp table planned as
select *, number // $size as shard from (
    select *, row_number() over (order by urgent desc, image_key) - 1 as number
    from compared
    where change not in ('{Change.DELETED}', '{Change.UNCHANGED}')
)
where $most is null or number < $most or urgent
"""
_NAME = """
create temp table shards as
select shard,
       substr(sha256($recipe || chr(30) || string_agg(
           image_key || chr(31) || etag || chr(31) || array_to_string(product_ids, chr(29)) || chr(31)
           || coalesce(category, ''), chr(30) order by image_key)), 1, 16) as shard_id
from planned
group by shard
"""
_PLAN = f"""
select shard_id, image_key, etag, bytes, product_ids, category, change
from planned join shards using (shard)
union all
select null, image_key, etag, bytes, product_ids, category, change
from compared where change = '{Change.DELETED}'
order by shard_id nulls last, image_key
"""
_ARCHIVED = f"""
select count(*), coalesce(list(image_key order by image_key)[:{EXAMPLES}], [])
from archived anti join ledger using (image_key)
"""
_LOST = """
with was as (select image_key, unnest(product_ids) as product_id from ledger),
     now_ as (select image_key, unnest(product_ids) as product_id from photos),
     still_known as (select * from now_ semi join known using (product_id))
select count(*) from (
    select product_id
    from was semi join described using (product_id)
             semi join photos using (image_key)
             anti join still_known using (image_key)
    except
    select product_id from still_known
)
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """The work of one night. `changes` counts the table's photos and the unchanged ones, but not the postponed."""

    table: pa.Table  # PLAN_SCHEMA, sorted by shard and key, deleted photos last
    changes: dict[str, int]  # every Change → photos
    postponed: int  # photos beyond `limit`, left for the next night
    unlinked: int = 0  # listed photos that had products and no longer have any
    archived: SkippedKeys | None = None  # new photos that are left out because they are archived

    @property
    def shards(self) -> int:
        return len(pc.unique(self.table["shard_id"]).drop_null())


def make_plan(
    listing: pa.Table,
    ledger: pa.Table | None,
    recipe_digest: str,
    shard_images: int = 256,
    full: bool = False,
    limit: int | None = None,
    refusal_digest: str | None = None,
    archived: pa.Array | None = None,
    turn: int = 0,
    sold: pa.Array | pa.ChunkedArray | None = None,
) -> Plan:
    """Compare the listing with the live ledger.

    A shard holds `shard_images` planned photos, in key order. Its id is a digest of the recipe and of its photos' keys,
    ETags, products and categories.

    listing: the columns of `products.link_products`, unique keys, any order. ledger: IMAGES_SCHEMA; None: nothing is
    live. full: plan every photo. limit: plan at most this many photos; deletions do not count. refusal_digest:
    `Recipe.refusal` (default: the recipe's digest). archived: keys of the listing that must be restored before they can
    be read. turn: 0 … ARCHIVE_NIGHTS - 1, another each night. sold: ids of the only products that may stay in the
    release (None: all may); live photos of other products are planned regardless of the limit.
    """
    if shard_images < 1 or (limit is not None and limit < 0):
        raise ConfigError(f"shard_images ({shard_images}) must be positive and limit ({limit}) not negative")
    with duckdb.connect() as database:
        _register(database, listing, ledger, archived, sold)
        refusal = refusal_digest or recipe_digest
        database.execute(_COMPARE, {"recipe": recipe_digest, "refusal": refusal, "full": full, "turn": turn})
        database.execute(_NUMBER, {"size": shard_images, "most": limit})
        database.execute(_NAME, {"recipe": recipe_digest})
        table = database.sql(_PLAN).to_arrow_table().cast(PLAN_SCHEMA).combine_chunks()
        database.register("plan", table)
        compared, planned = _changes(database, "compared"), _changes(database, "plan")
        unlinked = database.execute("select count(*) from compared where unlinked").fetchall()[0][0]
        new_archived, examples = database.execute(_ARCHIVED).fetchall()[0]
    planned[Change.UNCHANGED] = compared.get(Change.UNCHANGED, 0)
    changes = {str(change): planned.get(change, 0) for change in Change}
    return Plan(
        table,
        changes,
        postponed=sum(compared.values()) - sum(changes.values()),
        unlinked=unlinked,
        archived=SkippedKeys(Skip.ARCHIVED, new_archived, tuple(examples)) if new_archived else None,
    )


def _register(
    database: duckdb.DuckDBPyConnection,
    listing: pa.Table,
    ledger: pa.Table | None,
    archived: pa.Array | None,
    sold: pa.Array | pa.ChunkedArray | None,
) -> None:
    """Register the inputs of `make_plan` as tables. Raises ConfigError when keys are not unique."""
    database.register("listed", listing)
    database.register("ledger", ledger if ledger is not None else IMAGES_SCHEMA.empty_table())
    for name in ("listed", "ledger"):
        counted = database.execute(f"select count(*), count(distinct image_key) from {name}").fetchall()
        keys, unique = counted[0]
        if keys != unique:
            raise ConfigError(f"the {name} photos have {keys} keys, but only {unique} different ones")
    no_ids = pa.array([], pa.string())
    database.register("archived", pa.table({"image_key": no_ids if archived is None else archived}))
    if sold is None:
        database.execute("create temp table unsold (image_key varchar)")
    else:
        database.register("sold", pa.table({"product_id": sold}))
        database.execute(_UNSOLD)


def _changes(database: duckdb.DuckDBPyConnection, table: str) -> dict[str, int]:
    """The number of photos of a table, by change."""
    return dict(database.execute(f"select change, count(*) from {table} group by change").fetchall())


def lost_products(photos: pa.Table, ledger: pa.Table, described: pa.Array, known: pa.Array) -> int:
    """How many live products with product columns would lose them tonight.

    A product is lost when one of its photos is among `photos` and now belongs to no known product, and no other photo
    links to the product. A product whose photos are all gone does not count here: its photos count as gone.

    photos: image_key and product_ids as linked tonight. ledger: IMAGES_SCHEMA. described: ids of live products with
    values in product columns. known: product ids of the products file.
    """
    with duckdb.connect() as database:
        for name, table in (("photos", photos), ("ledger", ledger)):
            database.register(name, table.select(["image_key", "product_ids"]))
        for name, ids in (("described", described), ("known", known)):
            database.register(name, pa.table({"product_id": ids}))
        return int(database.execute(_LOST).fetchall()[0][0])


@dataclass(frozen=True, slots=True)
class Losses:
    """What the night would remove from the live release.

    listed: photos in the source. skipped: keys in the source that are not photos. photos, products: how many are live.
    gone: live photos that the source no longer has. unlinked: live photos that would no longer belong to a product.
    leaving: live products that the products file does not list, and the photos of these alone. described: live products
    with a row in the products file. lost: how many of them would lose it. without_photo: some products of the file
    without a photo. case: product ids of photos that differ from the file's only in case.
    """

    listed: int
    photos: int = 0
    gone: int = 0
    unlinked: int = 0
    skipped: int = 0
    products: int = 0
    leaving: Unlisted = field(default_factory=Unlisted)
    described: int = 0
    lost: int = 0
    without_photo: tuple[str, ...] = ()
    case: CaseOnly = field(default_factory=CaseOnly)


def _ids_of_file(losses: Losses) -> str:
    """A sentence that quotes ids of the file, to compare with those that it does not list."""
    if losses.case.count:
        pairs = "; ".join(
            f"{photo!r} of a photo, {file!r} of the file" for photo, file in losses.case.examples
        )
        return f"Ids differ in upper and lower case only: {pairs}. "
    return (
        f"The file has, without a photo, {shown(list(losses.without_photo))}. "
        if losses.without_photo
        else ""
    )


def check_mass_change(losses: Losses, max_share: float = 0.10, allow: bool = False) -> None:
    """Raise MassChange when the source lists no photo, or the release would lose more than `max_share` of its photos,
    products, or links between photos, products and the products file."""
    if allow:
        return
    live, leaving = losses.photos, losses.leaving
    override = "If this is intended, pass --allow-mass-change."
    limit = f"a night stops at more than {max_share:.0%}"
    if losses.listed == 0:
        raise MassChange(
            f"the source lists no photo at all{f', and {live:,} are live' if live else ''}"
            f"{f' ({losses.skipped:,} other keys are there)' if losses.skipped else ''}. Check the URI, the file "
            "names and the permission to list them." + (f" {override}" if live else "")
        )
    if losses.gone > max_share * live:
        raise MassChange(
            f"{losses.gone:,} of {live:,} live photos ({losses.gone / live:.1%}) are gone from the source, which "
            f"lists {losses.listed:,}; {limit}. Check that the listing is complete. {override}"
        )
    if leaving.products > max_share * losses.products or leaving.photos > max_share * live:
        raise MassChange(
            f"{leaving.products:,} of {losses.products:,} live products "
            f"({leaving.products / max(losses.products, 1):.1%}) are not in the products file, such as "
            f"{', '.join(map(repr, leaving.examples))}: they would leave the release, with "
            f"{leaving.photos:,} of {live:,} live photos ({leaving.photos / max(live, 1):.1%}); {limit}. "
            f"{_ids_of_file(losses)}The file may be truncated, or its ids may not be those that --pattern or --mapping "
            "give: check both. If these products are no longer sold, pass --allow-mass-change. To keep photos of "
            "products that the file does not list, set keep_unlisted (--keep-unlisted)."
        )
    if losses.gone + leaving.photos > max_share * live:
        both = losses.gone + leaving.photos
        raise MassChange(
            f"{both:,} of {live:,} live photos ({both / live:.1%}) would leave the release: {losses.gone:,} are gone "
            f"from the source, {pluralize(leaving.photos, 'photo')} of products that the products file does not list; "
            f"{limit}. Check that the listing and the file are complete. {override}"
        )
    if losses.unlinked > max_share * live:
        raise MassChange(
            f"{losses.unlinked:,} of {live:,} live photos ({losses.unlinked / live:.1%}) belonged to a product and "
            f"would belong to none; {limit}. Check --pattern, --mapping and --products: they must be given every "
            f"night. {override}"
        )
    if losses.lost > max_share * losses.described:
        raise MassChange(
            f"{losses.lost:,} of the {losses.described:,} live products with a row in the products file "
            f"({losses.lost / losses.described:.1%}) would lose it, and with it their title, price and other columns; "
            f"{limit}. Check that the file is complete, and --products and --pattern: they must be given every "
            f"night. {override}"
        )
