"""A run whose clock stands: it waits for a quota or for a person, and its timeout does not run.

What was left of the timeout is kept on the row; the deadline is that of the wait until it goes on
(docs/runs.md#when-the-clock-stands).
"""

from datetime import datetime, timedelta
from typing import Any

from reconciler.core.runs.run import Run


def stand_still(run: Run, until: datetime, now: datetime) -> dict[str, Any]:
    """The fields of a run whose timeout stands from `now` on, at most `until`.

    One that stands already keeps what is left of its timeout.
    """
    left_ms = run.remaining_ms
    if left_ms is None and run.deadline_at is not None:
        left_ms = max(0, round((run.deadline_at - now).total_seconds() * 1000))
    return {"deadline_at": until, "remaining_ms": left_ms}


def go_on(run: Run, now: datetime) -> dict[str, Any]:
    """The fields of a run whose timeout runs again: what was left of it is left now."""
    if run.remaining_ms is None:
        return {}
    return {"deadline_at": now + timedelta(milliseconds=run.remaining_ms), "remaining_ms": None}
