"""An answer with its pictures in a terminal: in the terminal's own protocol (kitty's, sixel), or as half blocks.

textual_image asks the terminal for its abilities when it is first imported. If the output is no terminal, nothing is
asked and only text is printed.
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

from lookdex.search.answer.answer import Answer
from lookdex.search.answer.lanes import FoundObject, Match
from lookdex.search.answer.text import NO_MATCH, NO_OBJECT, OTHER_NAMES, headings
from lookdex.search.render import paint
from lookdex.search.render.captions import product_caption

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

MIN_COLUMNS = 48  # a narrower terminal gets the table
MARGIN = 2


class ThumbnailMode(StrEnum):
    AUTO = "auto"
    KITTY = "kitty"
    SIXEL = "sixel"
    BLOCKS = "blocks"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Renderer:
    """textual_image's class for a picture, and a picture's width and height in cells."""

    renderable: Any
    cells: tuple[int, int]
    true_colour: bool = False  # kitty's placeholders encode a picture's number in their colour


# A half block is two pixels, so these pictures need more cells.
_CELLS = {ThumbnailMode.KITTY: (16, 8), ThumbnailMode.SIXEL: (16, 8), ThumbnailMode.BLOCKS: (24, 12)}


def choose_renderer(mode: ThumbnailMode, environment: Mapping[str, str] = os.environ) -> Renderer | None:
    """Choose how to draw on this process's terminal. None without a terminal, if it is too narrow or cannot show
    pictures, or if none are wanted.

    Terminals with a protocol of their own besides sixel, such as iTerm2, get sixel.
    """
    if mode is ThumbnailMode.NONE or not (_is_terminal(sys.__stdin__) and _is_terminal(sys.__stdout__)):
        return None  # the terminal answers on standard input
    if mode is ThumbnailMode.AUTO and (
        environment.get("NO_COLOR") or environment.get("TERM", "dumb") == "dumb"
    ):
        return None
    if os.get_terminal_size(sys.__stdout__.fileno()).columns == 0:  # type: ignore[union-attr]
        return None  # a pseudo-terminal without a size
    # It logs a traceback if a terminal does not answer, and then does without.
    logging.getLogger("textual_image").setLevel(logging.ERROR)
    from textual_image import renderable

    classes = {
        ThumbnailMode.KITTY: renderable.TGPImage,
        ThumbnailMode.SIXEL: renderable.SixelImage,
        ThumbnailMode.BLOCKS: renderable.HalfcellImage,
    }
    if mode is ThumbnailMode.AUTO:
        detected = (known for known, own in classes.items() if own is renderable.Image)
        mode = next(detected, ThumbnailMode.BLOCKS)
        if mode is ThumbnailMode.KITTY:
            try:
                mode = ThumbnailMode.BLOCKS if _is_old_kitty() else mode
            except _CHANGED:
                return None  # kitty may not show the pictures
    renderer = Renderer(classes[mode], _CELLS[mode], true_colour=mode is ThumbnailMode.KITTY)
    return renderer if _width() >= max(MIN_COLUMNS, 2 * (renderer.cells[0] + MARGIN)) else None


# Asking the terminal is not part of textual_image's public interface: another version may lack it.
_CHANGED = (ImportError, AttributeError, TypeError)


def _is_old_kitty() -> bool:
    """Whether the terminal is kitty before 0.28, without the placeholders that pictures in a table need.

    Raises one of `_CHANGED` if the installed textual_image cannot ask.
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


def _width() -> int:
    return shutil.get_terminal_size((120, 24)).columns


def show(answer: Answer, renderer: Renderer, crops: Mapping[str, bytes] | None = None) -> None:
    """Print the answer on the terminal: a row of pictures for each lane, its own crop first.

    crops: JPEGs by item id, for an answer without crops.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(
        file=sys.__stdout__,
        width=_width(),
        highlight=False,
        color_system="truecolor" if renderer.true_colour else "auto",
    )
    if answer.no_object:
        console.print(NO_OBJECT)
    for lane, heading in zip(answer.all_lanes, headings(answer.all_lanes), strict=True):
        console.print(Text(heading, style="bold"))
        _print_lane(console, lane, renderer, crops or {})
    *notes, release = answer.notes()
    for line in notes:
        console.print(Text(line))
    console.print(Text(release, style="dim"))


def _print_lane(console: Console, lane: FoundObject, renderer: Renderer, crops: Mapping[str, bytes]) -> None:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    if not lane.matches:
        console.print(f"{NO_MATCH}\n", style="dim")
        return
    wide = renderer.cells[0]
    cells = [Group(_picture(lane.crop, renderer), Text("query", style="dim"))] if lane.crop else []
    cells += [
        Group(
            _picture(match.crop or crops.get(match.item_id), renderer),
            *_caption(console, match, wide),
        )
        for match in lane.matches
    ]
    columns = max(1, console.width // (wide + MARGIN))
    for start in range(0, len(cells), columns):
        row = cells[start : start + columns]
        grid = Table.grid(padding=(0, MARGIN, 0, 0))
        for _ in row:
            grid.add_column(width=wide, no_wrap=True, overflow="ellipsis")
        grid.add_row(*row)
        console.print(grid)
        console.print()


def _picture(crop: bytes | None, renderer: Renderer) -> RenderableType:
    """The stored crop as a square picture, or an empty square if it cannot be read."""
    wide, high = renderer.cells
    picture = paint.read(crop)
    if picture is None:
        return "\n" * (high - 1)
    shown: RenderableType = renderer.renderable(paint.fitted(picture, (256, 256)), width=wide, height=high)
    return shown


def _caption(console: Console, match: Match, wide: int) -> list[RenderableType]:
    """Title (at most two lines), other category or colour, price, similarity."""
    from rich.text import Text

    title, price = product_caption(match)
    lines = list(Text(title).wrap(console, wide))
    if len(lines) > 2:
        lines[1] = Text(f"{lines[1].plain.rstrip()} {lines[2].plain}")  # too long: cut with an ellipsis
    weak = match.good is False
    similarity = f"{match.rank}  {match.similarity:.3f}{' – weak' if weak else ''}"
    texts = [
        *lines[:2],
        Text("" if match.other is None else OTHER_NAMES[match.other], style="dim"),
        Text(price, style="dim"),
        Text(similarity, style="yellow" if weak else "green"),
    ]
    return [text for text in texts if text.plain]
