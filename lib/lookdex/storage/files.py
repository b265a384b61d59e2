"""Open local files without ever waiting for them."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

from lookdex.errors import NotAFile


def open_file(path: str | Path) -> BufferedReader:
    """Open a regular file for reading. Raises NotAFile for anything else, unopened: opening a pipe may block."""
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise NotAFile(
            f"{path} is damaged: it is {_describe_kind(mode)}, not a file. Remove it, and restore the file if "
            "there was one."
        )
    return open(path, "rb", opener=_open_nonblocking)


def _open_nonblocking(path: str, flags: int) -> int:
    """Open without blocking, in case the file has become a pipe meanwhile."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _describe_kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")
