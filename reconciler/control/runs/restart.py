"""Stalled triggers tried again at start, on resume and on apply: docs/time.md#stalled-triggers."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from reconciler.control.runs.correct import can_be_decided, next_of
from reconciler.store.engine.database import Database, Tx
from reconciler.store.objects.stored_schedules import (
    StoredSchedule,
    schedule_anew,
    stalled_schedules,
)
from reconciler.store.runs.missed import close_stalled
from reconciler.store.runs.occupancy import read_live

log = structlog.get_logger(__name__)


def restart_once(database: Database, autopilot_ids: Sequence[str] | None = None) -> list[str]:
    """Restart stalled triggers whose cause is gone; return their ids."""
    if not database.read(lambda tx: _restartable(tx, database.now(tx), autopilot_ids)):
        return []
    return database.write(lambda tx: restart_stalled(tx, database.now(tx), autopilot_ids))


def restart_stalled(tx: Tx, now: datetime, autopilot_ids: Sequence[str] | None = None) -> list[str]:
    """Let stalled triggers that can be decided again go on from `now`; return their ids.

    The cursor moves to `now` with them: what they missed is recorded, and deciding it once more
    would fail on that record.
    """
    schedules = _restartable(tx, now, autopilot_ids, lock=True)
    close_stalled(tx, [schedule.id for schedule in schedules], now)
    for schedule in schedules:
        schedule_anew(tx, schedule.id, now, next_of(schedule, now))
        log.info("stalled trigger restarted", trigger=schedule.id, was=schedule.stalled_reason)
    return [schedule.id for schedule in schedules]


def _restartable(
    tx: Tx, now: datetime, autopilot_ids: Sequence[str] | None, *, lock: bool = False
) -> list[StoredSchedule]:
    stalled = stalled_schedules(tx, autopilot_ids, lock=lock)
    lives = read_live(tx, [schedule.autopilot_id for schedule in stalled])
    return [
        schedule
        for schedule in stalled
        if schedule.autopilot_id in lives and can_be_decided(schedule, now)
    ]
