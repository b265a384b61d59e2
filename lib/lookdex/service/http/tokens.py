"""Bearer tokens: random, stored as SHA-256 only, compared in constant time.

A token has 256 random bits and cannot be guessed, so a fast hash is enough. The file (or the setting itself) has one
line per token, with its name and hash:

    storefront sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from lookdex.errors import ConfigError

_LINE = re.compile(r"([A-Za-z0-9][\w.-]{0,63})\s+sha256:([0-9a-f]{64})")
_CHECK_SECONDS = 2.0  # between checks of the file
logger = logging.getLogger("lookdex.service")


def new_token(name: str) -> tuple[str, str]:
    """Create a token and its line for the tokens file. Raises ConfigError for an invalid name."""
    token = f"ldx_{secrets.token_urlsafe(32)}"
    line = f"{name} sha256:{_digest(token)}"
    if not _LINE.fullmatch(line):
        raise ConfigError(f"{name!r} is not a valid token name: use letters, digits, '.', '_' and '-'")
    return token, line


class Tokens:
    """The accepted tokens. Thread-safe. Reloads the file when it changes.

    If the changed file is unreadable or has no token, the tokens stay as they are and the log says so.

    source: a file, or the lines themselves, separated by commas or newlines. Empty: no token is needed.

    Raises ConfigError: the file cannot be read, or a line is malformed.
    """

    def __init__(self, source: str) -> None:
        lines = "sha256:" in source
        self._file = Path(source) if source and not lines else None
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._next_check, self._trouble = 0.0, ""
        self._digests = _parse(source, "the setting tokens") if lines else {}
        if self._file is not None:
            self._read(self._file)

    @property
    def needed(self) -> bool:
        return bool(self._digests) or self._file is not None

    def find_name(self, authorizations: Sequence[str]) -> str | None:
        """The name of the accepted token in the only Authorization header, or None."""
        scheme, _, token = (authorizations[0] if len(authorizations) == 1 else "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        self._reload()
        digest, found = _digest(token.strip()), None
        for name, known in self._digests.items():  # always compares all, so that the time reveals nothing
            if hmac.compare_digest(digest, known):
                found = name
        return found

    def _reload(self) -> None:
        if (
            self._file is None
            or time.monotonic() < self._next_check
            or not self._lock.acquire(blocking=False)
        ):
            return
        try:
            self._read(self._file)
            self._trouble = ""
        except ConfigError as error:  # half-written or gone for a moment: keep the known tokens
            if str(error) != self._trouble:
                logger.warning("keeping the tokens loaded before: %s", error)
            self._trouble = str(error)
        finally:
            self._lock.release()

    def _read(self, file: Path) -> None:
        self._next_check = time.monotonic() + _CHECK_SECONDS
        try:
            stat = file.stat()
            if (stat.st_mtime_ns, stat.st_size) == self._seen:
                return
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"cannot read the tokens in {file} ({error}); `lookdex token NAME` makes one"
            ) from error
        self._digests = _parse(text, str(file))
        self._seen = (stat.st_mtime_ns, stat.st_size)


def _parse(text: str, where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in (line.strip() for line in lines.replace(",", "\n").splitlines()):
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None or match[1] in found:
            why = "two lines have the same name" if match else "a line is not `name sha256:<64 hex digits>`"
            raise ConfigError(f"{where}: {why}; `lookdex token NAME` makes one")
        found[match[1]] = match[2]
    if not found:
        raise ConfigError(f"{where} contains no token. `lookdex token NAME` makes one")
    return found


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
