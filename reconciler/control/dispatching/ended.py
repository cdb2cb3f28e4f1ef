"""The work of a run is over: the run ends, or waits to begin anew where its agent has no quota."""

import asyncio
from dataclasses import replace
from datetime import datetime

import structlog

from reconciler.control.access.secrets import SecretMissing
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.quota import exhausted_until, hold_agent, put_back
from reconciler.control.dispatching.stop import why_stopped
from reconciler.control.runs.unjudged import kept_result
from reconciler.core.runs.expectation import Unjudged, never_judged
from reconciler.core.runs.run import Failed, Outcome, Run
from reconciler.dispatch.base import Ended, Exhausted, Handle
from reconciler.store.engine.database import Tx
from reconciler.store.runs.conditions import owned_by
from reconciler.store.runs.leases import held_by
from reconciler.store.runs.runs import change_run

log = structlog.get_logger(__name__)

ROUND_SECONDS = 5.0
"""How long one round goes on judging what could not be judged before."""


async def end_work(runner: RunnerContext, run: Run, ended: Ended) -> bool:
    """Record what came of the work; return whether anything changed.

    An agent that is out of quota is left alone by all its runs. One of which it did nothing waits
    for it; one that it had begun has failed, which says nothing about the autopilot.
    """
    exhausted = ended.exhausted
    if exhausted is None or run.cancel_requested_at is not None:
        await _name(runner, run, ended.session_id)
        return await runner.end(run, _as_asked(run, ended.outcome))
    if not exhausted.untouched:
        await _name(runner, run, ended.session_id)
        await runner.database.awrite(lambda tx: _hold(tx, runner, run, exhausted))
        return await runner.end(run, ended.outcome, counts=False)
    outcome = await _wait(runner, run, exhausted)
    return await runner.end(run, outcome) if isinstance(outcome, Failed) else outcome


def _as_asked(run: Run, outcome: Outcome) -> Outcome:
    """The outcome of a run; of one that was asked to stop, and has not completed, why it was asked.

    Its program was killed by us, perhaps by a server that died before it could record that.
    """
    if run.cancel_requested_at is None or not isinstance(outcome, Failed):
        return outcome
    return replace(why_stopped(run), result=outcome.result, usage=outcome.usage, note=outcome.note)


async def judge_again_once(runner: RunnerContext) -> list[str]:
    """Judge what could not be judged before; return the ids of the runs that ended.

    Before the round that stops what is overdue: at its deadline a run whose agent is done ends as
    what it is, and is not stopped. Each may wait for a process: what a round has no time for comes
    first in the next one, since whoever failed again is last.
    """
    if not runner.unjudged:
        return []
    held = {
        run.id: run for run in await runner.database.aread(lambda tx: held_by(tx, runner.owner))
    }
    now, ended = await runner.now(), list[str]()
    clock = asyncio.get_running_loop().time
    until = clock() + ROUND_SECONDS
    for run_id, unjudged in [*runner.unjudged.items()]:
        if clock() >= until:
            break
        run = held.get(run_id)
        if run is None:  # it has ended, or another server goes on with it
            runner.unjudged.pop(run_id, None)
        elif _is_due(run, unjudged, now):
            with runner.apart(run):
                ended += [run_id] if await _judge_again(runner, run, unjudged, now) else []
    return ended


async def recall(runner: RunnerContext, run: Run, again_at: datetime) -> None:
    """Take up a result that was kept, and that its server, or a call of the API, did not judge.

    With the job of its run, so that what is left of the work is released at the end.
    """
    done = await runner.database.aread(lambda tx: kept_result(tx, run.id))
    if done is None:
        return
    try:
        await runner.job(run)
    except SecretMissing as error:
        log.warning("nothing of the run can be released", run=run.id, why=str(error))
    if run.deadline_at is not None:
        again_at = min(again_at, run.deadline_at)
    runner.unjudged[run.id] = Unjudged(done, "nobody has judged the result", 0, again_at)


def _is_due(run: Run, unjudged: Unjudged, now: datetime) -> bool:
    return run.cancel_requested_at is not None or now >= unjudged.again_at


async def _judge_again(runner: RunnerContext, run: Run, unjudged: Unjudged, now: datetime) -> bool:
    done = unjudged.outcome
    if run.cancel_requested_at is not None:  # nothing has to be stopped: its agent is done
        why = why_stopped(run)
        return await runner.end(
            run, replace(why, result=done.result, usage=done.usage, note=done.note)
        )
    if await runner.end(run, done):
        return True
    late = run.deadline_at is not None and now >= run.deadline_at
    current = runner.unjudged.get(run.id, unjudged)
    return late and await runner.end(run, never_judged(current))


async def _name(runner: RunnerContext, run: Run, session_id: str | None) -> None:
    """Record a session that named itself only after its start had stopped waiting for that."""
    if session_id is not None and run.session_id is None:
        named, mine = {"session_id": session_id}, owned_by(runner.owner)
        await runner.database.awrite(lambda tx: change_run(tx, run.id, named, mine))


def _hold(tx: Tx, runner: RunnerContext, run: Run, exhausted: Exhausted) -> None:
    hold_agent(tx, run, exhausted_until(exhausted, runner.database.now(tx)))


async def _wait(runner: RunnerContext, run: Run, exhausted: Exhausted) -> bool | Failed:
    handle = Handle(run.session_id, run.handle) if run.handle is not None else None

    def write(tx: Tx) -> bool | Failed:
        now = runner.database.now(tx)
        return put_back(tx, run, runner.owner, exhausted_until(exhausted, now), now, anew=True)

    put = await runner.database.awrite(write)
    job = runner.jobs.pop(run.id, None)
    if put is True and job is not None and handle is not None:
        # After the row: whoever takes the run over begins anew, whatever is left of this attempt.
        await runner.release(job, handle)
    return put
