"""Package data as files on disk, even when Python imports the package from a zip.

`spark-submit --py-files lookdex.whl` imports it from a zip, but weight loaders need real paths.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from functools import cache
from pathlib import Path

from lookdex.records import digest_of


@cache
def extract(folder: Path) -> Path:
    """Return `folder`, or an extracted copy if it is in a zip: one copy per user, machine and version of the zip."""
    archive = next((parent for parent in folder.parents if parent.is_file()), None)
    if folder.is_dir() or archive is None:
        return folder
    stat = archive.stat()
    home = Path(tempfile.gettempdir()) / f"lookdex-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.stat().st_uid != os.getuid():
        raise PermissionError(f"{home} belongs to another user: remove it, or set TMPDIR to your own folder")
    inner = folder.relative_to(archive).as_posix()
    target = home / digest_of((str(archive), stat.st_mtime_ns, stat.st_size, inner))
    if not target.is_dir():
        fresh = Path(tempfile.mkdtemp(dir=home))
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(fresh, [name for name in opened.namelist() if name.startswith(inner + "/")])
        try:
            (fresh / inner).rename(target)  # another worker may have been first
        except OSError:
            if not target.is_dir():
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return target
