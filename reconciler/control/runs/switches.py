"""The runtime switch: pause and resume, beside `spec.status` (docs/runs.md#in-force-or-not)."""

from datetime import datetime

from reconciler.control.runs.correct import bring_back_schedules, settle_due, work_out_next
from reconciler.control.runs.restart import restart_stalled
from reconciler.core.base.errors import NotFound
from reconciler.core.runs.standing import Switches
from reconciler.store.engine.database import Tx
from reconciler.store.runs.ahead import bring_back_noted
from reconciler.store.runs.occupancy import save_pause, save_resume
from reconciler.store.runs.switches import read_switches


def pause(tx: Tx, autopilot_id: str, actor: str, reason: str | None, now: datetime) -> None:
    """Stop taking work; active runs finish. Pausing again keeps the first moment and reason."""
    if _hold(tx, autopilot_id).paused_at is None:
        settle_due(tx, autopilot_id, now, "it was paused before a server decided")
        save_pause(tx, autopilot_id, now, actor, reason)


def resume(tx: Tx, autopilot_id: str, now: datetime) -> None:
    """Lift the runtime pause and the breaker; occurrences up to now never start.

    Schedules that are stalled, or that a wrong clock left in the future, are put right as well.
    """
    switches = _hold(tx, autopilot_id)
    bring_back_noted(tx, now, now, [autopilot_id])
    bring_back_schedules(tx, now, [autopilot_id])
    work_out_next(tx, now, [autopilot_id])
    restart_stalled(tx, now, [autopilot_id])
    if switches.paused_at is not None or switches.breaker_opened_at is not None:
        save_resume(tx, autopilot_id, now)


def _hold(tx: Tx, autopilot_id: str) -> Switches:
    row = read_switches(tx, [autopilot_id], lock=True).get(autopilot_id)
    if row is None:
        raise NotFound(f"there is no autopilot {autopilot_id}")
    return row.switches
