"""Bearer tokens: random, kept as SHA-256 only, compared in constant time.

A token has 256 random bits, so a fast hash is enough: there is nothing to guess. The file (or the setting itself) has
a line for each, its name and its hash:

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
_LOOK_SECONDS = 2.0  # between looks at the file
logger = logging.getLogger("lookdex.service")


def new_token(name: str) -> tuple[str, str]:
    """A fresh token, and the line that lets it in. Raises ConfigError for a name that does not fit on a line."""
    token = f"ldx_{secrets.token_urlsafe(32)}"
    line = f"{name} sha256:{_digest(token)}"
    if not _LINE.fullmatch(line):
        raise ConfigError(f"{name!r} is no name for a token: use letters, digits, '.', '_' and '-'")
    return token, line


class Tokens:
    """Who may ask. Safe among threads; a changed file counts from the next look at it on.

    A file that then cannot be read, or lets nobody in, changes nothing, and the log says so.

    source: a file, or the lines themselves, separated by commas or new lines; empty: everyone may ask.

    Raises ConfigError: the file cannot be read, or a line is none.
    """

    def __init__(self, source: str):
        lines = "sha256:" in source
        self._file = Path(source) if source and not lines else None
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._next_look, self._trouble = 0.0, ""
        self._digests = _parse(source, "the setting tokens") if lines else {}
        if self._file is not None:
            self._read(self._file)

    @property
    def needed(self) -> bool:
        return bool(self._digests) or self._file is not None

    def name_of(self, authorizations: Sequence[str]) -> str | None:
        """Whose token the Authorization header has. None: there is no header, or more than one, or an unknown token."""
        scheme, _, token = (authorizations[0] if len(authorizations) == 1 else "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        self._look()
        digest, found = _digest(token.strip()), None
        for name, known in self._digests.items():  # all of them, whichever fits: the time tells nothing
            if hmac.compare_digest(digest, known):
                found = name
        return found

    def _look(self) -> None:
        if self._file is None or time.monotonic() < self._next_look or not self._lock.acquire(blocking=False):
            return
        try:
            self._read(self._file)
            self._trouble = ""
        except ConfigError as error:  # half-written, or gone for a moment: those known stay
            if str(error) != self._trouble:
                logger.warning("still letting in the tokens known before: %s", error)
            self._trouble = str(error)
        finally:
            self._lock.release()

    def _read(self, file: Path) -> None:
        self._next_look = time.monotonic() + _LOOK_SECONDS
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
    told = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in (line.strip() for line in told.replace(",", "\n").splitlines()):
        if not line:
            continue
        match = _LINE.fullmatch(line)
        if match is None or match[1] in found:
            why = "two lines have the same name" if match else "a line is no `name sha256:<64 hex digits>`"
            raise ConfigError(f"{where}: {why}; `lookdex token NAME` makes one")
        found[match[1]] = match[2]
    if not found:
        raise ConfigError(f"{where} holds no token: nobody could ask. `lookdex token NAME` makes one")
    return found


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
