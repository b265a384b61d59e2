"""Make room for a new sample: remove an earlier one."""

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
    """Remove the files of an earlier sample, and nothing else; returns their number.

    Raises ConfigError if there are files and not `force`.
    """
    pages = store.pages("")
    if not force:
        keys = (listed.key for page in pages for listed in page)
        if there := next((key for key in keys if not key.rpartition("/")[2].startswith(".")), None):
            raise ConfigError(
                f"{store.uri} is not empty (it has {there}): choose another --out, or use --force to remove an "
                "earlier sample and nothing else"
            )
        return 0
    earlier = [listed.key for page in pages for listed in page if OWN.fullmatch(listed.key)]
    for key in earlier:
        store.delete(key)
    if "://" not in store.uri:  # buckets have no folders
        for folder in {Path(store.uri, key).parent for key in earlier if key.startswith("photos/")}:
            with suppress(OSError):  # keep folders with other files
                folder.rmdir()
    return len(earlier)
