"""Claiming: admitted runs are leased and given to their agents, oldest first and fair."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from reconciler.control.access.secrets import SecretMissing
from reconciler.control.dispatching.assign import AgentPool, Assigned, assign
from reconciler.control.dispatching.context import RunnerContext
from reconciler.core.manifest.model import ExecutionMode, Retry
from reconciler.core.runs.retry import (
    TARGET_PAUSE,
    GiveUp,
    RetryAt,
    TargetDown,
    Transient,
    after_failure,
)
from reconciler.core.runs.run import Failed, Reason, Run, Status, WaitingFor, may_become
from reconciler.core.runs.squad import NobodyAvailable
from reconciler.dispatch.base import AwaitClaim, Ended, Handle, Start, Started
from reconciler.store.engine.database import Tx
from reconciler.store.objects.agents import mark_unavailable, save_turn
from reconciler.store.objects.manifests import get_document, get_documents
from reconciler.store.runs.leases import (
    abandoned,
    adopt_run,
    claimable,
    count_leased,
    load_of,
    take,
    wait_on,
)
from reconciler.store.runs.runs import change_run, get_run, owned_by

log = structlog.get_logger(__name__)

MOST_LOOKED_AT = 500
"""Runs that one round looks at: those that wait for an agent stand in nobody's way."""
LOCK = "claim"


class LeaseLost(Exception):
    """Somebody else holds the run by now; what was begun here must not go on."""


async def claim_once(runner: RunnerContext) -> list[str]:
    """Lease what can be started now, and start it; answers the ids of the runs.

    1. Look, without writing: most rounds find nothing.
    2. Lease, in one transaction: agents with room, the oldest run of each workspace first.
    3. Start each beside the rounds.
    """
    now = await runner.now()
    if not await runner.database.aread(lambda tx: claimable(tx, now, 1)):
        return []
    taken = await runner.database.awrite(lambda tx: _take_all(tx, runner))
    for run in taken:
        runner.spawn(run, start)
    return [run.id for run in taken]


async def recover_once(runner: RunnerContext) -> list[str]:
    """Take over work whose server died: follow it if the runtime can, else prove it ended."""
    now = await runner.now()
    if not await runner.database.aread(lambda tx: abandoned(tx, now, 1)):
        return []

    def adopt(tx: Tx) -> list[Run]:
        moment = runner.database.now(tx)
        until = moment + runner.settings.lease
        found = abandoned(tx, moment)
        return [
            replace(run, attempts=run.attempts + 1)
            for run in found
            if adopt_run(tx, run, runner.owner, moment, until)
        ]

    runs = await runner.database.awrite(adopt)
    for run in runs:
        log.warning("run taken over", run=run.id, autopilot=run.autopilot_id)
        runner.spawn(run, start)
    return [run.id for run in runs]


def _take_all(tx: Tx, runner: RunnerContext) -> list[Run]:
    """Lease what has room. Servers do so one by one: two that count at once would pass the caps."""
    runner.database.lock(tx, LOCK)
    now = runner.database.now(tx)
    until = now + runner.settings.lease
    room = runner.settings.max_active_runs - count_leased(tx)
    runs = claimable(tx, now, MOST_LOOKED_AT)
    crew = AgentPool(load_of(tx, sorted({run.workspace for run in runs})))
    documents = get_documents(tx, {run.spec_digest for run in runs})
    taken = []
    for run in runs:
        if room <= 0 and run.agent is None:
            _wait_for_agent(tx, run)
            continue
        assignee = documents[run.spec_digest]["spec"]["assignee"]
        given = _assigned(tx, run, (assignee["type"], assignee["id"]), crew, now)
        if given is None:
            continue
        agent = given.agent
        if take(tx, run, runner.owner, now, until, agent, given.note or None):
            taken.append(replace(run, agent=agent, attempts=run.attempts + 1))
            if run.agent is None:
                room -= 1
                crew.add(run.workspace, agent)
    return taken


def _assigned(
    tx: Tx, run: Run, assignee: tuple[str, str], crew: AgentPool, now: datetime
) -> Assigned | None:
    assigned = assign(tx, run, assignee, crew, now)
    if isinstance(assigned, NobodyAvailable):
        _wait_for_agent(tx, run)
        return None
    if assigned.squad is not None:
        save_turn(tx, run.workspace, assigned.squad, assigned.turn)
    return assigned


def _wait_for_agent(tx: Tx, run: Run) -> None:
    """Said once on the row: a thousand rounds into an agent without room write nothing."""
    if run.waiting_for is not WaitingFor.AGENT:
        change_run(tx, run.id, {"waiting_for": WaitingFor.AGENT})


async def start(runner: RunnerContext, run: Run) -> bool:
    """Give one leased run to its agent, and record what came of it; False if the lease is lost."""
    try:
        result = await _start(runner, run)
    except LeaseLost:
        log.warning("lease lost while starting", run=run.id)
        return False
    await _record_start(runner, run, result)
    return True


async def _start(runner: RunnerContext, run: Run) -> Start:
    try:
        job = await (runner.job(run) if run.handle else runner.fresh_job(run))
    except SecretMissing as error:
        return Transient(str(error))
    if job is None:
        return TargetDown(f"agent {run.workspace}/{run.agent} is not there any more")
    return await runner.runtimes.start(job, _recorder(runner, run, job.mode))


def _recorder(
    runner: RunnerContext, run: Run, mode: ExecutionMode
) -> Callable[[Handle], Awaitable[None]]:
    """What a runtime awaits before the work has any effect: the handle is on the row."""
    reached = Status.SESSION_CREATED if mode is ExecutionMode.CREATE_SESSION else Status.RUNNING

    async def record(handle: Handle) -> None:
        def write(tx: Tx) -> bool:
            values: dict[str, Any] = {
                "handle": dict(handle.detail),
                "session_id": handle.session_id,
                "waiting_for": None,
            }
            return change_run(
                tx, run.id, {**values, **_reach(tx, runner, run, reached)}, owned_by(runner.owner)
            )

        if not await runner.database.awrite(write):
            raise LeaseLost(run.id)

    return record


def _reach(tx: Tx, runner: RunnerContext, run: Run, reached: Status) -> dict[str, Any]:
    """The move that a handle brings: none where an earlier record or attempt has made it."""
    current = get_run(tx, run.id)
    if current is None or not may_become(current.status, reached):
        return {}
    started = {"started_at": runner.database.now(tx)} if reached is Status.RUNNING else {}
    return {"status": reached, **started}


async def _record_start(runner: RunnerContext, run: Run, result: Start) -> None:
    match result:
        case Started(handle):
            await runner.database.awrite(lambda tx: _mark_running(tx, runner, run, handle))
            log.info("run started", run=run.id, agent=run.agent, session=handle.session_id)
        case Ended(outcome):
            await runner.end(run, outcome)
        case AwaitClaim():
            await runner.database.awrite(
                lambda tx: wait_on(tx, run.id, runner.owner, WaitingFor.CLAIM, None, run.attempts)
            )
        case Transient() | TargetDown():
            await _try_again(runner, run, result)


def _mark_running(tx: Tx, runner: RunnerContext, run: Run, handle: Handle) -> None:
    current = get_run(tx, run.id)
    if current is None or current.status is Status.RUNNING:
        return
    values = {
        "status": Status.RUNNING,
        "started_at": runner.database.now(tx),
        "session_id": handle.session_id,
        "handle": dict(handle.detail),
    }
    change_run(tx, run.id, values, owned_by(runner.owner))


async def _try_again(runner: RunnerContext, run: Run, failure: Transient | TargetDown) -> None:
    """Nothing was started: wait for the next attempt, or give up."""

    def write(tx: Tx) -> GiveUp | None:
        now = runner.database.now(tx)
        spec = get_document(tx, run.spec_digest)["spec"]
        policy = Retry.model_validate(spec["retry"])
        deadline = run.deadline_at or now
        match after_failure(policy, run.attempts, failure, now, deadline):
            case GiveUp() as given_up:
                return given_up
            case RetryAt(at, _):
                _wait_until(tx, runner, run, failure, at)
        return None

    log.warning("run not started", run=run.id, agent=run.agent, why=failure.message)
    if isinstance(failure, TargetDown) and failure.in_the_way is not None:
        await _clear_the_way(runner, failure.in_the_way)
    given_up = await runner.database.awrite(write)
    if given_up is not None:
        await runner.end(run, given_up.outcome)


async def _clear_the_way(runner: RunnerContext, run_id: str) -> None:
    """What an ended run left behind holds the place of this one: release it."""
    left = await runner.database.aread(lambda tx: get_run(tx, run_id))
    if left is None or not left.ended or left.agent is None:
        return
    job = await runner.job(left)
    if job is not None:
        await runner.let_go(left)


def _wait_until(
    tx: Tx, runner: RunnerContext, run: Run, failure: Transient | TargetDown, at: datetime
) -> None:
    """An agent that is down uses up no attempt, and is left alone for a while by all its runs."""
    if isinstance(failure, Transient):
        wait_on(tx, run.id, runner.owner, WaitingFor.RETRY, at, run.attempts)
        return
    wait_on(tx, run.id, runner.owner, WaitingFor.AGENT, at, run.attempts - 1)
    if run.agent is not None:
        until = runner.database.now(tx) + TARGET_PAUSE
        mark_unavailable(tx, run.workspace, run.agent, until, failure.message)


def unavailable(run: Run) -> Failed:
    """The end of a run whose agent was not to be had before its deadline."""
    agent = run.agent or "its agent"
    return Failed(
        Reason.TARGET_UNAVAILABLE, f"{agent} could take no run before the deadline of this one"
    )
