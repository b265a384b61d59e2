"""The cost of a filter: processor time per row, and its limit.

A question tests every row of the release, at most a few times. The estimate ignores that an index answers some tests.
The constants were measured with `python -m infra.bench_filters` on a core without AVX-512 of a busy machine, and
rounded up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import pyarrow as pa
import pyarrow.compute as pc

from lookdex.errors import BadQuery

BUDGET_SECONDS = 0.5  # of one core, for one pass over the rows
_NS = 1e-9
_MIN_SHARE = 0.1  # of the cost; messages leave out work with less


class Work(Enum):
    """A kind of work: its name in messages, nanoseconds per row, and nanoseconds per byte or value of a row."""

    READ = ("columns to read", 20, 0.4)
    READ_LIST = ("lists to read", 20, 15)
    COMPARE = ("comparisons", 2, 0)
    CONVERT = ("comparisons of different types", 5, 0)
    IN = ("in (…)", 5, 0)
    NULL = ("is null", 2, 0)
    LIKE = ("like", 5, 0.05)
    ILIKE = ("ilike", 15, 0.2)
    PATTERN = ("patterns of several parts", 25, 2)
    WILD = ("patterns with many _ after a %", 25, 0)
    CASE = ("lower or upper", 10, 0.3)
    LENGTH = ("length", 40, 0.1)
    SUM = ("arithmetic operators", 4, 0)
    CONTAINS = ("searches in lists", 20, 10)

    def __init__(self, words: str, ns: float, ns_each: float) -> None:
        self.words, self.ns, self.ns_each = words, ns, ns_each


_A_LITERAL = 0.05  # ns per row, measured with 1,000 in one IN
_A_STATE = 2.5  # ns per byte and character of a pattern that is too large for an automaton
_WILDCARDS = 5  # _ after a % that fit into an automaton (some 60 over texts of 400 bytes: 0.05 ms a row)
_PLANNING = 1e-4  # seconds per test, once


@dataclass(slots=True)
class _Line:
    count: int = 0
    seconds: float = 0.0  # per row


class Bill:
    """The cost of the parts of a filter: per row, and once."""

    def __init__(self) -> None:
        self._lines: dict[Work, _Line] = defaultdict(_Line)
        self._read: set[tuple[str, ...]] = set()

    def add(self, work: Work, width: float = 0.0, literals: int = 0) -> None:
        """Add work on a value. width: its bytes, or the values in it. literals: how many it is compared with."""
        line = self._lines[work]
        line.count += 1
        line.seconds += (work.ns + work.ns_each * width + _A_LITERAL * literals) * _NS

    def add_read(self, path: tuple[str, ...], width: float, *, listed: bool) -> None:
        """Add the read of a column, only once."""
        if path not in self._read:
            self._read.add(path)
            self.add(Work.READ_LIST if listed else Work.READ, width)

    def add_pattern(self, pattern: str, any_case: bool, width: float) -> None:
        """Add LIKE or ILIKE. width: bytes of the text."""
        if pattern[pattern.find("%") :].count("_") > _WILDCARDS and "%" in pattern:
            self.add(Work.WILD)
            self._lines[Work.WILD].seconds += _A_STATE * len(pattern) * width * _NS
        elif "_" in pattern or "\\" in pattern or "%" in pattern.strip("%"):
            self.add(Work.PATTERN, width)
        else:
            self.add(Work.ILIKE if any_case else Work.LIKE, width)

    def seconds(self, rows: int) -> float:
        """The cost of one pass over the rows."""
        return sum(line.count * _PLANNING + line.seconds * rows for line in self._lines.values())

    def most_expensive(self, rows: int) -> str:
        """For messages: “600 ilike (3.2 s), 4 patterns of several parts (1.1 s)”."""
        spent = {work: line.count * _PLANNING + line.seconds * rows for work, line in self._lines.items()}
        least = _MIN_SHARE * sum(spent.values())
        named = sorted((work for work in spent if spent[work] >= least), key=lambda work: -spent[work])
        return ", ".join(f"{self._lines[work].count:,} {work.words} ({spent[work]:.2g} s)" for work in named)


def check(bill: Bill, rows: int) -> None:
    """Raise BadQuery, with the expensive parts, if the filter costs more than `BUDGET_SECONDS`."""
    seconds = bill.seconds(rows)
    if seconds > BUDGET_SECONDS:
        raise BadQuery(
            f"the filter is too expensive: over the {rows:,} rows of this release it would take about {seconds:.2g} s "
            f"of processor time; {BUDGET_SECONDS:g} s are allowed. It has {bill.most_expensive(rows)}. Use fewer of "
            "these tests, in (…) for several values, and 'text%' or '%text%' for patterns"
        )


def measure_widths(sample: pa.Table) -> dict[str, float]:
    """Measure the mean size of the values of each column, and of each field of a record (attrs.material).

    Of text its bytes; of a list its values, plus one for every 40 bytes of text in them.
    """
    return {name: width for field in sample.schema for name, width in _widths(field.name, sample[field.name])}


def _widths(name: str, values: pa.ChunkedArray) -> Iterator[tuple[str, float]]:
    if pa.types.is_struct(values.type):
        for field in values.type.fields:
            yield from _widths(f"{name}.{field.name}", pc.struct_field(values, field.name))
    elif pa.types.is_list(values.type):
        texts = pc.list_flatten(values)
        size = pc.sum(pc.binary_length(texts)).as_py() if pa.types.is_string(texts.type) else 0
        yield name, (len(texts) + (size or 0) / 40) / max(1, len(values))
    elif pa.types.is_string(values.type):
        yield name, pc.mean(pc.binary_length(values)).as_py() or 0.0
