"""The page of one run: what happened when, why, what came in and what came out."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from reconciler.control.runs.cancel import cancel
from reconciler.core.runs.run import Run, Status, WaitingFor
from reconciler.core.runs.view import duration_ms
from reconciler.store.engine.database import Tx
from reconciler.web.api.runs import require_run
from reconciler.web.pages.rendering import shown_json
from reconciler.web.pages.serving import Visit, see_other

WAITING = {
    WaitingFor.QUEUE: "Waits in the queue until a run before it ends",
    WaitingFor.REPLACE: "Waits for the proof that the run it replaces has ended",
    WaitingFor.AGENT: "Waits until its agent takes more work",
    WaitingFor.CLAIM: "Waits until a worker claims it",
    WaitingFor.QUOTA: "Waits until its agent's quota is renewed",
    WaitingFor.RETRY: "Waits for its next attempt",
    WaitingFor.APPROVAL: "Waits until somebody approves or rejects what its agent asks",
}
_ENDS = {
    Status.COMPLETED: "Completed",
    Status.FAILED: "Failed",
    Status.SKIPPED: "Skipped",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One moment of a run's life."""

    at: datetime
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A payload or result as text; `cut` says that there is more."""

    text: str
    cut: bool


async def show(visit: Visit) -> Response:
    """One run."""
    run_id = visit.path["id"].lower()
    run = await visit.context.database.aread(lambda tx: require_run(tx, run_id, visit.caller))
    return visit.page(
        "run.html",
        run=run,
        events=sorted(_events(run), key=lambda event: event.at),
        took=duration_ms(run),
        waiting=WAITING.get(run.waiting_for) if run.waiting_for else None,
        payload=_part(run.payload),
        result=_part(run.result),
    )


def _part(value: object) -> Part | None:
    return None if value is None else Part(*shown_json(value))


def _events(run: Run) -> Iterator[Event]:
    """The history, from what the run itself recorded."""
    yield Event(run.triggered_at, "Triggered", _trigger(run))
    if run.admitted_at:
        yield Event(run.admitted_at, "Admitted", "forced past the policy" if run.forced else "")
    if run.started_at:
        yield Event(run.started_at, "Started", f"by agent {run.agent}" if run.agent else "")
    if run.cancel_requested_at:
        yield Event(run.cancel_requested_at, "Asked to stop", run.cancel_note or "")
    if run.completed_at:
        yield Event(run.completed_at, _ENDS[run.status], run.failure_reason or "")


def _trigger(run: Run) -> str:
    by = f" by {run.actor}" if run.actor else ""
    return f"{run.source}{f' trigger {run.trigger}' if run.trigger else ''}{by}"


async def stop(visit: Visit) -> Response:
    """Ask for the end of a run."""
    context, run_id = visit.context, visit.path["id"].lower()

    def write(tx: Tx) -> Run:
        require_run(tx, run_id, visit.caller)
        now, cooldown = context.database.now(tx), context.settings.breaker_cooldown
        return cancel(tx, run_id, visit.caller.name, now, cooldown)

    await context.database.awrite(write)
    return see_other(f"/runs/{run_id}")
