"""How many photos a night may lose before it stops, and the message for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lookdex.records import Example

MIN_JUDGED = 50  # photos; below this a share is not meaningful


def max_lost(planned: int, max_share: float) -> int | None:
    """How many of the planned photos may be rejected or fail; None: any number, because there are too few."""
    return None if planned < MIN_JUDGED else int(max_share * planned)


def describe_losses(
    lost: int, seen: int, planned: int, reasons: Mapping[str, int], examples: Sequence[Example]
) -> str:
    """'31 of 90 photos were rejected or failed (31 unavailable). One of them is a/b.jpg: …'."""
    of = f"{seen:,} photos" if seen >= planned else f"{seen:,} photos seen so far ({planned:,} are planned)"
    why = ", ".join(
        f"{n:,} {reason}" for reason, n in sorted(reasons.items(), key=lambda pair: -pair[1]) if n
    )
    most = max(examples, key=lambda example: reasons.get(example.reason, 0), default=None)
    such = f". One of them is {most.words}" if most else ""
    return f"{lost:,} of {of} were rejected or failed ({why}){such}"
