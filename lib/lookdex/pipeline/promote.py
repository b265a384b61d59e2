"""The stage `promote`: make the release live, then clean up."""

from __future__ import annotations

import logging

from lookdex.errors import LookdexError
from lookdex.pipeline.night import Night
from lookdex.records import LiveEntry
from lookdex.release import candidates, promote, retention

log = logging.getLogger(__name__)


def promote_night(night: Night) -> LiveEntry:
    """Make the run's release live, then remove files that no kept release needs.

    A failed cleanup is only logged: the release is live by then.
    """
    with night.stage("promote"):
        entry = promote.promote(night.catalog, candidates.find_release_of_run(night.catalog, night.run_id))
        try:
            retention.clean_up(night.catalog, night.settings.keep_releases, apply=True)
        except LookdexError as error:
            log.warning("release %s is live; old files were not removed: %s", entry.release_id, error)
    return entry
