"""Rows that somebody edited by hand until nothing can be made of them: said, and left alone.

They drift, and the next apply of their source puts them back. Until then nothing is started of
them, and nobody else's work is held up.
"""

from collections.abc import Mapping

from reconciler.core.errors import Conflict, NotFound
from reconciler.core.live import LiveAutopilot
from reconciler.store.database import Tx
from reconciler.store.occupancy import lock_autopilots, read_live
from reconciler.store.switches import read_switches


def find_readable(tx: Tx, autopilot_id: str, *, lock: bool = False) -> LiveAutopilot | None:
    """The autopilot; None where there is none, or nothing can be made of its row."""
    read = lock_autopilots if lock else read_live
    live = read(tx, [autopilot_id]).get(autopilot_id)
    return live if live is not None and _is_sound(live) else None


def _is_sound(live: LiveAutopilot) -> bool:
    """Whether what the row says can be reckoned with: its JSON may hold anything by now."""
    policy = live.policy
    limits = [limit for limit in (policy.per_hour, policy.per_day) if limit is not None]
    numbers = [policy.max_concurrency, policy.max_active, policy.queue_limit, *limits]
    return (
        all(type(number) is int for number in (*numbers, live.pause_after_failures))
        and isinstance(live.key_expression or "", str)
        and isinstance(live.labels, Mapping)
    )


def readable(tx: Tx, autopilot_id: str, *, lock: bool = False) -> LiveAutopilot:
    """The autopilot. Raises NotFound, and Conflict where its row cannot be read."""
    live = find_readable(tx, autopilot_id, lock=lock)
    if live is not None:
        return live
    row = read_switches(tx, [autopilot_id]).get(autopilot_id)
    if row is None:
        raise NotFound(f"there is no autopilot {autopilot_id}")
    raise unreadable(f"Autopilot {row.workspace}/{row.name}")


def unreadable(what: str) -> Conflict:
    """What to say of such a row."""
    return Conflict(
        f"the row of {what} was edited by hand and cannot be read; `reconciler drift` shows it, "
        "and applying its source puts it back",
        reason="row-unreadable",
    )
