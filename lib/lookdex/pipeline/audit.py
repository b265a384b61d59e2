"""The stage `audit`: check the candidate, and search it with one of its own photos."""

from __future__ import annotations

from lookdex.catalog import tables
from lookdex.errors import LookdexError
from lookdex.models.trust import TrustedModels
from lookdex.pipeline.night import Night
from lookdex.records import Release
from lookdex.release.audit import audit_release
from lookdex.release.candidates import load_candidate


def audit_night(night: Night) -> Release:
    """Audit the run's candidate and store it as a release. Raises AuditFailed with the offending rows."""
    candidate = load_candidate(night.catalog, night.load_plan())
    trusted = TrustedModels.from_settings(night.settings)
    trusted.check_recipe(f"the candidate {candidate.release_id}", candidate.recipe)
    with night.stage("audit"):
        return audit_release(
            night.catalog,
            candidate,
            lambda release: smoke_query(night, release, trusted),
            max_lost=night.settings.max_change,
            allow_mass_change=night.allow_mass_change,
        )


def smoke_query(night: Night, candidate: Release, trusted: TrustedModels) -> str:
    """Search the candidate with one of its own photos, through the query library."""
    from lookdex.search.catalog import open_catalog

    items = tables.open_tables(night.catalog, candidate).items
    sample = items.to_table(columns=["image_key", "crop"], filter="scope = 'image'", limit=1).to_pylist()
    if not sample:
        raise LookdexError("the candidate has no photo to search with")
    searchable = open_catalog(
        night.catalog,
        release=candidate,
        store_seconds=None,
        device=night.settings.device,
        trusted_models=trusted.names,
    )
    answer = searchable.search(sample[0]["crop"], k=3)
    if answer.whole is None or not answer.whole.matches:
        raise LookdexError(f"a search with its own photo {sample[0]['image_key']} found no match")
    return f"{sample[0]['image_key']}: {len(answer.objects)} objects, nearest {answer.whole.matches[0].image_key}"
