"""Detect the encoding of a text file: by its byte order mark, by valid UTF-8, or by a careful guess.

The guess is made by charset-normalizer, between the two non-Unicode encodings in which shops export CSV files: CP949 (a
superset of EUC-KR) and CP1252. For two-line files it mistakes other encodings for these, so a guess is accepted only if
the text looks plausible: mostly common Hangul, or single accents among plain letters. Otherwise the file is refused,
because a wrong guess would publish wrong text. Of 217 files of one to eight titles in these two encodings, 210 were
read, 7 refused and none misread. Misread were 12 of 187 files in Mac Roman and CP850, whose characters also exist in
CP1252, and 8 of 54 in GB18030, all of one or two titles.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from lookdex.errors import ConfigError
from lookdex.runtime.extras import extras
from lookdex.runtime.wording import pluralize

_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NOT_OF_FILES = ("undefined", "idna", "punycode", "unicode_escape", "raw-unicode-escape", "unicode-escape")
_HEAD = 65_536  # bytes in which a header is looked for
_SAMPLE = 65_536  # bytes of non-ASCII lines to guess from
_GUESSES = ["cp949", "cp1252"]
_HANGUL = 0.7  # minimum share of common letters in Korean text; for Chinese read as Korean it is about 0.4
_HIGH = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ\xa0-¿"  # 0x80 to 0xBF as CP1252
# Sequences that do not occur in CP1252 text, but in text of other encodings read as CP1252.
_FOREIGN = re.compile(
    "|".join(
        (
            "[^\x00-\x7f„“”‚‘’«»‹›…–—€£¥§®™©°²³¹½¼¾·•×±µ¿¡\xa0]{4,}",  # runs of accented letters
            "[¯¨¸¬¤¦ÐÝÞðýþŠšŽž]",  # in place of Turkish and Czech letters (this also refuses Icelandic)
            r"[¹³][^\W\d_]|[^\W\d_]¿",  # in place of Polish letters
            r"õ(?!e)|Õ(?!E)|[yY]û|[^\W\ddmrDMR_]û\b",  # of Hungarian letters; Portuguese has õe, French dû
            # In place of letters of Mac Roman and the code pages 437 and 850: symbols where none belongs.
            r"[ƒˆ˜]|[^\W\d_][‚„†‡‰‹•“”›¢£¥§¡][^\W\d_]|[†‡][^\W\d_]|[^\W\d_][†‡]|€[a-zß-ÿ]|\d ?Û|\dæ|äes\b",
            "[a-zß-öø-ÿ](?:[–—][a-zß-öø-ÿ]|[À-ÖØ-ÞŸŒ])|Ÿ[a-zß-öø-ÿ]|œ(?![uidctsn])|Œ(?![UIDCTSNuidctsn])",
            r"[¼½¾][^\W\d_]",  # in place of œ in Latin-9
            f"(?:[ÂÃ]|í[\xa0-¿])[{_HIGH}]|â€",  # UTF-8
        )
    )
)
# Letters of Mac Roman and other encodings look like quotes that open but never close.
_QUOTES = {"„": "“”", "‚": "‘’", "«": "»", "‹": "›"}
# Romanian ă is read as ã, but without these letters of Portuguese.
_TILDE = re.compile("ã(?![oei])")
_PORTUGUESE = re.compile("[çáéóÇÁÉÓ]|ão|õe|ÃO|ÕE")
_KOREAN_RUNS = re.compile(rb"[\x80-\xff]+([\x00-\x7f]|\Z)")
_KOREAN_RUN = re.compile(rb"(?:[\xb0-\xc8][\xa1-\xfe])+")
# Parts of a Hangul syllable, by their Unicode index: vowels of rare syllables only, and common final consonants.
_RARE_VOWELS = frozenset((2, 3, 7, 9, 10, 12, 14, 15, 16, 17))
_NO_CONSONANT = 11  # 원 and 와 are frequent
_COMMON_ENDS = frozenset((0, 1, 4, 8, 16, 17, 19, 21))


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded file. guess: a line that shows whether a guessed encoding is right; '' if it was not guessed."""

    text: str
    encoding: str
    guess: str = ""


def decode(data: bytes, uri: str, word: str, encoding: str = "", flag: str = "") -> Decoded:
    """Decode a file, without its byte order mark.

    word: an ASCII word in the first lines, which identifies UTF-16 without a mark. encoding: Python's name; '' detects
    it. flag: the option that sets it, for error messages; '' if there is none.

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
    with extras():
        from charset_normalizer import from_bytes
    sample = _telling_lines(data)
    best = from_bytes(sample, cp_isolation=_GUESSES).best()
    if best is not None and _looks_right(
        text := sample.decode(best.encoding, "replace"), best.encoding, sample
    ):
        return Decoded(_strict(data, uri, best.encoding, flag), best.encoding, _telling_line(text))
    other = from_bytes(sample).best()
    hint = f" (perhaps {other.encoding})" if other is not None else ""
    raise ConfigError(
        f"{uri} is neither UTF-8 nor UTF-16, and its encoding cannot be determined{hint}. Save it as UTF-8, {remedy}"
    )


def _known(encoding: str, flag: str) -> str:
    try:
        info = codecs.lookup(encoding)
    except (LookupError, ValueError) as error:
        raise ConfigError(
            f"{flag}: there is no encoding {encoding!r}; some are utf-8, utf-16, cp949, cp1252, shift_jis, gb18030"
        ) from error
    if not info._is_text_encoding or info.name in _NOT_OF_FILES:
        raise ConfigError(
            f"{flag}: {encoding!r} is not a text encoding; some are utf-8, utf-16, cp949, cp1252"
        )
    return info.name


def _strict(data: bytes, uri: str, encoding: str, flag: str) -> str:
    try:
        return data.decode(encoding).lstrip("\ufeff")  # some exports have two marks
    except UnicodeDecodeError as error:
        wrong = data[error.start : error.start + 1].hex()
        remedy = f"Save it as UTF-8, or name its encoding with {flag}" if flag else "Save it as UTF-8"
        raise ConfigError(
            f"{uri} is not valid {encoding}: line {_line_of(data, error.start)} has an invalid byte 0x{wrong}. "
            f"{remedy}"
        ) from error


def _check_no_broken_utf8(data: bytes, uri: str, error: UnicodeDecodeError, remedy: str) -> None:
    """Raise when the bytes are UTF-8 except for a few: in another encoding all the rest would be wrong."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    others = len(text) - len(text.encode("ascii", "ignore"))
    if others - broken > broken:
        raise ConfigError(
            f"{uri} is UTF-8 except in {pluralize(broken, 'place')}, first in line {_line_of(data, error.start)}. Save "
            f"it again as UTF-8, {remedy}"
        )


def _line_of(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _telling_lines(data: bytes) -> bytes:
    """A small file as it is; of a large one, non-ASCII lines spread over the file."""
    if len(data) <= _SAMPLE:
        return data
    lines = [line for line in data.splitlines() if not line.isascii()]
    step = max(1, sum(map(len, lines)) // _SAMPLE)
    return b"\n".join(lines[::step])[:_SAMPLE]


def _telling_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if not line.isascii()), "")


def _looks_right(text: str, encoding: str, data: bytes) -> bool:
    if encoding == "cp1252":
        closed = all(text.count(sign) <= sum(map(text.count, closing)) for sign, closing in _QUOTES.items())
        romanian = _TILDE.search(text) is not None and _PORTUGUESE.search(text) is None
        return closed and not romanian and _FOREIGN.search(text) is None and not _may_be_korean(data)
    letters = [sign for sign in text if not sign.isascii() and sign.isalpha()]
    return bool(letters) and sum(map(_is_common, letters)) >= _HANGUL * len(letters)


def _may_be_korean(data: bytes) -> bool:
    """Whether all non-ASCII runs are syllables of EUC-KR, at least one at the end of a word. Some look Western."""
    runs = [(run[0].removesuffix(run[1]), run[1]) for run in _KOREAN_RUNS.finditer(data)]
    return all(_KOREAN_RUN.fullmatch(run) for run, _ in runs) and any(not end.isalpha() for _, end in runs)


def _is_common(letter: str) -> bool:
    """Whether a letter is one of the 2,350 syllables of EUC-KR (others take 8 bytes) with a common vowel and final.

    This holds for about 97 % of the letters of Korean text, and 62 % of those of Chinese read as Korean.
    """
    if not "가" <= letter <= "힣" or len(letter.encode("euc_kr", "ignore")) != 2:
        return False
    first, rest = divmod(ord(letter) - ord("가"), 588)
    vowel, end = divmod(rest, 28)
    return end in _COMMON_ENDS and (vowel not in _RARE_VOWELS or first == _NO_CONSONANT)
