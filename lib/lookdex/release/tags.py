"""Lance tags on both tables: `live`, and `r-<id>` for each kept release.

Tags are for readers that use only LanceDB, and protect versions from cleanup. They follow the promotion log and decide
nothing, because `tags.update` has no compare-and-swap.
"""

from __future__ import annotations

import logging

import lance

from lookdex.catalog import promotion_log, tables
from lookdex.catalog.lance_errors import convert_errors
from lookdex.errors import CorruptData, ReleaseNotFound
from lookdex.records import Release
from lookdex.storage import Store

LIVE = "live"
log = logging.getLogger(__name__)


def release_tag(release_id: str) -> str:
    return f"r-{release_id}"


def is_ours(name: str) -> bool:
    return name == LIVE or name.startswith("r-")


def versions(release: Release) -> dict[str, int]:
    return {tables.ITEMS: release.items_version, tables.IMAGES: release.images_version}


def tag_key(key: str, name: str) -> str:
    """The key of the file in which Lance keeps a tag."""
    return f"{key}/_refs/tags/{name}.json"


def find_damaged_tags(catalog: Store, key: str, table: lance.LanceDataset) -> list[str]:
    """The unreadable tags of a table. One is enough to make Lance list none."""
    folder = f"{key}/_refs/tags/"
    names = [listed.key.removeprefix(folder).removesuffix(".json") for listed in catalog.list(folder)]
    return [name for name in names if not is_whole(catalog, key, table, name)]


def is_whole(catalog: Store, key: str, table: lance.LanceDataset, name: str) -> bool:
    try:
        find_version(catalog, key, table, name)
    except CorruptData:
        return False
    return True


def find_version(catalog: Store, key: str, table: lance.LanceDataset, name: str) -> int | None:
    """The version of a tag; None when there is no such tag. Raises CorruptData when its file is damaged."""
    with convert_errors(f"{catalog.uri}/{tag_key(key, name)}", "The next night rewrites it."):
        try:
            return int(table.tags.get_version(name))
        except ValueError as error:
            if "does not exist" in str(error):
                return None
            raise


def tag_versions(catalog: Store, key: str, table: lance.LanceDataset) -> dict[str, int]:
    """The tags of a table (name → version). Raises CorruptData with the name of the damaged file."""
    try:
        with convert_errors(tables.table_name(catalog, key)):
            return {name: tag["version"] for name, tag in table.tags.list().items()}
    except CorruptData as error:
        files = ", ".join(tag_key(key, name) for name in find_damaged_tags(catalog, key, table))
        raise CorruptData(
            f"{catalog.uri}: {files or key}: the tag is damaged, so Lance lists none of the table's tags. Create it "
            "again with LanceDB, or remove the file."
        ) from error


def set_tag(catalog: Store, release: Release, name: str | None = None) -> list[str]:
    """Point a tag (default: `r-<id>`) of both tables at a release. Returns the changes.

    A damaged tag is rewritten.
    """
    name = name or release_tag(release.release_id)
    moved = []
    for key, version in versions(release).items():
        if point(catalog, key, tables.open_table(catalog, key, version), name, version):
            moved.append(f"{key}: {name} → {version}")
    return moved


def point(catalog: Store, key: str, table: lance.LanceDataset, name: str, version: int) -> bool:
    """Point a tag at a version; False when it already points there."""
    try:
        present = find_version(catalog, key, table, name)
    except CorruptData as error:
        log.warning("the tag %s of %s is rewritten: %s", name, key, error)
        catalog.delete(tag_key(key, name))
        present = None
    if present == version:
        return False
    with convert_errors(f"{catalog.uri}/{tag_key(key, name)}"):
        if present is None:
            try:
                table.tags.create(name, version)
                return True
            except (ValueError, OSError):  # another process created it in between
                pass
        table.tags.update(name, version)
        return True


def repair_tags(catalog: Store) -> list[str]:
    """Update the tags from the promotion log. Returns the changes; [] when all tags were right.

    Every command of the night or about releases runs this (see `follow`): if a process died between the log and the
    tags, the next one repairs them. If the log changes meanwhile, the tags are updated again.
    """
    moved = []
    entry = promotion_log.current(catalog)
    while entry is not None:
        release = promotion_log.load_release(catalog, entry.release_id)
        moved += set_tag(catalog, release)
        moved += set_tag(catalog, release, LIVE)
        latest = promotion_log.current(catalog)
        if latest == entry:
            return moved + rewrite_damaged(catalog, release)
        entry = latest
    return moved


def rewrite_damaged(catalog: Store, release: Release) -> list[str]:
    """Rewrite damaged tags of other releases from their records. Damaged tags of other programs are only logged."""
    moved = []
    for key, version in versions(release).items():
        table = tables.open_table(catalog, key, version)
        for name in find_damaged_tags(catalog, key, table):
            if not is_ours(name):
                log.warning(
                    "%s/%s is damaged: create it again, or remove it", catalog.uri, tag_key(key, name)
                )
                continue
            try:
                other = promotion_log.load_release(catalog, name.removeprefix("r-"))
            except ReleaseNotFound:
                log.warning(
                    "%s/%s is damaged, belongs to no release and is removed",
                    catalog.uri,
                    tag_key(key, name),
                )
                catalog.delete(tag_key(key, name))
                continue
            point(catalog, key, table, name, versions(other)[key])
            moved.append(f"{key}: {name} → {versions(other)[key]}")
    return moved


def follow(catalog: Store) -> None:
    """Run `repair_tags`; failures are only logged, because tags do not decide what is live."""
    try:
        for moved in repair_tags(catalog):
            log.info("tag moved: %s", moved)
    except Exception as error:
        log.warning("the tags of %s could not be updated from the promotion log: %s", catalog.uri, error)
