"""A deadline that passes while nothing but this server keeps a run waiting."""

from datetime import datetime, timedelta

from reconciler.core.runs.live import SpecTimes
from reconciler.core.runs.run import Run, WaitingFor
from reconciler.core.runs.turns import Turn, deadline_after_waiting
from reconciler.store.engine.database import Tx
from reconciler.store.objects.manifests import get_document
from reconciler.store.runs.conditions import as_read
from reconciler.store.runs.in_flight import count_in_flight
from reconciler.store.runs.runs import change_run
from reconciler.store.runs.workspace_turns import read_turns

RECHECK = timedelta(seconds=30)
"""How far the deadline of a run is put off that a worker could claim, had the server room."""


def put_off(tx: Tx, run: Run, max_active_runs: int, now: datetime) -> bool:
    """Move the deadline of a run that waits through no fault of its agent; False where it fails.

    A full server never fails a run of a healthy agent (docs/runs.md#room).
    """
    later = _deadline(tx, run, max_active_runs, now)
    if later is None or later <= now:
        return False
    return change_run(tx, run.id, {"deadline_at": later}, as_read(run))


def _deadline(tx: Tx, run: Run, max_active_runs: int, now: datetime) -> datetime | None:
    if run.admitted_at is None or run.deadline_at is None or run.lease_owner is not None:
        return None
    if run.waiting_for is WaitingFor.CLAIM:
        full = count_in_flight(tx).total() >= max_active_runs
        return now + RECHECK if full else None
    if run.waiting_for is not WaitingFor.AGENT:
        return None
    turn = read_turns(tx).get(run.workspace, Turn())
    timeout = timeout_of(tx, run)
    if timeout is None:
        return None
    return deadline_after_waiting(run.deadline_at, timeout, run.admitted_at, turn.held_since, now)


def timeout_of(tx: Tx, run: Run) -> timedelta | None:
    """The timeout of a run's manifest; None where somebody made that unreadable by hand."""
    try:
        return SpecTimes.of(get_document(tx, run.spec_digest)["spec"]).timeout
    except (AttributeError, LookupError, TypeError, ValueError):
        return None
