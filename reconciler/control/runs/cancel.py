"""Cancelling a run: a waiting one ends at once, an active one when its end is proven."""

from datetime import datetime, timedelta

from reconciler.control.runs.ending import finish
from reconciler.core.base.errors import Conflict, NotFound
from reconciler.core.runs.run import Failed, Reason, Run
from reconciler.store.engine.database import Tx
from reconciler.store.runs.runs import get_run, request_cancel


def cancel(tx: Tx, run_id: str, actor: str, now: datetime, cooldown: timedelta) -> Run:
    """Ask for the end of a run; return it as it is then. A second request changes nothing.

    Raises NotFound, and Conflict for a run that has ended.
    """
    run = _run(tx, run_id)
    if run.ended:
        raise Conflict(f"run {run_id} has ended already ({run.status})", reason="run-ended")
    note = f"cancelled by {actor}"
    ended = run.waiting and finish(
        tx, run, Failed(Reason.CANCELLED, note), now, cooldown=cooldown, unchanged=True
    )
    if not ended:  # active, or admitted since it was read
        request_cancel(tx, run_id, now, Reason.CANCELLED, note)
    return _run(tx, run_id)


def _run(tx: Tx, run_id: str) -> Run:
    run = get_run(tx, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    return run
