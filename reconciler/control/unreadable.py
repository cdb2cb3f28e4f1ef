"""Rows that were edited by hand and can no longer be read: reported, and left alone.

They show as drift, and the next apply of their source restores them. Until then nothing of them is
started, and no other work is held up.
"""

from reconciler.core.base.errors import Conflict, NotFound
from reconciler.core.runs.live import LiveAutopilot
from reconciler.store.engine.database import Tx
from reconciler.store.runs.occupancy import lock_autopilots, read_live
from reconciler.store.runs.switches import read_switches


def find_readable(tx: Tx, autopilot_id: str, *, lock: bool = False) -> LiveAutopilot | None:
    """Return the autopilot; None where it does not exist or its row cannot be read."""
    read = lock_autopilots if lock else read_live
    return read(tx, [autopilot_id]).get(autopilot_id)


def readable(tx: Tx, autopilot_id: str, *, lock: bool = False) -> LiveAutopilot:
    """Return the autopilot. Raises NotFound, and Conflict where its row cannot be read."""
    live = find_readable(tx, autopilot_id, lock=lock)
    if live is not None:
        return live
    row = read_switches(tx, [autopilot_id]).get(autopilot_id)
    if row is None:
        raise NotFound(f"there is no autopilot {autopilot_id}")
    raise unreadable(f"Autopilot {row.workspace}/{row.name}")


def unreadable(what: str) -> Conflict:
    """Return the error for such a row."""
    return Conflict(
        f"the row of {what} was edited by hand and cannot be read; `reconciler drift` shows it, "
        "and applying its source puts it back",
        reason="row-unreadable",
    )
