"""When a message is tried again, and when it is given up (docs/notifications.md#again)."""

import hashlib
from datetime import datetime, timedelta

GIVE_UP_AFTER = timedelta(hours=24)
"""The age at which a message that could not be sent is dead."""
QUIET = timedelta(minutes=5)
"""A channel hears of one topic and kind once in this time."""
_FIRST, _LONGEST = timedelta(seconds=5), timedelta(minutes=15)


def next_attempt(
    entry_id: str, since: datetime, attempts: int, now: datetime, wait: float | None = None
) -> datetime | None:
    """The moment of the next attempt after `attempts` that failed; None where it is dead.

    `since` is when it happened, or was asked for again. `wait` are the seconds that the receiver
    asked for.
    """
    if now - since >= GIVE_UP_AFTER:
        return None
    pause = pause_after(entry_id, attempts)
    if wait is not None:
        pause = max(pause, timedelta(seconds=min(wait, 3600.0)))
    return min(now + pause, since + GIVE_UP_AFTER)


def pause_after(subject: str, times: int) -> timedelta:
    """The wait after something failed so many times.

    It doubles from 5 s to 15 minutes, and half of it depends on the subject: what failed together
    does not come back together.
    """
    longest = min(_LONGEST, _FIRST * (1 << min(times - 1, 20)))
    share = hashlib.sha256(f"{subject}/{times}".encode()).digest()[0] / 255
    return longest * (0.5 + share / 2)
