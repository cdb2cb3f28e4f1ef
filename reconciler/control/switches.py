"""The runtime switch: pause and resume, beside `spec.status` (contract 6)."""

from datetime import datetime

from reconciler.core.errors import NotFound
from reconciler.core.live import LiveAutopilot
from reconciler.store.database import Tx
from reconciler.store.occupancy import lock_autopilots, save_pause, save_resume


def pause(tx: Tx, autopilot_id: str, actor: str, reason: str | None, now: datetime) -> None:
    """Stop taking work; active runs finish. Pausing again keeps the first moment and reason."""
    live = _hold(tx, autopilot_id)
    if live.switches.paused_at is None:
        save_pause(tx, autopilot_id, now, actor, reason)


def resume(tx: Tx, autopilot_id: str, now: datetime) -> None:
    """Lift the runtime pause and the breaker; occurrences up to now never start."""
    switches = _hold(tx, autopilot_id).switches
    if switches.paused_at is not None or switches.breaker_opened_at is not None:
        save_resume(tx, autopilot_id, now)


def _hold(tx: Tx, autopilot_id: str) -> LiveAutopilot:
    live = lock_autopilots(tx, [autopilot_id]).get(autopilot_id)
    if live is None:
        raise NotFound(f"there is no autopilot {autopilot_id}")
    return live
