"""Jitter: what falls on one moment is spread by a hash (docs/time.md#bounds-and-jitter)."""

import hashlib
from datetime import UTC, datetime, timedelta

_MILLISECOND = timedelta(milliseconds=1)


def jitter_of(
    trigger_id: str, occurrence: datetime, jitter: timedelta, gap_to_next: timedelta | None
) -> timedelta:
    """How long after its nominal moment an occurrence is due: whole milliseconds, from 0 on.

    Stable: a hash of the trigger's id and the moment, on every replica and after a restart.
    Strictly below `jitter` and below the gap to the next occurrence (None: there is no next one),
    so that occurrences never overtake each other.
    """
    limit = jitter if gap_to_next is None else min(jitter, gap_to_next)
    slots = limit // _MILLISECOND
    if slots <= 0:
        return timedelta(0)
    moment = occurrence.astimezone(UTC).isoformat(timespec="microseconds")
    digest = hashlib.sha256(f"{trigger_id}\n{moment}".encode()).digest()
    return int.from_bytes(digest[:16], "big") % slots * _MILLISECOND
