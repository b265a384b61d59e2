"""Remove damaged table versions of failed nights, so that they do not block the next night."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from lookdex.catalog import promotion_log, tables
from lookdex.catalog.integrity import MANIFESTS
from lookdex.errors import CorruptData
from lookdex.release.tags import versions
from lookdex.storage import Store

log = logging.getLogger(__name__)
_SUFFIX = ".manifest"
_LARGEST = (1 << 64) - 1  # Lance names version n's manifest _LARGEST - n, so that the newest is listed first


def clear_newest(catalog: Store, key: str) -> None:
    """Make sure that the newest version of a table can be read: every commit starts from it.

    Removes damaged manifests that no release uses, with a warning. Raises CorruptData when a release uses one.
    """
    for version, file in sorted(manifests(catalog, key), reverse=True):
        try:
            tables.open_newest(catalog, key)
            return
        except CorruptData as error:
            stored = promotion_log.read_releases(catalog)
            named = {versions(release)[key] for release in stored.readable}
            if version in named or stored.unreadable:
                raise CorruptData(
                    f"{error} No night can be written on top of it. Restore {catalog.uri}/{file} from a backup, or "
                    "roll back to another release and then delete the file."
                ) from error
            log.warning("%s/%s is damaged, belongs to no release and is removed", catalog.uri, file)
            catalog.delete(file)


def manifests(catalog: Store, key: str) -> Iterator[tuple[int, str]]:
    """Every version of a table, with the key of its manifest."""
    for listed in catalog.list(f"{key}/{MANIFESTS}"):
        name = listed.key.rpartition("/")[2].removesuffix(_SUFFIX)
        if listed.key.endswith(_SUFFIX) and name.isdigit():
            yield (_LARGEST - int(name) if len(name) == 20 else int(name)), listed.key
