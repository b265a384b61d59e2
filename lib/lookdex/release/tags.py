"""Lance tags follow the promotion log: `live`, and `r-<id>` for each kept release, on both tables.

They are for readers that know only LanceDB, and they protect the versions from cleanup. `tags.update` has no
compare-and-swap, so they never decide anything.
"""

from __future__ import annotations

from lookdex import live, tables
from lookdex.records import Release
from lookdex.storage import Store

LIVE = "live"


def release_tag(release_id: str) -> str:
    return f"r-{release_id}"


def versions(release: Release) -> dict[str, int]:
    return {tables.ITEMS: release.items_version, tables.IMAGES: release.images_version}


def set_tag(catalog: Store, release: Release, name: str | None = None) -> list[str]:
    """Point a tag (default: `r-<id>`) of both tables at a release. Returns the tables where it did not already."""
    name = name or release_tag(release.release_id)
    moved = []
    for key, version in versions(release).items():
        tags = tables.open_table(catalog, key, version).tags
        there = tags.list().get(name)
        if there is not None and there["version"] == version:
            continue
        if there is None:
            try:
                tags.create(name, version)
            except (ValueError, OSError):  # another process made it in between
                tags.update(name, version)
        else:
            tags.update(name, version)
        moved.append(f"{key}: {name} → {version}")
    return moved


def repair_tags(catalog: Store) -> list[str]:
    """Make the tags say what the promotion log says. Returns what was changed; [] when all was right.

    Every command that writes the log ends with this, and each begins with it: a process that died between the log
    and the tags is mended by the next. If the log moves meanwhile, the tags follow again.
    """
    moved = []
    entry = live.current(catalog)
    while entry is not None:
        release = live.load_release(catalog, entry.release_id)
        moved += set_tag(catalog, release)
        moved += set_tag(catalog, release, LIVE)
        latest = live.current(catalog)
        if latest == entry:
            break
        entry = latest
    return moved
