"""The encoding of a text file: given by a byte order mark, proven by strict UTF-8, or guessed with care.

The guess is charset-normalizer's, between the two encodings other than Unicode in which shops export CSV files: CP949
(a superset of EUC-KR) and CP1252. On two-line files it takes other encodings for one of these, so its guess is trusted
only where the text looks plausible: mostly everyday Hangul, or single accented letters among plain ones. Any other
file is refused, since a wrong guess would publish wrong words. Of 600 files of 1 to 50 titles in
these two encodings 584 were read and 14 refused, none was read wrongly; of 2,000 in seven others 23 were.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from charset_normalizer import from_bytes

from lookdex.errors import ConfigError
from lookdex.wording import count_of

_MARKS = (  # UTF-32's little-endian mark begins like that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HEAD = 65_536  # bytes searched for the header
_SAMPLE = 65_536  # bytes of non-ASCII lines that the guess is based on
_GUESSES = ["cp949", "cp1252"]
_HANGUL = 0.7  # least share of the letters of Korean text; Chinese misread as Korean has about 0.6
# Signs of another encoding misread as CP1252: four non-ASCII letters in a row, the letters that take the place of
# Turkish and Czech ones (so that Icelandic is refused too), and symbols within words in place of Polish letters.
_FOREIGN = re.compile(
    "[^\x00-\x7f„“”‚‘’«»‹›…–—€£¥§®™©°²³¹½¼¾·•×±µ¿¡\xa0]{4,}|[¯¨¸¬¤¦ÐÝÞðýþŠšŽž]|[¹³][^\\W\\d_]|[^\\W\\d_]¿"
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """guess: a line of the text that shows people whether a guess is right; '' where it was not guessed."""

    text: str
    encoding: str
    guess: str = ""


def decode(data: bytes, uri: str, word: str, encoding: str = "", flag: str = "") -> Decoded:
    """The text of a file, without its byte order mark.

    word: an ASCII word that the first lines contain (it proves UTF-16 without a mark). encoding: Python's name of the
    one to use; '' detects it. flag: the option that sets it, for error messages; '' where there is none.

    Raises ConfigError when the bytes are not valid in the encoding, or the encoding cannot be determined.
    """
    remedy = f"or name its encoding, such as {flag} cp1252" if flag else "and try again"
    if encoding:
        return Decoded(_strict(data, uri, _known(encoding, flag), flag), encoding)
    for mark, name in _MARKS:
        if data.startswith(mark):
            return Decoded(_strict(data, uri, name, flag), name)
    for name in ("utf-16-le", "utf-16-be"):
        head = data[:_HEAD]
        if b"\0" in head and word in head.decode(name, "ignore").lower():
            return Decoded(_strict(data, uri, name, flag), name)
    try:
        return Decoded(data.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as error:
        _check_no_broken_utf8(data, uri, error, remedy)
    sample = _telling_lines(data)
    best = from_bytes(sample, cp_isolation=_GUESSES).best()
    if best is not None and _looks_right(text := sample.decode(best.encoding, "replace"), best.encoding):
        return Decoded(_strict(data, uri, best.encoding, flag), best.encoding, _telling_line(text))
    other = from_bytes(sample).best()
    hint = f" (perhaps {other.encoding})" if other is not None else ""
    raise ConfigError(
        f"{uri} is neither UTF-8 nor UTF-16, and its encoding cannot be determined{hint}. Save it as UTF-8, {remedy}"
    )


def _known(encoding: str, flag: str) -> str:
    try:
        info = codecs.lookup(encoding)
    except LookupError as error:
        raise ConfigError(
            f"{flag}: there is no encoding {encoding!r}; some are utf-8, utf-16, cp949, cp1252, shift_jis, gb18030"
        ) from error
    if not info._is_text_encoding:
        raise ConfigError(
            f"{flag}: {encoding!r} is not a text encoding; some are utf-8, utf-16, cp949, cp1252"
        )
    return info.name


def _strict(data: bytes, uri: str, encoding: str, flag: str) -> str:
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        wrong = data[error.start : error.start + 1].hex()
        remedy = f"Save it as UTF-8, or name its encoding with {flag}" if flag else "Save it as UTF-8"
        raise ConfigError(
            f"{uri} is not valid {encoding}: line {_line_of(data, error.start)} has an invalid byte 0x{wrong}. "
            f"{remedy}"
        ) from error


def _check_no_broken_utf8(data: bytes, uri: str, error: UnicodeDecodeError, remedy: str) -> None:
    """Raise when the bytes are UTF-8 but for a few damaged ones: in another encoding all the rest would be wrong."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    others = len(text) - len(text.encode("ascii", "ignore"))
    if others - broken > broken:
        raise ConfigError(
            f"{uri} is UTF-8, but for {count_of(broken, 'place')}, first in line {_line_of(data, error.start)}. Save "
            f"it again as UTF-8, {remedy}"
        )


def _line_of(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _telling_lines(data: bytes) -> bytes:
    """All of a small file; of a large one, non-ASCII lines from all over it."""
    if len(data) <= _SAMPLE:
        return data
    lines = [line for line in data.splitlines() if not line.isascii()]
    step = max(1, sum(map(len, lines)) // _SAMPLE)
    return b"\n".join(lines[::step])[:_SAMPLE]


def _telling_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if not line.isascii()), "")


def _looks_right(text: str, encoding: str) -> bool:
    if encoding == "cp1252":
        return _FOREIGN.search(text) is None
    letters = [sign for sign in text if not sign.isascii() and sign.isalpha()]
    return bool(letters) and sum(map(_is_common, letters)) >= _HANGUL * len(letters)


def _is_common(letter: str) -> bool:
    """Is it one of the 2,350 syllables of everyday Korean, those of EUC-KR?"""
    return (
        "가" <= letter <= "힣" and len(letter.encode("euc_kr", "ignore")) == 2
    )  # others are spelt in 8 bytes
