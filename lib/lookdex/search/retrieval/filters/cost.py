"""What a filter costs: processor time for each row, and how much of it a release of so many rows allows.

Every row of the release is tested, at most a few times for a question; that some tests are answered by an index counts
for nothing here. The constants were measured by `python -m infra.bench_filters` on a core without AVX-512 of a busy
machine, and rounded up.
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
_SHARE = 0.1  # of the whole, below which a message does not name a kind of work


class Work(Enum):
    """A kind of work: how messages call it, nanoseconds for a row, and more of them for each byte or value in it."""

    READ = ("columns to read", 20, 0.4)
    READ_LIST = ("lists to read", 20, 15)
    COMPARE = ("comparisons", 2, 0)
    CONVERT = ("comparisons of different types", 5, 0)
    AMONG = ("in (…)", 5, 0)
    NULL = ("is null", 2, 0)
    LIKE = ("like", 5, 0.05)
    ILIKE = ("ilike", 15, 0.2)
    PATTERN = ("patterns of several parts", 25, 2)
    WILD = ("patterns with many _ after a %", 25, 0)
    CASE = ("lower or upper", 10, 0.3)
    LENGTH = ("length", 40, 0.1)
    SUM = ("signs of arithmetic", 4, 0)
    HELD = ("searches in lists", 20, 10)

    def __init__(self, words: str, ns: float, ns_each: float) -> None:
        self.words, self.ns, self.ns_each = words, ns, ns_each


_A_LITERAL = 0.05  # ns for a row: of 1,000 in one IN
_A_STATE = 2.5  # ns for a byte, and for each character of a pattern that no automaton holds
_WILDCARDS = 5  # _ after a %, that an automaton may hold (some 60 over texts of 400 bytes: 0.05 ms a row)
_PLANNED = 1e-4  # seconds, once for each test: to plan it


@dataclass(slots=True)
class _Line:
    count: int = 0
    seconds: float = 0.0  # for a row


class Bill:
    """What the parts of a filter cost, for a row each, and once."""

    def __init__(self) -> None:
        self._lines: dict[Work, _Line] = defaultdict(_Line)
        self._read: set[tuple[str, ...]] = set()

    def add(self, work: Work, width: float = 0.0, literals: int = 0) -> None:
        """Work on a value. width: its bytes, or values in it. literals: it is compared with so many."""
        line = self._lines[work]
        line.count += 1
        line.seconds += (work.ns + work.ns_each * width + _A_LITERAL * literals) * _NS

    def add_read(self, path: tuple[str, ...], width: float, *, listed: bool) -> None:
        """A column, once however often it is named."""
        if path not in self._read:
            self._read.add(path)
            self.add(Work.READ_LIST if listed else Work.READ, width)

    def add_pattern(self, pattern: str, any_case: bool, width: float) -> None:
        """LIKE or ILIKE of a text of so many bytes."""
        if pattern[pattern.find("%") :].count("_") > _WILDCARDS and "%" in pattern:
            self.add(Work.WILD)
            self._lines[Work.WILD].seconds += _A_STATE * len(pattern) * width * _NS
        elif "_" in pattern or "\\" in pattern or "%" in pattern.strip("%"):
            self.add(Work.PATTERN, width)
        else:
            self.add(Work.ILIKE if any_case else Work.LIKE, width)

    def seconds(self, rows: int) -> float:
        """Of one pass over so many rows."""
        return sum(line.count * _PLANNED + line.seconds * rows for line in self._lines.values())

    def most_expensive(self, rows: int) -> str:
        """“600 ilike (3.2 s), 4 patterns of several parts (1.1 s)”."""
        spent = {work: line.count * _PLANNED + line.seconds * rows for work, line in self._lines.items()}
        least = _SHARE * sum(spent.values())
        named = sorted((work for work in spent if spent[work] >= least), key=lambda work: -spent[work])
        return ", ".join(f"{self._lines[work].count:,} {work.words} ({spent[work]:.2g} s)" for work in named)


def check(bill: Bill, rows: int) -> None:
    """Raises BadQuery, which says what is expensive: the filter costs more than one may over so many rows."""
    seconds = bill.seconds(rows)
    if seconds > BUDGET_SECONDS:
        raise BadQuery(
            f"the filter is too expensive: over the {rows:,} rows of this release it would take some {seconds:.2g} s "
            f"of processor time, and {BUDGET_SECONDS:g} s are allowed. It has {bill.most_expensive(rows)}. Write "
            "fewer of these tests, in (…) for several whole values, 'text%' or '%text%' for patterns"
        )


def widths_of(sample: pa.Table) -> dict[str, float]:
    """The mean size of the values of each column, and of each field of a record (attrs.material), that has one.

    Of text its bytes; of a list its values, and of their texts as many more as they have 40 bytes.
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
