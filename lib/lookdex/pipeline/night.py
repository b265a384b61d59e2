"""A night: the catalogue it changes, its run id and its settings. Each stage gets it as one record."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from lookdex.catalog import json_codec, runs
from lookdex.catalog.lance_errors import convert_errors
from lookdex.config import NightSettings
from lookdex.records import PlanSummary
from lookdex.release import candidates, promote
from lookdex.storage import Store, open_store


@dataclass(frozen=True, slots=True)
class Night:
    """One run of the stages plan, index, build, audit and promote, in this order.

    A stage whose work is done returns at once. A stage whose plan was made for another live release raises
    `PlanNotFound`.
    """

    catalog: Store
    run_id: str  # '' for a dry run, which can only be planned
    settings: NightSettings
    allow_mass_change: bool = False

    @classmethod
    def open(cls, settings: NightSettings, run_id: str | None, *, allow_mass_change: bool = False) -> Night:
        """Open the catalogue. run_id: as given by the user or by Airflow; None for a dry run."""
        slug = "" if run_id is None else runs.run_slug(run_id)
        return cls(open_store(settings.catalog), slug, settings, allow_mass_change)

    def load_plan(self) -> PlanSummary:
        """The run's plan for the current live release. Raises PlanNotFound."""
        return runs.load_plan(self.catalog, self.run_id)

    def finished(self) -> str:
        """Why the run has nothing left to index, build, audit or promote; '' when it has.

        Also updates the tags from the promotion log, in case a promotion died before it set them. Raises PlanNotFound
        when the run must be planned (again), RolledBack when its release was rolled back.
        """
        promote.follow(self.catalog)
        return candidates.explain_finished(self.catalog, self.run_id)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Translate Lance's errors into lookdex's, and record how long the stage took, unless it fails."""
        start = time.perf_counter()
        with convert_errors(f"a table of {self.catalog.uri}", lance_only=True):
            yield
        if self.run_id:
            took = StageSeconds(name, round(time.perf_counter() - start, 3), datetime.now(UTC))
            self.catalog.put(
                f"{runs.run_folder(self.run_id)}/seconds/{name}.json", json_codec.to_sealed_json(took)
            )


@dataclass(frozen=True, slots=True)
class StageSeconds:
    """`runs/<run>/seconds/<stage>.json`: how long the stage's last run took."""

    stage: str
    seconds: float
    ended_at: datetime


def stage_seconds(catalog: Store, run_id: str) -> dict[str, float]:
    """Seconds by stage, for the stages that have run."""
    found = (
        json_codec.from_json(StageSeconds, catalog.get(listed.key), listed.key)
        for listed in catalog.list(f"{runs.run_folder(run_id)}/seconds/")
    )
    return {took.stage: took.seconds for took in sorted(found, key=lambda took: took.ended_at)}
