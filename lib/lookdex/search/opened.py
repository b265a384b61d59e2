"""One release, opened for reading: its table at its version, and how to ask it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lookdex import tables
from lookdex.errors import BadQuery
from lookdex.records import PALETTE, Box, Release, Role, Scope, Swatch
from lookdex.search.answer import Match
from lookdex.search.filters import compile_filter
from lookdex.search.grouping import Distinct, Hit, nearest_distinct
from lookdex.storage import Store

if TYPE_CHECKING:
    import lance

FILTERABLE = ("product_id", "label", "colour", "score", "image_key")  # beside the product columns
_FIXED = ("item_id", "product_id", "image_key", "label", "colour", "x0", "y0", "x1", "y1", "vector")
_PALETTE = "palette"  # which a release of an older lookdex does not have


@dataclass(frozen=True, slots=True)
class Opened:
    """A release and its `items` table. Immutable, safe among threads; every read sees the release's version."""

    release: Release
    items: lance.LanceDataset
    has_main: bool  # False: no object of the release is its photo's product, so all objects answer

    @property
    def filterable(self) -> tuple[str, ...]:
        """The columns that a `where` may name."""
        return tuple(dict.fromkeys((*self.release.product_columns, *FILTERABLE)))

    @property
    def _has_palettes(self) -> bool:
        schema = self.items.schema
        return _PALETTE in schema.names and schema.field(_PALETTE).type == PALETTE

    def rows_of(self, scope: Scope, where: str | None) -> str:
        """The SQL of the rows that may answer. Raises BadQuery when `where` is no predicate on their columns."""
        sql = f"scope = '{scope}'"
        if scope is Scope.OBJECT and self.has_main:
            sql += f" AND role = '{Role.MAIN}'"
        return sql if where is None else f"{sql} AND {compile_filter(where, self.filterable)}"

    def nearest(self, vectors: np.ndarray, k: int, rows: str) -> tuple[Distinct, ...]:
        """For each of the vectors (n, dim) its k nearest distinct products among the `rows` (an SQL predicate)."""

        def ask(lanes: Sequence[int], limit: int) -> list[list[Hit]]:
            return self._nearest_rows(vectors[list(lanes)], limit, rows)

        return nearest_distinct(ask, len(vectors), k)

    def _nearest_rows(self, vectors: np.ndarray, limit: int, rows: str) -> list[list[Hit]]:
        index = self.release.index
        if index.kind == "exact":
            return self._read_nearest(vectors, limit, rows, {"metric": "cosine", "use_index": False})
        refined = {"refine_factor": index.refine} if index.refine else {}
        found = self._read_nearest(vectors, limit, rows, refined | {"nprobes": max(1, index.nprobes)})
        if all(len(lane) == limit for lane in found):
            return found
        # With a narrow filter the nearest partitions may hold too few rows that pass it (measured: 0 of 155): then all
        # are read. Not at once: `minimum_nprobes` alone makes Lance 13 read all of them always (200,000 rows, one
        # vector: 17 ms of CPU time against 8).
        return self._read_nearest(vectors, limit, rows, refined | {"minimum_nprobes": max(1, index.nprobes)})

    def _read_nearest(
        self, vectors: np.ndarray, limit: int, rows: str, how: dict[str, Any]
    ) -> list[list[Hit]]:
        # All vectors in one read: the rows are filtered once, and an exact scan passes over them once
        # (3 vectors, 19,000 rows: 18 ms of CPU time against 50).
        query: dict[str, Any] = {"column": "vector", "q": vectors, "k": limit, **how}
        try:
            found = self.items.to_table(
                columns=["product_id", "image_key", "_distance"],
                nearest=query,
                filter=rows,
                prefilter=True,
                with_row_id=True,
            )
        except (OSError, ValueError) as error:
            raise filter_error(error) from error
        columns = ("query_index", "_rowid", "product_id", "image_key", "_distance")
        lanes: list[list[Hit]] = [[] for _ in vectors]
        for lane, *values in zip(*(found[name].to_pylist() for name in columns), strict=True):
            lanes[lane].append(Hit(*values))
        return [sorted(lane, key=lambda hit: hit.distance) for lane in lanes]

    def matches(
        self, vectors: np.ndarray, found: Sequence[Distinct], *, crops: bool
    ) -> tuple[tuple[Match, ...], ...]:
        """The matches of each lane, most similar first, from one read of the table. vectors: (n, dim), unit."""
        wanted = sorted({hit.row for lane in found for hit in lane.hits})
        rows = self._rows(wanted, crops) if wanted else {}
        return tuple(
            _ranked([self._match(rows[hit.row], vector) for hit in lane.hits])
            for vector, lane in zip(vectors, found, strict=True)
        )

    def _rows(self, row_ids: Sequence[int], crops: bool) -> dict[int, dict[str, Any]]:
        kept = (*((_PALETTE,) if self._has_palettes else ()), *(("crop",) if crops else ()))
        columns = dict.fromkeys((*_FIXED, *self.release.product_columns, *kept))
        table = self.items.to_table(
            columns=list(columns), filter=f"_rowid IN ({','.join(map(str, row_ids))})", with_row_id=True
        )
        vectors = np.stack(table["vector"].to_numpy(zero_copy_only=False))
        rows = table.drop_columns(["vector"]).to_pylist()
        return {row["_rowid"]: row | {"vector": vector} for row, vector in zip(rows, vectors, strict=True)}

    def _match(self, row: dict[str, Any], vector: np.ndarray) -> Match:
        similarity = float(np.dot(row["vector"], vector))
        return Match(
            rank=0,
            product_id=row["product_id"],
            similarity=similarity,
            distance=1.0 - similarity,
            item_id=row["item_id"],
            image_key=row["image_key"],
            label=row["label"],
            colour=row["colour"],
            box=Box(row["x0"], row["y0"], row["x1"], row["y1"]),
            columns={name: row[name] for name in self.release.product_columns},
            crop=row.get("crop"),
            palette=tuple(Swatch(**swatch) for swatch in row.get(_PALETTE) or ())
            if self._has_palettes
            else (),
        )

    def crops(self, item_ids: Sequence[str]) -> dict[str, bytes]:
        """The stored crop (JPEG) of each of these items that the release has."""
        if not item_ids:
            return {}
        quoted = ",".join("'" + item_id.replace("'", "''") + "'" for item_id in item_ids)
        table = self.items.to_table(columns=["item_id", "crop"], filter=f"item_id IN ({quoted})")
        return dict(zip(table["item_id"].to_pylist(), table["crop"].to_pylist(), strict=True))


def open_release(store: Store, release: Release) -> Opened:
    """Open the release's `items` at its version. Raises ReleaseNotFound when that version is gone."""
    items = tables.open_table(store, tables.ITEMS, release.items_version)
    main = f"scope = '{Scope.OBJECT}' AND role = '{Role.MAIN}'"
    has_main = items.to_table(columns=["item_id"], filter=main, limit=1).num_rows > 0
    return Opened(release, items, has_main)


def _ranked(matches: list[Match]) -> tuple[Match, ...]:
    ordered = sorted(matches, key=lambda m: (-m.similarity, m.item_id))
    return tuple(replace(match, rank=rank) for rank, match in enumerate(ordered, start=1))


def filter_error(error: Exception) -> Exception:
    """Lance's complaint about a predicate (types that do not compare) as ours; anything else as it is."""
    text = _first_line(error)
    if "Invalid user input" not in text:
        return error
    detail = text.split("Invalid user input: ")[-1].split(", /")[0]
    return BadQuery(
        f"the filter cannot be applied: {detail}. Compare each column with values of its own type"
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
