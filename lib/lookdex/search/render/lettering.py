"""Text on a picture: measured, cut to fit, and legible in any alphabet."""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache

from PIL import ImageDraw, ImageFont

from lookdex.search.render.theme import RGB

Font = ImageFont.FreeTypeFont

# Pillow's own font has only the letters of English. Other letters need one of these fonts, if installed.
_SYSTEM_FONTS = (
    "NotoSans-Regular.ttf", "DejaVuSans.ttf", "LiberationSans-Regular.ttf", "arial.ttf", "Arial.ttf",
    "NotoSansCJK-Regular.ttc", "NotoSansKR-Regular.otf", "NanumGothic.ttf", "malgun.ttf", "AppleSDGothicNeo.ttc",
    "PingFang.ttc", "msyh.ttc", "Arial Unicode.ttf",
)  # fmt: skip
_PLAIN = str.maketrans(
    {"×": "x", "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "€": "EUR ", "£": "GBP "}
)
_SPACES = str.maketrans({"\n": " ", "\r": " ", "\t": " ", "\u00a0": " "})


@cache
def font(size: int, name: str | None = None) -> Font:
    """Pillow's own font, or the installed font of that name. Raises OSError if there is none."""
    found = ImageFont.load_default(size) if name is None else ImageFont.truetype(name, size)
    assert isinstance(found, ImageFont.FreeTypeFont)
    return found


@lru_cache(maxsize=4096)
def setting(text: str, size: int) -> tuple[str, Font]:
    """The text, and a font with all its letters. Letters that no font has become plainer ones or are dropped."""
    text = "".join(c for c in text.translate(_SPACES) if unicodedata.category(c)[0] != "C")
    for name in (None, *_SYSTEM_FONTS):
        try:
            candidate = font(size, name)
        except OSError:
            continue
        if all(_has(name, c) for c in text):
            return text, candidate
    folded = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    return " ".join("".join(c for c in folded if _has(None, c)).split()), font(size)


@lru_cache(maxsize=8192)
def _has(name: str | None, letter: str) -> bool:
    """Whether the font has the letter: it draws all that it lacks as the same box."""
    probe = font(20, name)
    return letter.isspace() or bytes(probe.getmask(letter)) != bytes(probe.getmask("\U0010ffff"))


def width(text: str, size: int) -> float:
    text, face = setting(text, size)
    return face.getlength(text)


def shorten(text: str, size: int, room: float) -> str:
    """As much of the text as fits, with an ellipsis if it is cut."""
    if width(text, size) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width(text[:middle].rstrip() + "…", size) <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…"


def wrap(text: str, size: int, room: float, lines: int) -> list[str]:
    """At most `lines` lines, broken between words, or within a word longer than a line; then an ellipsis."""
    rest, done = text.split(), list[str]()
    while rest and len(done) < lines - 1:
        count = 1
        while count < len(rest) and width(" ".join(rest[: count + 1]), size) <= room:
            count += 1
        line, rest = " ".join(rest[:count]), rest[count:]
        if width(line, size) > room:
            kept = max(1, len(shorten(line, size, room)) - 1)
            line, rest = line[:kept], [line[kept:], *rest]
        done.append(line)
    return [*done, shorten(" ".join(rest), size, room)] if rest else done


def write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size: int,
    fill: RGB,
    *,
    anchor: str = "ls",
    weight: float = 0.0,
) -> None:
    """Draw one line. anchor: which point of it is `at` (Pillow's: 'ls' is the left end of the baseline). weight: width
    of an outline in pixels, for bold letters.
    """
    text, face = setting(text, size)
    draw.text(at, text, font=face, fill=fill, anchor=anchor, stroke_width=weight, stroke_fill=fill)
