"""A folder as a store, with the same guarantees and errors as `s3.S3Store`."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from lookdex.errors import (
    AccessDenied,
    Changed,
    DamagedInTransit,
    NotAFile,
    NotFound,
    StorageError,
    TooLarge,
    Unavailable,
)
from lookdex.storage.base import Digest, Level, Listed, Page, Requests
from lookdex.storage.files import open_file

TEMPORARY = ".lookdex-tmp-"  # files being written; never listed
PAGE = 1000
_FolderId = tuple[int, int]  # device and inode


class FolderStore:
    """Files below a folder. Writes are atomic: a temporary file beside the target, then a rename or a link."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._requests = Requests()

    @property
    def uri(self) -> str:
        return str(self._root)

    def __repr__(self) -> str:
        return f"FolderStore({self.uri!r})"

    @property
    def requests(self) -> int:
        return sum(self.request_counts.values())

    @property
    def request_counts(self) -> dict[str, int]:
        return self._requests.counts()

    @property
    def lance_options(self) -> dict[str, str]:
        return {}

    def lance_uri(self, key: str) -> str:
        return str(self._path(key))

    def child(self, prefix: str) -> FolderStore:
        child = FolderStore(self._path(prefix) if prefix.strip("/") else self._root)
        child._requests = self._requests
        return child

    def ping(self, key: str, seconds: float) -> None:
        """As `Store.ping`, but `seconds` is ignored: a read of a file cannot be given a time limit."""
        self._read(key, None, None)

    def get(self, key: str) -> bytes:
        return self._read(key, None, None)

    def get_limited(
        self, key: str, max_bytes: int, etag: str | None = None, size: int | None = None
    ) -> bytes:
        data = self._read(key, max_bytes, etag)
        # The etag contains the size, so the file itself did not change: the disk lost a part of it.
        if size is not None and len(data) != size:
            raise DamagedInTransit(f"{self._path(key)}: {len(data):,} of {size:,} bytes were read")
        return data

    def digest(self, key: str) -> Digest:
        self._requests.add("GetObject")
        path = self._path(key)
        with _translate_errors(path), open_file(path) as file:
            digest = hashlib.file_digest(file, "sha256")
            return Digest(digest.hexdigest(), file.tell())

    def put(self, key: str, data: bytes) -> None:
        self._requests.add("PutObject")
        with self._open_temporary(key, lambda file: file.write(data)) as (temporary, target):
            os.replace(temporary, target)

    def put_file(self, key: str, path: str | Path) -> None:
        self._requests.add("PutObject")
        with (
            open(path, "rb") as source,
            self._open_temporary(key, lambda file: shutil.copyfileobj(source, file)) as (temporary, target),
        ):
            os.replace(temporary, target)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._requests.add("PutObject")

        def write(file: BinaryIO) -> None:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # the promotion log must survive a power cut

        with self._open_temporary(key, write) as (temporary, target):
            try:
                os.link(temporary, target)  # unlike with O_EXCL, the target appears with its content
                return True
            except FileExistsError:
                return False

    def delete(self, key: str) -> None:
        self._requests.add("DeleteObject")
        path = self._path(key)
        with _translate_errors(path):
            path.unlink(missing_ok=True)

    def exists(self, key: str) -> bool:
        self._requests.add("HeadObject")
        return self._path(key).is_file()

    def list(self, prefix: str = "") -> Iterator[Listed]:
        found = [listed for page in self.pages(prefix) for listed in page]
        return iter(sorted(found, key=lambda listed: listed.key))

    def pages(self, prefix: str = "", markers: bool = False) -> Iterator[Page]:
        self._requests.add("ListObjectsV2")
        folder, _, start = prefix.rpartition("/")
        page: Page = []
        folder = folder + "/" if folder else ""
        for listed in self._walk(folder, start, self._ancestors(folder)):
            if not listed.file and not markers:
                continue
            page.append(listed)
            if len(page) == PAGE:
                yield page
                page = []
        if page:
            yield page

    def level(self, prefix: str = "", max_pages: int | None = None, markers: bool = False) -> Level:
        self._requests.add("ListObjectsV2")
        folder, _, start = prefix.rpartition("/")
        folder = folder + "/" if folder else ""
        if self._folder_id(folder) in self._ancestors(folder):
            return Level([], [])
        found = self._scan(folder, start)
        return Level([listed for listed in found.objects if listed.file or markers], found.prefixes)

    def last_written(self, prefix: str) -> datetime | None:
        times = [self._path(listed.key).stat().st_mtime for page in self.pages(prefix) for listed in page]
        return datetime.fromtimestamp(max(times), UTC) if times else None

    def discard_unfinished(self, before: datetime) -> int:
        count = 0
        for folder, _, names in os.walk(self._root):
            for name in names:
                path = Path(folder, name)
                with suppress(FileNotFoundError):
                    if name.startswith(TEMPORARY) and path.stat().st_mtime < before.timestamp():
                        with _translate_errors(path):
                            path.unlink(missing_ok=True)
                        count += 1
        return count

    def prefixes(self, prefix: str = "", delimiter: str = "/") -> Sequence[str]:
        if delimiter == "/":
            return self.level(prefix).prefixes
        names = (listed.key.removeprefix(prefix) for listed in self.list(prefix))
        heads = {name.partition(delimiter)[0] for name in names if delimiter in name}
        return sorted(prefix + head + delimiter for head in heads)

    def _path(self, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or key.startswith("/") or ".." in parts or "\0" in key:
            raise StorageError(
                f"{key!r} is not a valid key of {self.uri}: keys are relative and stay below the root"
            )
        return self._root.joinpath(*parts)

    def _read(self, key: str, max_bytes: int | None, etag: str | None) -> bytes:
        self._requests.add("GetObject")
        path = self._path(key)
        with _translate_errors(path), open_file(path) as file:
            found = os.fstat(file.fileno())
            if etag and etag != _etag(found):
                raise Changed(f"{path} changed since it was listed")
            if max_bytes is None:
                return file.read()
            if found.st_size > max_bytes:
                raise TooLarge(f"{path} has {found.st_size} bytes, more than {max_bytes}")
            data = file.read(max_bytes + 1)
            if len(data) > max_bytes:  # it grew while it was read
                raise TooLarge(f"{path} has more than {max_bytes} bytes")
            return data

    @contextmanager
    def _open_temporary(self, key: str, write: Callable[[BinaryIO], object]) -> Iterator[tuple[Path, Path]]:
        """Yield a temporary file filled by `write`, and the target. Removes the temporary file afterwards."""
        target = self._path(key)
        temporary = target.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
        with _translate_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with open(temporary, "xb") as file:
                    write(file)
                yield temporary, target
            finally:
                temporary.unlink(missing_ok=True)

    def _walk(self, folder: str, start: str, above: tuple[tuple[int, int], ...]) -> Iterator[Listed]:
        """Files below `folder` ('' or ending in '/'), in key order of each level. Cyclic links are not followed."""
        here = self._folder_id(folder)
        if here is None or here in above:
            return
        found = self._scan(folder, start)
        yield from found.objects
        for below in found.prefixes:
            yield from self._walk(below, "", (*above, here))

    def _ancestors(self, folder: str) -> tuple[_FolderId, ...]:
        """The ids of the folders from the root to `folder`, without itself."""
        parts = folder.split("/")[:-1]
        places = (self._folder_id("/".join(parts[:depth])) for depth in range(len(parts)))
        return tuple(place for place in places if place is not None)

    def _folder_id(self, folder: str) -> _FolderId | None:
        """The identity of a folder; None if it does not exist."""
        path = self._root / folder
        try:
            with _translate_errors(path):
                found = os.stat(path)
        except NotFound:
            return None
        return found.st_dev, found.st_ino

    def _scan(self, folder: str, start: str) -> Level:
        if ".." in folder.split("/"):
            raise StorageError(
                f"{folder!r} is not a valid prefix of {self.uri}: prefixes stay below the root"
            )
        objects: Page = []
        folders: list[str] = []
        path = self._root / folder
        try:
            with _translate_errors(path), os.scandir(path) as entries:
                for entry in entries:
                    if not entry.name.startswith(start) or entry.name.startswith(TEMPORARY):
                        continue
                    found = _stat(entry)
                    if found is None:  # deleted meanwhile
                        continue
                    if stat.S_ISDIR(found.st_mode):
                        folders.append(f"{folder}{entry.name}/")
                    else:
                        regular = stat.S_ISREG(found.st_mode)
                        size = found.st_size if regular else 0
                        objects.append(Listed(folder + entry.name, _etag(found), size, file=regular))
        except NotFound:  # an empty listing, as for a prefix without keys in a bucket
            pass
        return Level(sorted(objects, key=lambda listed: listed.key), sorted(folders))


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    """The stat of a link's target, or of the link itself if it is broken or a loop. None: deleted meanwhile."""
    try:
        return entry.stat()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


def _etag(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns:x}-{found.st_size:x}"


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"{path} does not exist") from error
    except IsADirectoryError as error:
        raise NotAFile(f"{path} is a folder, not a file: remove it") from error
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise StorageError(f"{str(path)!r} has an invalid character") from error
    except PermissionError as error:
        raise AccessDenied(
            f"{path}: {error.strerror}; change its permissions or the user that runs this"
        ) from error
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error
