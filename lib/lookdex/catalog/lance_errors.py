"""Translate Lance's errors: a damaged table is `CorruptData`, an unreachable store `Unavailable`, and so on.

Lance raises ValueError, OSError, RuntimeError or a panic, which pyarrow and DuckDB may wrap. Only the message tells a
flipped bit from a broken connection. All code that reads or writes a table runs inside `convert_errors`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from lookdex.errors import AccessDenied, CorruptData, LookdexError, NotFound, StorageError, Unavailable

_FILE = re.compile(r"(?:data|_versions|_indices|_deletions|_transactions|_refs)/[\w./=-]*\w")
_SOURCE = re.compile(r",? ?(?:/[\w.-]+)*/[\w.-]+\.rs:\d+(?::\d+)?")  # locations in Lance's source
_LAYERS = re.compile(r"(?:LanceError\(\w+\)|External error|Generic [\w/]+ error|Wrapped error): ")
_DENIED = re.compile(
    r"access ?denied|permission denied|unauthori[sz]ed|forbidden|status:? (?:code:? )?40[13]|invalidaccesskey"
    r"|expiredtoken|signaturedoesnotmatch|credential",
    re.IGNORECASE,
)
_AWAY = re.compile(
    r"timed? ?out|connection|connect error|error sending request|slow ?down|throttl|dns error"
    r"|status:? (?:code:? )?(?:50[0234]|429)",
    re.IGNORECASE,
)
_FULL = re.compile(r"no space left|disk quota|read-only file system", re.IGNORECASE)
_GONE = re.compile(r"not found|no such file|does not exist|nosuchkey", re.IGNORECASE)
_LIBRARIES = ("duckdb", "_duckdb", "pyarrow", "lance", "pyo3_runtime")  # with their own exceptions
_LANCES = re.compile(r"\.rs:\d+|LanceError|panicked")


@contextmanager
def convert_errors(table: str, remedy: str = "", *, lance_only: bool = False) -> Iterator[None]:
    """Raise errors of Lance, pyarrow or DuckDB as a LookdexError.

    table: what is read, for the message. lance_only: translate only errors that are clearly Lance's, for blocks that
    run a whole stage.

    Raises CorruptData, NotFound (a file of the table is missing), AccessDenied, Unavailable, StorageError.
    """
    try:
        yield
    except BaseException as error:
        typed = to_lookdex_error(error, table, remedy, lance_only=lance_only)
        if typed is None:
            raise
        raise typed from error


def to_lookdex_error(
    error: BaseException, table: str, remedy: str = "", *, lance_only: bool = False
) -> LookdexError | None:
    """A Lance error as a LookdexError; None for other errors and for a LookdexError."""
    library = type(error).__module__.partition(".")[0] in _LIBRARIES  # a panic is not an Exception
    likely = library or isinstance(error, OSError | ValueError | RuntimeError)
    if isinstance(error, LookdexError) or not likely:
        return None
    if lance_only and not (type(error).__name__ == "PanicException" or _LANCES.search(str(error))):
        return None
    text = one_line(error)
    file = _FILE.search(str(error))
    where = f"{table} ({file[0]})" if file else table
    if _FULL.search(text):
        return StorageError(f"{where}: {text}. Free some space, then try again.")
    if _DENIED.search(text):
        return AccessDenied(f"{where}: {text}. Check the credentials and their permissions.")
    if isinstance(error, TimeoutError) or _AWAY.search(text):
        return Unavailable(f"{where}: {text}. Try again later.")
    cure = remedy or "Go back to an intact release: `lookdex rollback`."
    if _GONE.search(text):
        return NotFound(f"{where}: {text}. A file of the table is missing. {cure}")
    return CorruptData(f"{where} cannot be read: {text}. {cure}")


def names_file(text: str) -> bool:
    """Whether an error message names a file of a table, which is then to blame."""
    return bool(_FILE.search(text))


def one_line(error: BaseException) -> str:
    """The error message in one line, without locations in Lance's source and the names of its layers."""
    text = " ".join(_LAYERS.sub("", _SOURCE.sub("", str(error))).split()) or type(error).__name__
    return text[:400].rstrip(". ")
