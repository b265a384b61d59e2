"""Text on a picture: measured, cut to fit, and legible whatever its alphabet."""

from __future__ import annotations

import unicodedata
from functools import cache, lru_cache

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont
RGB = tuple[int, int, int]

# Pillow's own font has the letters of English only; for others a font of the machine is used where there is one.
_OTHERS = (
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
    """Pillow's own font, or the machine's font of that name (OSError when there is none)."""
    found = ImageFont.load_default(size) if name is None else ImageFont.truetype(name, size)
    assert isinstance(found, ImageFont.FreeTypeFont)
    return found


@lru_cache(maxsize=4096)
def setting(text: str, size: int) -> tuple[str, Font]:
    """The text and a font that has all its letters; letters that no font has are left out or written plainer."""
    text = "".join(c for c in text.translate(_SPACES) if unicodedata.category(c)[0] != "C")
    for name in (None, *_OTHERS):
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
    """A font draws letters that it lacks as one and the same box."""
    probe = font(20, name)
    return letter.isspace() or bytes(probe.getmask(letter)) != bytes(probe.getmask("\U0010ffff"))


def width(text: str, size: int) -> float:
    text, face = setting(text, size)
    return face.getlength(text)


def shorten(text: str, size: int, room: float) -> str:
    """As much of the text as fits, with an ellipsis where it was cut."""
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
    """At most `lines` lines, broken between words (within one that is longer than a line); then an ellipsis."""
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
    """Draw one line; `at` is where `anchor` (Pillow's, 'ls': left end of the baseline) lies. weight: extra pixels."""
    text, face = setting(text, size)
    draw.text(at, text, font=face, fill=fill, anchor=anchor, stroke_width=weight, stroke_fill=fill)
