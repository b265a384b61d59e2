"""Which run a release belongs to, and what a run still has to do, even with similar run ids."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lookdex.catalog import promotion_log, runs
from lookdex.catalog.json_codec import to_json
from lookdex.catalog.schemas import PLAN_SCHEMA
from lookdex.errors import PlanNotFound, ReleaseNotFound, RolledBack, StorageError
from lookdex.records import Change, IndexParameters, LiveEntry, PlanSummary, Reason, Release, StoredFile
from lookdex.release import candidates
from lookdex.release.audit import audit_release
from lookdex.release.candidates import explain_finished, find_release_of_run, find_rollback
from lookdex.release.promote import promote, resume, rollback
from lookdex.storage import Store, open_store
from tests.support import nights

NOTHING = StoredFile("", "", 0, 0)
RUN_IDS = ("a", "a-1", "a-2", "a-1-1", "a-1-2")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "catalog"))


@dataclass
class Shop:
    """A catalogue of records without tables, and the run of each build as the test knows it."""

    store: Store
    clock: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    built: dict[str, Release] = field(default_factory=dict)  # run → its candidate for what is live
    runs: dict[datetime, str] = field(default_factory=dict)  # created_at of a build → its run
    planned: dict[str, int] = field(
        default_factory=dict
    )  # run → the log entry that was live at its last plan

    def plan(self, run: str, old: bool) -> None:
        entry = promotion_log.current(self.store)
        if entry is not None:
            try:
                candidates.check_run_not_undone(self.store, run)
            except RolledBack:
                return
        plan = PlanSummary(
            run, entry.since if entry else 0, entry.release_id if entry else None, "s", nights.RECIPE,
            {Change.DELETED: 1}, 0, self.clock, NOTHING,
        )  # fmt: skip
        runs.save_plan(self.store, PLAN_SCHEMA.empty_table(), plan)
        plan = runs.load_plan(self.store, run)
        self.planned[run] = plan.live
        if run in self.built and self.store.exists(promotion_log.release_key(self.built[run].release_id)):
            return  # built and audited
        self.clock += timedelta(hours=1)
        name = candidates.free_id(self.store, plan)
        if old:  # as named by versions that did not record the run
            taken = self.store.exists(promotion_log.release_key(run))
            name = f"{run}-{plan.live}" if taken else run
        candidate = Release(
            name, plan.release_id, self.clock, "s", 1, 1, nights.RECIPE, 8, 1, {}, IndexParameters("exact"), (),
            run_id="" if old else run,
        )  # fmt: skip
        self.store.put(candidates.candidate_key(plan), to_json(candidate))
        self.built[run] = candidate
        self.runs[candidate.created_at] = run

    def audit(self, run: str) -> None:
        """Save the release, which never changes, as the audit does."""
        candidate = self.built.get(run)
        if candidate is None:
            return
        if not self.store.exists(promotion_log.release_key(candidate.release_id)):
            promotion_log.save_release(self.store, candidate)
        stored = promotion_log.load_release(self.store, candidate.release_id)
        assert stored == candidate or not candidate.run_id, "a second build with the same id is published"

    def promote(self, run: str) -> None:
        """Publish what the run built if it is audited, as `lookdex promote` does."""
        try:
            if explain_finished(self.store, run):
                return
            release_id = find_release_of_run(self.store, run)
        except (PlanNotFound, ReleaseNotFound, RolledBack):
            return
        assert self.runs[promotion_log.load_release(self.store, release_id).created_at] == run
        assert promotion_log.load_release(self.store, release_id) == self.built[run]
        log = promotion_log.read_log(self.store)
        assert release_id not in [entry.release_id for entry in log], "published twice"
        promotion_log.append(
            self.store, release_id=release_id, action="promote", expected=log[-1] if log else None
        )
        self.built.clear()

    def night(self, run: str, old: bool) -> None:
        self.plan(run, old)
        self.audit(run)
        self.promote(run)

    def rollback(self, run: str) -> None:
        log = promotion_log.read_log(self.store)
        published = [entry.release_id for entry in log if self.run_of(entry.release_id) == run]
        if published:
            promotion_log.append(
                self.store, release_id=published[-1], action="rollback", expected=log[-1], hold=True
            )
            self.built.clear()

    def run_of(self, release_id: str) -> str:
        return self.runs[promotion_log.load_release(self.store, release_id).created_at]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["night", "night", "plan", "audit", "promote", "rollback"]),
        st.sampled_from(RUN_IDS),
        st.booleans(),
    ),
    min_size=5,
    max_size=12,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
@example(
    steps=[
        (step, run, False)
        for step, run in (
            ("night", "a"), ("plan", "a"), ("plan", "a-1"), ("audit", "a"), ("audit", "a-1"), ("promote", "a-1")
        )
    ]
)  # fmt: skip
def test_a_run_is_finished_only_by_its_own_release(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, bool]]
) -> None:
    shop = Shop(open_store(str(tmp_path_factory.mktemp("catalog"))))
    for step, run, old in steps:
        getattr(shop, step)(run, *([old] if step in ("night", "plan") else []))
    log = promotion_log.read_log(shop.store)
    for release in promotion_log.list_releases(shop.store):
        assert candidates.owner(shop.store, release) == shop.runs[release.created_at]
    for name in RUN_IDS:
        published = [entry for entry in log if shop.run_of(entry.release_id) == name]
        now_live = bool(published) and published[-1] == log[-1]
        try:
            message = explain_finished(shop.store, name)
        except RolledBack:
            assert published
            assert not now_live
        except PlanNotFound:
            assert name not in shop.built
            assert not now_live
        else:
            if not message:
                assert name in shop.built, "an unfinished run has nothing to do"
            elif "live already" in message:
                assert now_live
            else:
                assert "followed it" in message
                assert shop.planned[name] < published[-1].n, "a run that was planned again is finished"


def entries(*log: tuple[str, str]) -> list[LiveEntry]:
    """A promotion log of these actions and releases."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return [LiveEntry(n, name, "", at, action) for n, (action, name) in enumerate(log, 1)]


@pytest.mark.parametrize(
    ("log", "rolled_back"),
    [
        ([("promote", "1"), ("promote", "2")], []),
        ([("promote", "1"), ("promote", "2"), ("rollback", "1")], ["2"]),
        ([("promote", "1"), ("promote", "2"), ("rollback", "1"), ("resume", "1")], ["2"]),
        ([("promote", "1"), ("promote", "2"), ("rollback", "1"), ("promote", "3")], ["2"]),
        ([("promote", "1"), ("promote", "2"), ("promote", "3"), ("rollback", "1")], ["2", "3"]),
        ([("promote", "1"), ("promote", "2"), ("promote", "3"), ("rollback", "2")], ["3"]),
        ([("promote", "1"), ("promote", "2"), ("rollback", "1"), ("rollback", "2")], ["1"]),
        ([("promote", "1"), ("promote", "2"), ("rollback", "1"), ("rollback", "2"), ("promote", "3")], ["1"]),
    ],
)
def test_a_release_is_undone_by_a_rollback_to_another(
    log: list[tuple[str, str]], rolled_back: list[str]
) -> None:
    assert [name for name in "1234" if find_rollback(entries(*log), name)] == rolled_back


def test_a_run_is_not_finished_by_the_release_of_a_run_with_a_similar_id(store: Store) -> None:
    nights.publish(store, "sale", nights.photos(2))
    nights.publish(store, "sale", nights.photos(3))
    live = promotion_log.current(store)
    assert live is not None
    assert live.release_id == "sale-1"
    assert explain_finished(store, "sale") == "release sale-1 is live already: nothing to do"
    with pytest.raises(PlanNotFound, match="lookdex plan"):
        explain_finished(store, "sale-1")
    night = nights.index_night(store, "sale-1", nights.photos(4))
    assert explain_finished(store, "sale-1") == ""
    candidate = nights.build(store, night)
    assert (candidate.run_id, candidate.release_id) == ("sale-1", "sale-1-2")
    promote(store, audit_release(store, candidate).release_id)
    assert explain_finished(store, "sale-1").startswith("release sale-1-2 is live already")
    assert "sale-1-2 has followed it: nothing to do" in explain_finished(store, "sale")


def test_a_run_that_is_planned_again_is_not_finished_by_its_earlier_release(store: Store) -> None:
    nights.publish(store, "n1", nights.photos(2))
    assert explain_finished(store, "n1") == "release n1 is live already: nothing to do"
    nights.index_night(store, "n1", nights.photos(2))
    assert explain_finished(store, "n1") == "nothing changed since the live release: nothing to do"
    nights.publish(store, "n2", nights.photos(3))
    night = nights.index_night(store, "n2", nights.photos(4))
    assert explain_finished(store, "n2") == ""
    with pytest.raises(ReleaseNotFound, match="lookdex build"):
        find_release_of_run(store, "n2")
    candidate = nights.build(store, night)
    with pytest.raises(
        ReleaseNotFound, match=r"n2-2 of the run n2 has not passed.*lookdex audit --run-id n2"
    ):
        find_release_of_run(store, "n2")
    audit_release(store, candidate)
    assert find_release_of_run(store, "n2") == "n2-2"


def test_the_error_of_a_rolled_back_run_says_how_to_go_on(store: Store) -> None:
    nights.publish(store, "n1", nights.photos(2))
    nights.publish(store, "n2", nights.photos(3))
    rollback(store, note="odd boxes")
    for _ in ("held", "resumed"):
        for check in (explain_finished, candidates.check_run_not_undone):
            with pytest.raises(RolledBack, match=r"odd boxes.*`lookdex rollback --to n2`.*without --run-id"):
                check(store, "n2")
        assert explain_finished(store, "n1") == "release n1 is live already: nothing to do"
        resume(store)
    rollback(store, to="n2")
    assert explain_finished(store, "n2") == "release n2 is live already: nothing to do"


def test_a_candidate_is_built_again_when_shards_or_products_changed(store: Store) -> None:
    """A photo that failed was fetched after all, so a shard has other files under the same plan."""
    nights.publish(store, "n1", nights.photos(2))
    failing = [*nights.photos(2), nights.Photo("new.jpg", reason=Reason.UNAVAILABLE)]
    night = nights.index_night(store, "n2", failing)
    first = nights.build(store, night)
    assert first.images == {"indexed": 2, "failed": 1}
    fetched = nights.index_night(store, "n2", [*failing[:2], replace(failing[2], reason=None)])
    night = replace(night, reports={shard: next(iter(fetched.reports.values())) for shard in night.reports})
    second = nights.build(store, night)
    assert second.images == {"indexed": 3}
    assert candidates.load_candidate(store, night.plan) == second
    third = nights.build(store, nights.renamed(night, products_digest="other"))
    assert third.items_version > second.items_version


def test_a_candidate_of_an_older_version_is_built_again_before_audit_and_promotion(store: Store) -> None:
    """Its audit had fewer checks and its files have fewer digests. The run goes on with its own id."""
    nights.publish(store, "n1", nights.photos(2))
    night = nights.index_night(store, "n2", nights.photos(3))
    built = nights.build(store, night)
    audit_release(store, built)
    for key in (candidates.candidate_key(night.plan), promotion_log.release_key("n2")):
        store.put(key, to_json(replace(built, built_from="", run_id="")))
    with pytest.raises(ReleaseNotFound, match="lookdex build --run-id n2"):
        candidates.load_candidate(store, night.plan)
    with pytest.raises(ReleaseNotFound, match="lookdex build --run-id n2"):
        find_release_of_run(store, "n2")
    assert explain_finished(store, "n2") == ""
    again = audit_release(store, nights.build(store, night))
    assert find_release_of_run(store, "n2") == again.release_id == "n2-1"


def test_a_second_build_with_the_id_of_a_release_is_refused(store: Store) -> None:
    """Even when the table versions are equal because no row changed, as with new thresholds."""
    stock = pa.table({"product_id": ["p0000"], "price": [1.0]})
    nights.publish(store, "n1", nights.photos(1), products=stock)
    more = pa.table({"product_id": ["p0000", "p0009"], "price": [1.0, 2.0]})
    one = nights.build(store, nights.index_night(store, "n2", nights.photos(1), products=more))
    audit_release(store, one)
    other = replace(one, run_id="somebody", built_from="other")
    with pytest.raises(StorageError, match="already stored by the run n2"):
        audit_release(store, other)
