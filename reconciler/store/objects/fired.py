"""When webhook and api triggers last fired; of schedules it is noted with their cursors."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from reconciler.store.engine.batches import IDS, alike
from reconciler.store.tables import autopilot_trigger

_T = autopilot_trigger.c
_FREE = select(_T.id).where(_T.id.in_(IDS)).with_for_update(skip_locked=True)
_FIRED = update(autopilot_trigger).where(_T.id.in_(_FREE)).values(last_fired_at=bindparam("at"))


def save_fired(tx: Connection, moments: Mapping[str, datetime]) -> None:
    """Note when each trigger last fired.

    On PostgreSQL a row that an apply holds is passed over: it takes triggers before autopilots, and
    whoever admits runs holds the autopilots already, so each would wait for the other.
    """
    for moment, ids in alike(moments):
        tx.execute(_FIRED, {"ids": ids, "at": moment})
