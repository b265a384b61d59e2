"""Parse the dates and date-times in filters."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

_WRITTEN = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?) ?([Zz]|[+-]\d{2}(?::?\d{2})?)?)?"
)


def read(text: str) -> date | datetime | None:
    """Parse '2026-11-22', '2026-11-22 09:30', '2026-11-22T09:30:00.5+09:00' …; None for anything else.

    A date-time with a zone is converted to UTC.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        return None
    day, clock, zone = found.groups()
    try:
        if clock is None:
            return date.fromisoformat(day)
        moment = datetime.fromisoformat(f"{day}T{clock}{(zone or '').upper()}")
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    except (
        ValueError,
        OverflowError,
    ):  # the 31st of February; a zone that moves it out of the years 1 to 9999
        return None


def as_date(moment: date | datetime) -> date | None:
    """The day; None if it has a time of day or a zone."""
    if not isinstance(moment, datetime):
        return moment
    midnight = moment.tzinfo is None and moment == datetime(moment.year, moment.month, moment.day)
    return moment.date() if midnight else None


def as_datetime(moment: date | datetime) -> datetime:
    """The date-time; of a date, its midnight."""
    return moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)
