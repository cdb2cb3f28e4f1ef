"""Starting runs: what was leased is given to its agent, and what came of it is recorded."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from reconciler.control.access.secrets import SecretMissing
from reconciler.control.dispatching.context import InUse, LeaseLost, RunnerContext
from reconciler.control.dispatching.ended import end_work
from reconciler.control.dispatching.precheck import begin_precheck
from reconciler.control.dispatching.quota import put_back
from reconciler.control.dispatching.stop import stop
from reconciler.core.manifest.model import ExecutionMode, Retry
from reconciler.core.runs.key import wait_note
from reconciler.core.runs.retry import (
    TARGET_PAUSE,
    GiveUp,
    HoldUntil,
    RetryAt,
    TargetDown,
    Transient,
    after_failure,
    backoff,
)
from reconciler.core.runs.run import Failed, Run, Status, WaitingFor
from reconciler.dispatch.base import AwaitClaim, Ended, Handle, Start, Started
from reconciler.store.engine.database import Tx
from reconciler.store.objects.agents import mark_unavailable
from reconciler.store.objects.manifests import get_document
from reconciler.store.runs.conditions import leased
from reconciler.store.runs.leases import free_held, give_back, wait_on
from reconciler.store.runs.runs import get_run, request_cancel
from reconciler.store.runs.starting import Step

log = structlog.get_logger(__name__)

_AGAIN = Retry(backoff=TARGET_PAUSE)
"""Between two starts of a run that failed in this process; a manifest says it of its agent."""


@dataclass(slots=True)
class _Recorded:
    """What the rows of one attempt have of its handles until now."""

    session_id: str | None
    dispatched: bool = False

    def moments(self, handle: Handle) -> tuple[str, ...]:
        """Return the fields of the moments that come with a handle: the first is the dispatch."""
        dispatched = () if self.dispatched else ("dispatched_at",)
        is_new = handle.session_id not in (None, self.session_id)
        return (*dispatched, "session_at") if is_new else dispatched

    def note(self, handle: Handle) -> None:
        """Remember what was written: a transaction may be tried more than once."""
        self.dispatched, self.session_id = True, handle.session_id


async def start(runner: RunnerContext, run: Run) -> bool:
    """Give one leased run to its agent, and record what came of it; False if the lease is lost."""
    try:
        if run.precheck_due:
            settled = await begin_precheck(runner, run)
            if not isinstance(settled, Run):
                return settled
            run = settled
        recorded = _Recorded(run.session_id)
        result = await _start(runner, run, recorded)
        return await _record_start(runner, run, result, recorded)
    except LeaseLost:
        log.warning("lease lost while starting", run=run.id)
        return False


async def _start(runner: RunnerContext, run: Run, recorded: _Recorded) -> Start:
    try:
        job = await (runner.job(run) if run.handle else runner.fresh_job(run))
    except SecretMissing as error:
        return Transient(str(error))
    except InUse as error:
        return TargetDown(str(error))
    if job is None:
        return TargetDown(f"agent {run.workspace}/{run.agent} does not exist any more")
    return await runner.runtimes.start(job, _recorder(runner, run, job.mode, recorded))


def _recorder(
    runner: RunnerContext, run: Run, mode: ExecutionMode, recorded: _Recorded
) -> Callable[[Handle], Awaitable[None]]:
    """What a runtime awaits before the work has any effect: the handle is on the row."""
    reached = Status.SESSION_CREATED if mode is ExecutionMode.CREATE_SESSION else Status.RUNNING

    async def record(handle: Handle) -> None:
        values = {**_leading_to(handle), "waiting_for": None}
        step = Step(run, values, reached, stamps=recorded.moments(handle))
        if not await runner.take_step(step):
            raise LeaseLost(run.id)
        recorded.note(handle)

    return record


def _leading_to(handle: Handle) -> dict[str, Any]:
    return {"handle": dict(handle.detail), "session_id": handle.session_id}


async def _record_start(
    runner: RunnerContext, run: Run, result: Start, recorded: _Recorded
) -> bool:
    match result:
        case Started(handle):
            # Written already, unless the runtime records no handle of its own or has made it anew.
            leading, stamps = _leading_to(handle), recorded.moments(handle)
            await runner.take_step(Step(run, {}, Status.RUNNING, leading, stamps))
            log.info("run started", run=run.id, agent=run.agent, session=handle.session_id)
            return True
        case Ended() as ended:
            return await end_work(runner, run, ended)
        case AwaitClaim():
            now, claim = runner.database.now, WaitingFor.CLAIM
            return await runner.database.awrite(
                lambda tx: wait_on(tx, run, runner.owner, now(tx), claim, None)
            )
        case Transient() | TargetDown():
            return await _try_again(runner, run, result)


async def _try_again(runner: RunnerContext, run: Run, failure: Transient | TargetDown) -> bool:
    """Wait for the next attempt, or give up: then the run is stopped before it ends.

    That an attempt failed is no proof that nothing began: its answer may have been lost.
    """

    def write(tx: Tx) -> GiveUp | bool:
        now = runner.database.now(tx)
        spec = get_document(tx, run.spec_digest)["spec"]
        policy = Retry.model_validate(spec["retry"])
        deadline = run.deadline_at or now
        # Judged by the moment of the transaction: the answer may have come just past the deadline.
        match after_failure(policy, run.attempts, failure, now, deadline):
            case GiveUp(outcome):
                return _asked_to_stop(tx, runner, run, outcome, now)
            case HoldUntil() as held:
                put = put_back(tx, run, runner.owner, held, now)
                return put if isinstance(put, bool) else _asked_to_stop(tx, runner, run, put, now)
            case RetryAt(at):
                return _wait_until(tx, runner, run, failure, at, now)

    log.warning("run not started", run=run.id, agent=run.agent, why=failure.message)
    if isinstance(failure, TargetDown) and failure.in_the_way is not None:
        await _clear_the_way(runner, failure.in_the_way)
    written = await runner.database.awrite(write)
    return await stop(runner, run) if isinstance(written, GiveUp) else written


async def begin_again(runner: RunnerContext, run: Run, why: str) -> bool:
    """Give back a run whose start failed in this process, for another attempt after a while.

    The attempt is used up: something of it may have reached the agent, and the next one looks.
    """

    def write(tx: Tx) -> bool:
        now = runner.database.now(tx)
        at = now + backoff(_AGAIN, run.attempts)
        note = wait_note(f"its start failed: {why}")
        return give_back(tx, run, runner.owner, now, at, note)

    return await runner.database.awrite(write)


def _asked_to_stop(
    tx: Tx, runner: RunnerContext, run: Run, why: Failed, now: datetime
) -> GiveUp | bool:
    held = leased(run, runner.owner, now)
    asked = request_cancel(tx, run.id, now, why.reason, why.message, held)
    return GiveUp(why) if asked else False


async def _clear_the_way(runner: RunnerContext, run_id: str) -> None:
    """Release what an ended run left behind where it holds the place of this one."""
    left = await runner.database.aread(lambda tx: get_run(tx, run_id))
    if left is None or not left.ended or left.agent is None:
        return
    job = await runner.job(left)
    if job is not None:
        await runner.let_go(left)


def _wait_until(
    tx: Tx,
    runner: RunnerContext,
    run: Run,
    failure: Transient | TargetDown,
    at: datetime,
    now: datetime,
) -> bool:
    """An agent that is down uses up no attempt, and is left alone for a while by all its runs."""
    owner = runner.owner
    if isinstance(failure, Transient):
        return wait_on(tx, run, owner, now, WaitingFor.RETRY, at)
    attempts, note = run.attempts - 1, wait_note(failure.message)
    free_held(tx, run.id)
    waits = wait_on(tx, run, owner, now, WaitingFor.AGENT, at, attempts=attempts, note=note)
    if waits and run.agent is not None:
        until = now + TARGET_PAUSE
        mark_unavailable(tx, run.workspace, run.agent, until, failure.message)
    return waits
