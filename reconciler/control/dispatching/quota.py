"""Runs of an agent whose plan or rate limit is used up wait for it, all of them.

The agent's row holds them, so that a restart and other servers know; a run's row says so as soon as
a round comes to it (docs/runs.md#quota).
"""

from datetime import datetime
from typing import Any

from reconciler.core.manifest.fields import format_instant
from reconciler.core.runs.key import with_note
from reconciler.core.runs.queue import Queue
from reconciler.core.runs.retry import TARGET_PAUSE, HoldUntil, hold
from reconciler.core.runs.run import Failed, Reason, Run, WaitingFor
from reconciler.core.runs.standstill import go_on, stand_still
from reconciler.dispatch.base import Exhausted
from reconciler.store.engine.database import Tx
from reconciler.store.objects.agents import LiveAgent, find_agent, mark_unavailable
from reconciler.store.runs.conditions import as_read, leased
from reconciler.store.runs.in_flight import count_in_flight
from reconciler.store.runs.leases import free_held
from reconciler.store.runs.queues import queued
from reconciler.store.runs.runs import change_run

MOST_HELD = 500
"""Runs of a queue that one round marks."""


def is_held(agent: LiveAgent | None, now: datetime) -> bool:
    """Whether an agent is left alone since its quota is used up."""
    until = agent.unavailable_until if agent is not None and agent.out_of_quota else None
    return until is not None and now < until


def hold_agent(tx: Tx, run: Run, held: HoldUntil) -> None:
    """Give the agent of a run no work before that moment."""
    if run.agent is not None:
        until, why = held.at, held.message
        mark_unavailable(tx, run.workspace, run.agent, until, why, out_of_quota=True)


def put_back(
    tx: Tx, run: Run, owner: str, held: HoldUntil, now: datetime, *, anew: bool = False
) -> bool | Failed:
    """Let a leased run of which nothing was done wait for its agent's quota; no attempt is used up.

    With `anew` the next attempt takes nothing over from this one. False where the lease was lost,
    and how the run ends where its `queueTtl` has passed.
    """
    hold_agent(tx, run, held)
    if run.expires_at is not None and run.expires_at <= now:
        return waited_too_long(run, held.message)
    values = {
        **_waiting(run, held, now),
        "attempts": run.attempts - 1,
        "lease_owner": None,
        "lease_until": None,
        **({"handle": None, "session_id": None, "holds": None} if anew else {}),
    }
    free_held(tx, run.id)
    return change_run(tx, run.id, values, leased(run, owner, now))


def waited_too_long(run: Run, why: str | None) -> Failed:
    """The end of a run that waited for a quota until its `queueTtl` had passed."""
    message = f"waited longer than queueTtl for the quota of {run.agent or 'its agent'}"
    return Failed(Reason.EXPIRED, f"{message}: {why}" if why else message)


def mark_held(tx: Tx, queue: Queue, held: HoldUntil, now: datetime) -> None:
    """Say on the due runs of a queue what they wait for, and until when."""
    for run in queued(tx, str(queue), now, MOST_HELD):
        _change(tx, run, _waiting(run, held, now))


def mark_free(tx: Tx, queue: Queue, now: datetime) -> None:
    """Let the clocks of a queue's due runs go on: their agent takes work, and is merely full."""
    for run in queued(tx, str(queue), now, MOST_HELD):
        if run.waiting_for is WaitingFor.QUOTA:
            values = {"waiting_for": WaitingFor.AGENT, "next_attempt_at": None, **go_on(run, now)}
            _change(tx, run, values)


def passed_over(tx: Tx, run: Run, now: datetime) -> bool:
    """Put off a run that waits for a quota and has begun once, where its agent takes none yet.

    It waits in no queue, so that its agent's quota and room are asked for here.
    """
    if run.waiting_for is not WaitingFor.QUOTA or run.agent is None:
        return False
    agent = find_agent(tx, run.workspace, run.agent)
    if agent is None:
        return False
    if is_held(agent, now) and agent.unavailable_until is not None:
        again = agent.unavailable_until
    elif count_in_flight(tx)[run.workspace, run.agent] >= agent.max_concurrency:
        again = now + TARGET_PAUSE
    else:
        return False
    return change_run(tx, run.id, {"next_attempt_at": again}, as_read(run))


def exhausted_until(exhausted: Exhausted, now: datetime) -> HoldUntil:
    """The hold of an agent that has said until when it has no quota, or that it has none."""
    until = exhausted.until
    return hold(exhausted.message, (until - now).total_seconds() if until else None, now)


def _waiting(run: Run, held: HoldUntil, now: datetime) -> dict[str, Any]:
    note = f"its agent takes work again at {format_instant(held.at)}: {held.message}"
    return {
        "waiting_for": WaitingFor.QUOTA,
        "next_attempt_at": held.at,
        "note": with_note(run, note),
        **stand_still(run, run.expires_at or now, now),
    }


def _change(tx: Tx, run: Run, values: dict[str, Any]) -> bool:
    return change_run(tx, run.id, values, as_read(run))
