"""A run once more: the same trigger and payload, today's manifest, the same admission."""

from reconciler.control.runs.launch import Launcher, Order
from reconciler.core.base.errors import NotFound
from reconciler.core.runs.run import Run
from reconciler.store.runs.runs import get_run


def rerun(launcher: Launcher, run_id: str, actor: str, idempotency_key: str | None = None) -> Run:
    """Start a run that repeats another one and names it. Blocks; call it from a thread.

    Raises NotFound where the run or its trigger is gone, and as `Launcher.launch`.
    """
    run = launcher.database.read(lambda tx: get_run(tx, run_id))
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    return launcher.launch(
        Order(
            autopilot_id=run.autopilot_id,
            trigger=run.trigger_id,
            payload=run.payload,
            actor=actor,
            idempotency_key=idempotency_key,
            rerun_of=run.id,
        )
    )
