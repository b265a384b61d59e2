"""An answer with its pictures in a terminal: by its own protocol for pictures (kitty's, sixel), else half blocks.

The terminal is asked what it can when textual_image is first imported; nothing is asked, and nothing but text written,
where the output is no terminal.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from lookdex.search.answer.answer import Answer, FoundObject, Match
from lookdex.search.answer.text import OTHERS, facet_lines, look_line, names, release_line

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

MIN_COLUMNS = 48  # a narrower terminal gets the table
MARGIN = 2


class Wish(StrEnum):
    AUTO = "auto"
    KITTY = "kitty"
    SIXEL = "sixel"
    BLOCKS = "blocks"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Drawing:
    """How pictures are drawn: textual_image's renderable, and a picture's width and height in cells."""

    renderable: Any
    cells: tuple[int, int]
    true_colour: bool = False  # kitty's placeholders carry a picture's number in their colour


# Half blocks have two pixels a cell: smaller ones show nothing.
_CELLS = {Wish.KITTY: (16, 8), Wish.SIXEL: (16, 8), Wish.BLOCKS: (24, 12)}


def drawing(wish: Wish, environment: Mapping[str, str] = os.environ) -> Drawing | None:
    """How to draw on this process's terminal; None where there is none, it can show no pictures, or none are wanted.

    iTerm2 and others that have a protocol of their own beside sixel are asked by sixel.
    """
    if wish is Wish.NONE or not (_is_terminal(sys.__stdin__) and _is_terminal(sys.__stdout__)):
        return None  # the answer to the question what it can comes by the standard input
    if wish is Wish.AUTO and (environment.get("NO_COLOR") or environment.get("TERM", "dumb") == "dumb"):
        return None
    if os.get_terminal_size(sys.__stdout__.fileno()).columns == 0:  # type: ignore[union-attr]
        return None  # a terminal without a size, as some programs give to those that they run
    # It warns with a traceback of a terminal that answers no question, and then does without the answer.
    logging.getLogger("textual_image").setLevel(logging.ERROR)
    from textual_image import renderable

    classes = {
        Wish.KITTY: renderable.TGPImage,
        Wish.SIXEL: renderable.SixelImage,
        Wish.BLOCKS: renderable.HalfcellImage,
    }
    if wish is Wish.AUTO:
        wish = next((known for known, own in classes.items() if own is renderable.Image), Wish.BLOCKS)
        if wish is Wish.KITTY:
            try:
                wish = Wish.BLOCKS if _old_kitty() else wish
            except _CHANGED:
                return None  # what kitty would make of a picture is not known
    return Drawing(classes[wish], _CELLS[wish], true_colour=wish is Wish.KITTY)


# textual_image shares its way of asking a terminal with nobody officially: another version may lack it.
_CHANGED = (ImportError, AttributeError, TypeError)


def _old_kitty() -> bool:
    """A kitty before 0.28, which knows the protocol but not the placeholders that pictures in a table need.

    Raises one of `_CHANGED` where the installed textual_image cannot ask.
    """
    from textual_image._terminal import TerminalError, capture_terminal_response

    terminal = sys.__stdout__
    assert terminal is not None
    try:
        with capture_terminal_response("\x1bP>|", "\x1b\\", 0.1) as response:
            terminal.write("\x1b[>q")  # XTVERSION
            terminal.flush()
    except (TerminalError, TimeoutError):
        return False
    version = re.search(r"kitty\((\d+)\.(\d+)", response.sequence)
    return version is not None and (int(version[1]), int(version[2])) < (0, 28)


def _is_terminal(stream: Any) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def show(answer: Answer, how: Drawing, crops: Mapping[str, bytes] | None = None) -> None:
    """Print the answer on the terminal: a row of pictures for each lane, what was asked with first.

    crops: JPEG by item id, for an answer that was asked for without them.
    """
    from rich.console import Console
    from rich.text import Text

    width = shutil.get_terminal_size((120, 24)).columns
    console = Console(
        file=sys.__stdout__,
        width=width,
        highlight=False,
        color_system="truecolor" if how.true_colour else "auto",
    )
    if answer.no_object:
        console.print("No object found: the whole photo answers.")
    for lane, name in zip((*answer.lanes, *answer.goes_with), names(answer), strict=True):
        _lane(console, lane, name, how, crops or {}, width)
    if answer.look is not None and answer.look.pieces:
        console.print(Text(look_line(answer.look)))
    for line in facet_lines(answer):
        console.print(Text(line))
    console.print(Text(release_line(answer)), style="dim")


def fits(how: Drawing | None) -> bool:
    """The terminal is wide enough for pictures beside each other."""
    return how is not None and shutil.get_terminal_size((120, 24)).columns >= max(
        MIN_COLUMNS, 2 * (how.cells[0] + MARGIN)
    )


def _lane(
    console: Console, lane: FoundObject, name: str, how: Drawing, crops: Mapping[str, bytes], width: int
) -> None:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    console.print(Text(name, style="bold"))
    if not lane.matches:
        console.print("no product fits\n", style="dim")
        return
    wide = how.cells[0]
    cells = [Group(_picture(lane.crop, how), Text("asked with", style="dim"))] if lane.crop else []
    cells += [
        Group(_picture(match.crop or crops.get(match.item_id), how), *_caption(console, match, wide))
        for match in lane.matches
    ]
    columns = max(1, width // (wide + MARGIN))
    for start in range(0, len(cells), columns):
        row = cells[start : start + columns]
        grid = Table.grid(padding=(0, MARGIN, 0, 0))
        for _ in row:
            grid.add_column(width=wide, no_wrap=True, overflow="ellipsis")
        grid.add_row(*row)
        console.print(grid)
        console.print()


def _picture(crop: bytes | None, how: Drawing) -> RenderableType:
    """A square picture of the stored crop; where it cannot be read, room for one."""
    from lookdex.search.render.sheet import paint

    wide, high = how.cells
    picture = paint.read(crop)
    if picture is None:
        return "\n" * (high - 1)
    shown: RenderableType = how.renderable(paint.fitted(picture, (256, 256)), width=wide, height=high)
    return shown


def _caption(console: Console, match: Match, wide: int) -> list[RenderableType]:
    """Title (two lines at most), price, how near."""
    from rich.text import Text

    from lookdex.search.render.sheet import words

    title, price = words(match)
    lines = list(Text(title).wrap(console, wide))
    if len(lines) > 2:
        lines[1] = Text(f"{lines[1].plain.rstrip()} {lines[2].plain}")  # too long: cut with an ellipsis
    weak = match.good is False
    other = "" if match.other is None else OTHERS[match.other].removesuffix("s:")
    nearness = f"{match.rank}  {match.similarity:.3f}{' – weak' if weak else ''}"
    told = [
        *lines[:2],
        Text(other, style="dim"),
        Text(price, style="dim"),
        Text(nearness, style="yellow" if weak else "green"),
    ]
    return [line for line in told if line.plain]
