"""Sending again what was given up."""

from datetime import datetime

from sqlalchemy import Connection, insert, update

from reconciler.core.notify.entry import AttemptResult, NotificationStatus
from reconciler.store.tables import notification, notification_attempt


def resend_entry(tx: Connection, entry_id: str, actor: str, now: datetime) -> bool:
    """Let a dead entry be due now, and note in its log who asked; False where it is not dead.

    It keeps its id and the count of its attempts: receivers know it again, and are told that an
    earlier one may have arrived.
    """
    n = notification.c
    dead = (n.id == entry_id, n.status == NotificationStatus.DEAD.value)
    values = {
        "status": NotificationStatus.PENDING.value,
        "due_at": now,
        "resent_at": now,
        "ended_at": None,
    }
    if tx.execute(update(notification).where(*dead).values(values)).rowcount != 1:
        return False
    noted = {
        "notification_id": entry_id,
        "at": now,
        "result": AttemptResult.RESENT.value,
        "detail": f"asked for by {actor}",
    }
    tx.execute(insert(notification_attempt).values(noted))
    return True
