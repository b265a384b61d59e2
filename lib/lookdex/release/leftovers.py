"""Versions that no release names, of nights that were refused or died: when damaged, they must not stop the next."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from lookdex import live, tables
from lookdex.errors import CorruptData
from lookdex.integrity import MANIFESTS
from lookdex.release.tags import versions
from lookdex.storage import Store

log = logging.getLogger(__name__)
_SUFFIX = ".manifest"
_LARGEST = (
    1 << 64
) - 1  # Lance names version n's manifest by what is left to it, so that the newest is listed first


def clear_newest(catalog: Store, key: str) -> None:
    """Make the newest version of a table one that can be read: a commit starts from it, whatever it holds.

    Damaged manifests of versions that no release names are removed, with a warning. Raises CorruptData when a release
    does name one.
    """
    for version, file in sorted(manifests(catalog, key), reverse=True):
        try:
            tables.newest(catalog, key)
            return
        except CorruptData as error:
            stored = live.stored_releases(catalog)
            named = {versions(release)[key] for release in stored.readable}
            if version in named or stored.unreadable:
                raise CorruptData(
                    f"{error} No night can be written on top of it: restore {catalog.uri}/{file} from a backup. Where "
                    "there is none, go back to another release and remove it."
                ) from error
            log.warning("%s/%s is damaged and of no release: it is removed", catalog.uri, file)
            catalog.delete(file)


def manifests(catalog: Store, key: str) -> Iterator[tuple[int, str]]:
    """(version, key of its manifest) of every version of a table."""
    for listed in catalog.list(f"{key}/{MANIFESTS}"):
        name = listed.key.rpartition("/")[2].removesuffix(_SUFFIX)
        if listed.key.endswith(_SUFFIX) and name.isdigit():
            yield (_LARGEST - int(name) if len(name) == 20 else int(name)), listed.key
