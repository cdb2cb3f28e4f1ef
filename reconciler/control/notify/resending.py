"""Sending a notification again that was given up (docs/notifications.md#again)."""

from datetime import datetime

from reconciler.core.base.errors import Conflict, NotFound
from reconciler.core.notify.entry import Entry
from reconciler.store.engine.database import Tx
from reconciler.store.notify.lists import get_entry
from reconciler.store.notify.resend import resend_entry


def resend(tx: Tx, entry_id: str, actor: str, now: datetime) -> Entry:
    """Have a dead notification sent again by any server, as if it had happened now.

    Raises NotFound, and Conflict where it is not dead: what waits is tried again by itself, and
    what was sent is not repeated.
    """
    was_dead = resend_entry(tx, entry_id, actor, now)
    entry = get_entry(tx, entry_id)
    if entry is None:
        raise NotFound(f"there is no notification {entry_id}")
    if not was_dead:
        message = f"notification {entry_id} is {entry.status}; only dead ones are sent again"
        raise Conflict(message, reason="not-dead")
    return entry
