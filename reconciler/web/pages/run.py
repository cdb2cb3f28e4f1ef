"""The page of one run: what happened when, why, what came in and what came out."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from reconciler.control.access.secrets import SecretStore
from reconciler.control.runs.approving import decide
from reconciler.control.runs.cancel import cancel
from reconciler.control.runs.rerun import rerun
from reconciler.core.access.roles import Role
from reconciler.core.base.errors import Conflict
from reconciler.core.base.invisible import one_line
from reconciler.core.runs.approval import Decision
from reconciler.core.runs.run import Run, Status, WaitingFor
from reconciler.core.runs.view import duration_ms
from reconciler.dispatch.base import Elsewhere, Written
from reconciler.store.engine.database import Tx
from reconciler.store.objects.manifests import get_document
from reconciler.store.objects.overview import get_overview
from reconciler.store.runs.approvals import last_approval
from reconciler.web.api.runs import require_run
from reconciler.web.models.autopilot import condition_at
from reconciler.web.pages.autopilots.trouble import Trouble, trouble_of
from reconciler.web.pages.history import history, working_since
from reconciler.web.pages.results.result import part_of, shown_result
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
LONGEST_EXPRESSION = 200
"""Characters of an expression that the history quotes."""
OUTPUT_DEADLINE = 2.0
"""Seconds that the page waits for what the agent has written so far."""


@dataclass(frozen=True, slots=True)
class Live:
    """What the agent has written; `position` is where a stream goes on, `host` where it is."""

    text: str = ""
    position: str = ""
    cut: bool = False
    host: str | None = None


async def show(visit: Visit) -> Response:
    """One run."""
    run = await _run(visit)
    moment = (visit.context.clock.now(), visit.context.secret_store)
    asked, expected, trouble = await visit.context.database.aread(
        lambda tx: (last_approval(tx, run.id), _expected(tx, run), _trouble(tx, run, *moment))
    )
    live = await _live(visit, run) if visit.caller.may(Role.OPERATOR) else None
    payload, result = await asyncio.to_thread(_parts, run)
    return visit.page(
        "run.html",
        no_store=run.ended and visit.caller.may(Role.OPERATOR),
        run=run,
        events=history(run, asked, expected),
        asked=asked,
        since=working_since(run),
        took=duration_ms(run),
        waiting=_waiting(run),
        payload=payload,
        result=result,
        live=live,
        trouble=trouble,
    )


def _trouble(tx: Tx, run: Run, now: datetime, secrets: SecretStore) -> Trouble | None:
    """How the autopilot of a run that failed fares now: since when, and whose change it was."""
    if run.status is not Status.FAILED:
        return None
    overview = get_overview(tx, run.autopilot_id)
    if overview is None:
        return None
    condition = condition_at(overview, now, secrets)
    return trouble_of(tx, overview, condition) if condition.needs_attention else None


def _expected(tx: Tx, run: Run) -> str | None:
    """What the run's result is judged by, in words."""
    spec = get_document(tx, run.spec_digest)["spec"]
    if expression := spec.get("expect"):
        return f"expect {one_line(str(expression), LONGEST_EXPRESSION)}"
    return "the expected schema" if spec.get("resultSchema") else None


def _waiting(run: Run) -> str | None:
    """What keeps it from its agent; None for one that waits for nothing."""
    if run.precheck_due and run.precheck_handle is not None and not run.ended:
        return "Its precheck runs, and says whether there is anything to do"
    return WAITING.get(run.waiting_for) if run.waiting_for else None


def _parts(run: Run) -> tuple[object, object]:
    """Rendering takes a moment for what somebody made to be slow."""
    return part_of(run.payload), None if run.result is None else shown_result(run.result)


async def _live(visit: Visit, run: Run) -> Live | None:
    """What there is to show of the output; None where nothing can be told, or the result has it."""
    if run.ended and isinstance(run.result, str):
        return None
    try:
        async with asyncio.timeout(OUTPUT_DEADLINE):
            written = await visit.context.output(run, None)
    except TimeoutError:
        return None
    match written:
        case Written(text, position, cut):
            return Live(text, position, cut)
        case Elsewhere(host):
            return Live(host=host)
        case _:
            return None


async def stop(visit: Visit) -> Response:
    """Ask for the end of a run, then show it: also one that has ended meanwhile."""
    context, run_id = visit.context, visit.path["id"].lower()

    def write(tx: Tx) -> Run:
        require_run(tx, run_id, visit.caller)
        now, cooldown = context.database.now(tx), context.settings.breaker_cooldown
        return cancel(tx, run_id, visit.caller.name, now, cooldown)

    try:
        await context.database.awrite(write)
    except Conflict as error:
        if error.reason != "run-ended":
            raise
    return see_other(f"/runs/{run_id}")


async def approve(visit: Visit) -> Response:
    """Allow what the agent asks for."""
    return await _decide(visit, Decision.APPROVED)


async def reject(visit: Visit) -> Response:
    """Refuse what the agent asks for."""
    return await _decide(visit, Decision.REJECTED)


async def _decide(visit: Visit, decision: Decision) -> Response:
    context, run_id = visit.context, visit.path["id"].lower()

    def write(tx: Tx) -> Run:
        require_run(tx, run_id, visit.caller)
        # A form without it has not shown any question, and answers none.
        question, now = visit.form.get("question", ""), context.database.now(tx)
        return decide(tx, run_id, decision, visit.caller.name, now, question=question)

    await context.database.awrite(write)
    context.notify()
    return see_other(f"/runs/{run_id}")


async def again(visit: Visit) -> Response:
    """Start a run with the trigger and the payload of this one, then show it."""
    run = await _run(visit)
    made = await asyncio.to_thread(
        rerun, visit.context.launcher, run.id, visit.caller.name, visit.idempotency_key
    )
    return see_other(f"/runs/{made.id}")


async def _run(visit: Visit) -> Run:
    run_id = visit.path["id"].lower()
    return await visit.context.database.aread(lambda tx: require_run(tx, run_id, visit.caller))
