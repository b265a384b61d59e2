"""Charts as inline SVG without text: labels are HTML next to them, so that a chart can be stretched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape, quoteattr

from markupsafe import Markup

from lookdex.report.records import Bar


def draw_stacked(bars: Sequence[Bar], whole: float) -> Markup:
    """A stacked bar. `whole` is the count that fills the width."""
    x, parts = 0.0, []
    for bar in bars:
        width = 100 * bar.count / whole if whole else 0.0
        parts.append(_rect(x, 0, width, 10, bar.fill, f"{bar.name}: {bar.count:,}"))
        x += width
    label = ", ".join(f"{bar.name} {bar.count:,}" for bar in bars)
    return _svg(parts, 10, label, "bar")


def draw_histogram(counts: Sequence[int], label: str, names: Sequence[str]) -> Markup:
    """A histogram, scaled to its highest column.

    Args:
        names: of the columns.
    """
    highest = max(counts, default=0) or 1
    width = 100 / max(1, len(counts))
    parts = [
        _rect(
            n * width + width * 0.08,
            40 * (1 - count / highest),
            width * 0.84,
            40 * count / highest,
            "",
            f"{name}: {count:,}",
        )
        for n, (count, name) in enumerate(zip(counts, names, strict=True))
        if count
    ]
    return _svg(parts, 40, label, "histogram")


def draw_columns(stacks: Sequence[Sequence[Bar]], label: str) -> Markup:
    """Stacked columns, from the bottom up."""
    highest = max((sum(bar.count for bar in stack) for stack in stacks), default=0) or 1
    width = 100 / max(1, len(stacks))
    parts = []
    for n, stack in enumerate(stacks):
        top = 40.0
        for bar in stack:
            height = 40 * bar.count / highest
            top -= height
            parts.append(
                _rect(
                    n * width + width * 0.14,
                    top,
                    width * 0.72,
                    height,
                    bar.fill,
                    f"{bar.name}: {bar.count:,}",
                )
            )
    return _svg(parts, 40, label, "columns")


def _rect(x: float, y: float, width: float, height: float, fill: str, title: str) -> str:
    style = f" style={quoteattr('fill:' + fill)}" if fill else ""
    return (
        f'<rect x="{x:.3f}" y="{y:.3f}" width="{width:.3f}" height="{height:.3f}"{style}>'
        f"<title>{escape(title)}</title></rect>"
    )


def _svg(parts: Iterable[str], height: int, label: str, kind: str) -> Markup:
    return Markup(
        f'<svg class="{kind}" viewBox="0 0 100 {height}" preserveAspectRatio="none" role="img" '
        f"aria-label={quoteattr(label)}>{''.join(parts)}</svg>"
    )
