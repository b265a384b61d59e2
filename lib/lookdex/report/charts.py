"""Charts as inline SVG without a word in them: labels stand beside them as text, so that a chart may be stretched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape, quoteattr

from markupsafe import Markup

from lookdex.report.records import Bar


def stacked(bars: Sequence[Bar], whole: float) -> Markup:
    """One line of parts beside each other; `whole` is what the full width stands for."""
    at, parts = 0.0, []
    for bar in bars:
        wide = 100 * bar.count / whole if whole else 0.0
        parts.append(_rect(at, 0, wide, 10, bar.fill, f"{bar.name}: {bar.count:,}"))
        at += wide
    said = ", ".join(f"{bar.name} {bar.count:,}" for bar in bars)
    return _svg(parts, 10, said, "bar")


def histogram(counts: Sequence[int], said: str, names: Sequence[str]) -> Markup:
    """A column for each count, the highest as high as the chart. names: of the columns."""
    most = max(counts, default=0) or 1
    wide = 100 / max(1, len(counts))
    parts = [
        _rect(
            n * wide + wide * 0.08,
            40 * (1 - count / most),
            wide * 0.84,
            40 * count / most,
            "",
            f"{name}: {count:,}",
        )
        for n, (count, name) in enumerate(zip(counts, names, strict=True))
        if count
    ]
    return _svg(parts, 40, said, "histogram")


def columns(stacks: Sequence[Sequence[Bar]], said: str) -> Markup:
    """A column of parts on each other for each of the stacks, from the bottom up; a column takes at most an eighth."""
    most = max((sum(bar.count for bar in stack) for stack in stacks), default=0) or 1
    wide = 100 / max(1, len(stacks))
    parts = []
    for n, stack in enumerate(stacks):
        top = 40.0
        for bar in stack:
            high = 40 * bar.count / most
            top -= high
            parts.append(
                _rect(n * wide + wide * 0.14, top, wide * 0.72, high, bar.fill, f"{bar.name}: {bar.count:,}")
            )
    return _svg(parts, 40, said, "columns")


def _rect(x: float, y: float, wide: float, high: float, fill: str, title: str) -> str:
    style = f" style={quoteattr('fill:' + fill)}" if fill else ""
    return (
        f'<rect x="{x:.3f}" y="{y:.3f}" width="{wide:.3f}" height="{high:.3f}"{style}>'
        f"<title>{escape(title)}</title></rect>"
    )


def _svg(parts: Iterable[str], height: int, said: str, kind: str) -> Markup:
    return Markup(
        f'<svg class="{kind}" viewBox="0 0 100 {height}" preserveAspectRatio="none" role="img" '
        f"aria-label={quoteattr(said)}>{''.join(parts)}</svg>"
    )
