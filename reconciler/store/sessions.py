"""Sessions of the dashboard that were ended before their time, so that every server knows."""

from datetime import datetime

from sqlalchemy import delete, insert, select

from reconciler.store.engine.backend import Tx
from reconciler.store.tables import ended_session

_E = ended_session.c


def end_session(tx: Tx, session_id: str, expires_at: datetime, now: datetime) -> None:
    """End a session; one that has ended stays so. Rows that say nothing any more are deleted."""
    tx.execute(delete(ended_session).where(_E.expires_at <= now))
    if not is_ended(tx, session_id):
        tx.execute(insert(ended_session).values(id=session_id, expires_at=expires_at))


def is_ended(tx: Tx, session_id: str) -> bool:
    """Whether somebody logged out of this session."""
    return tx.execute(select(_E.id).where(_E.id == session_id)).first() is not None
