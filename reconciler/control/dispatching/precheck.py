"""The precheck of a run: begun before any agent is asked, settled by its answer, stopped.

The run stays `pending` and leased meanwhile. The program's handle is on the row before it runs, so
that whoever takes the run over goes on with the same program; its verdict is on the row before the
agent is asked, so that no attempt asks it again (docs/runs.md#precheck).
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from reconciler.control.dispatching.context import LeaseLost, RunnerContext
from reconciler.control.dispatching.jobs import (
    build_precheck,
    precheck_handle_of,
    precheck_record,
    read_brief,
)
from reconciler.core.base.units import parse_duration
from reconciler.core.manifest.fields import format_instant
from reconciler.core.runs.key import with_note
from reconciler.core.runs.precheck import (
    GoOn,
    NothingToDo,
    last_line,
    passed_record,
    precheck_failed,
    verdict_of,
)
from reconciler.core.runs.retry import TARGET_PAUSE
from reconciler.core.runs.run import Failed, Outcome, Reason, Run, WaitingFor
from reconciler.dispatch.base import (
    Ended,
    Handle,
    Job,
    Started,
    Stop,
    Stopped,
    Stopping,
    TargetDown,
    Transient,
)
from reconciler.store.engine.database import Tx
from reconciler.store.objects.manifests import get_document
from reconciler.store.runs.conditions import leased
from reconciler.store.runs.leases import wait_on
from reconciler.store.runs.runs import change_run, get_run

log = structlog.get_logger(__name__)


async def begin_precheck(runner: RunnerContext, run: Run) -> Run | bool:
    """Begin the precheck of a leased run, or take over the one that an earlier server began.

    Return the run where its agent is to be asked now, else whether something has changed. Raises
    LeaseLost.
    """
    job = await precheck_job(runner, run)
    if job is None:
        return await _wait(runner, run)
    match await runner.runtimes.prechecks.start(job, _recorder(runner, run)):
        case Started():
            return True
        case Ended(outcome):
            return await settle_precheck(runner, run, outcome)
        case Transient(message) | TargetDown(message) if job.handle is None:
            failed = Failed(Reason.PRECHECK_FAILED, message)
            return await settle_precheck(runner, run, failed)
        case _:  # it may be alive where this server cannot see it: on another host
            return await _wait(runner, run)


async def settle_precheck(runner: RunnerContext, run: Run, outcome: Outcome) -> Run | bool:
    """Record what a precheck answered; see `begin_precheck` for what is returned."""
    if isinstance(outcome, Failed):
        return await runner.end(run, precheck_failed(outcome))
    match verdict_of(outcome.result):
        case NothingToDo() as nothing:
            return await runner.end(run, nothing)
        case GoOn(output):
            return await _pass(runner, run, output)


async def stop_precheck(runner: RunnerContext, run: Run) -> Stop:
    """Stop the program of a precheck; `Stopped` only on proof."""
    handle = precheck_handle_of(run)
    if handle is None:  # nothing of it was executed: its gate opens once the handle is recorded
        return Stopped()
    job = await precheck_job(runner, run)
    if job is None:
        return Stopping(f"agent {run.workspace}/{run.agent} does not exist any more")
    return await runner.runtimes.prechecks.stop(job, handle)


async def end_overdue(runner: RunnerContext, run: Run) -> bool:
    """Stop a precheck that took too long, and fail its run once nothing of it is alive."""
    current = await runner.database.aread(lambda tx: get_run(tx, run.id))
    if current is None or current.lease_owner != runner.owner or not current.precheck_due:
        return False
    if not isinstance(await stop_precheck(runner, current), Stopped):
        return False
    job = runner.prechecks.get(run.id)
    name = getattr(job.runtime, "program", "it") if job is not None else "it"
    failed = Failed(Reason.PRECHECK_FAILED, f"{name} did not end within its timeout")
    return await runner.end(current, precheck_failed(failed))


async def precheck_job(runner: RunnerContext, run: Run) -> Job | None:
    """The job of a run's precheck; None where its agent does not exist any more."""
    if run.id not in runner.prechecks:
        agent = run.agent
        if agent is None:
            return None
        brief = await runner.database.aread(lambda tx: read_brief(tx, run.id, run.workspace, agent))
        if brief is None:
            return None
        runner.prechecks[run.id] = build_precheck(brief)
    job = runner.prechecks[run.id]
    return replace(job, handle=precheck_handle_of(run), attempt=run.attempts)


def _recorder(runner: RunnerContext, run: Run) -> Callable[[Handle], Awaitable[None]]:
    """What is awaited before the program has any effect: the handle is on the row."""

    async def record(handle: Handle) -> None:
        def write(tx: Tx) -> bool:
            now = runner.database.now(tx)
            until = now + _timeout(tx, run)
            if run.deadline_at is not None:
                until = min(until, run.deadline_at)
            values = {"precheck_handle": precheck_record(handle, now, until), "waiting_for": None}
            # See `start._recorder`: an owner whose lease has expired must not begin.
            return change_run(tx, run.id, values, leased(run, runner.owner, now))

        if not await runner.database.awrite(write):
            raise LeaseLost(run.id)

    return record


def _timeout(tx: Tx, run: Run) -> timedelta:
    return parse_duration(get_document(tx, run.spec_digest)["spec"]["precheck"]["timeout"])


async def _pass(runner: RunnerContext, run: Run, output: str) -> Run | bool:
    """Record that there is something to do, then let go of the program."""

    def write(tx: Tx) -> Run | None:
        now = runner.database.now(tx)
        current = get_run(tx, run.id)
        if current is None:
            return None
        values: dict[str, Any] = {
            "precheck_due": False,
            "precheck_handle": passed_record(current.precheck_handle, now),
            "context": {**(current.context or {}), "precheck": output},
            "note": with_note(current, _note(output, now)),
        }
        passed = change_run(tx, run.id, values, leased(run, runner.owner, now))
        return replace(current, **values) if passed else None

    passed = await runner.database.awrite(write)
    if passed is None:
        raise LeaseLost(run.id)
    log.info("precheck passed", run=run.id, autopilot=run.autopilot_id)
    job, handle = runner.prechecks.pop(run.id, None), precheck_handle_of(run)
    if job is not None and handle is not None:
        await runner.runtimes.prechecks.release(job, handle)
    return passed


def _note(output: str, now: datetime) -> str:
    line = last_line(output)
    return f"precheck at {format_instant(now)}: go on{f', {line}' if line else ''}"


async def _wait(runner: RunnerContext, run: Run) -> bool:
    """Try again later what cannot be seen from here now."""

    def write(tx: Tx) -> bool:
        now = runner.database.now(tx)
        at = now + TARGET_PAUSE
        return wait_on(tx, run, runner.owner, now, WaitingFor.RETRY, at)

    return await runner.database.awrite(write)
