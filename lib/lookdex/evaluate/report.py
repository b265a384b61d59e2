"""The report of an evaluation command: metrics for JSON, tables for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Report:
    """The results of an evaluation."""

    metrics: dict[str, Any]
    """All results as JSON values."""
    tables: tuple[str, ...]
    """The printed part, as Markdown."""

    @property
    def text(self) -> str:
        return "\n\n".join(self.tables)

    def write(self, as_json: Path | None, as_markdown: Path | None) -> None:
        """Write the metrics as JSON and the tables as Markdown, each if its path is given."""
        if as_json is not None:
            as_json.write_text(
                json.dumps(self.metrics, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
                encoding="utf-8",
            )
        if as_markdown is not None:
            as_markdown.write_text(self.text + "\n", encoding="utf-8")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table, padded for a terminal: first column left-aligned, the others right-aligned."""
    from rich.cells import cell_len  # a Korean letter is two columns wide on a terminal

    grid = [[cell.replace("|", r"\|") for cell in row] for row in [head, *rows]]
    widths = [max(cell_len(row[i]) for row in grid) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell + " " * (w - cell_len(cell)) if not i else " " * (w - cell_len(cell)) + cell
            for i, (cell, w) in enumerate(zip(cells, widths, strict=True))
        ]
        return "| " + " | ".join(padded) + " |"

    rule = "| " + " | ".join("-" * w if not i else "-" * (w - 1) + ":" for i, w in enumerate(widths)) + " |"
    return "\n".join([line(grid[0]), rule, *map(line, grid[1:])])


def share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
