"""A place where a sample will be written, and an earlier one that lies there."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from lookdex.errors import ConfigError
from lookdex.storage import Store

OWN = re.compile(
    r"photos/P\d{6,}/(front|alt)\.jpg|looks/look-\d{5,}\.jpg|(products|truth)\.parquet|thresholds\.json"
)


def make_room(store: Store, force: bool) -> int:
    """Remove what an earlier sample wrote, and nothing else; how many files that were.

    Raises ConfigError where there is any file and not `force`.
    """
    pages = store.pages("")
    if not force:
        keys = (listed.key for page in pages for listed in page)
        if there := next((key for key in keys if not key.rpartition("/")[2].startswith(".")), None):
            raise ConfigError(
                f"{store.uri} is not empty (it has {there}): give another --out, or --force, which removes what an "
                "earlier sample wrote there and leaves all else"
            )
        return 0
    earlier = [listed.key for page in pages for listed in page if OWN.fullmatch(listed.key)]
    for key in earlier:
        store.delete(key)
    if "://" not in store.uri:  # in a bucket there are no folders
        for folder in {Path(store.uri, key).parent for key in earlier if key.startswith("photos/")}:
            with suppress(OSError):  # what else lies in it stays
                folder.rmdir()
    return len(earlier)
