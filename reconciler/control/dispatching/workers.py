"""Work that others carry out: claim, heartbeat and complete, over HTTP (docs/runtimes.md).

A lease token proves that a worker still holds a run; a run's own token lets an `http` agent report
its end. Only hashes of either are kept.
"""

import hmac
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from reconciler.control.dispatching.allocation import hold_room
from reconciler.control.dispatching.metering import meter
from reconciler.control.dispatching.stop import (
    PROOF_GRACE,
    hold_autopilots,
    why_stopped,
    without_proof,
)
from reconciler.control.runs.approving import ask, asks_no_more
from reconciler.control.runs.ending import finish
from reconciler.core.access.token_hash import token_hash
from reconciler.core.base.errors import Conflict, NotFound
from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.runs.approval import Decision
from reconciler.core.runs.context import run_prompt
from reconciler.core.runs.lease import lease_of
from reconciler.core.runs.run import Failed, Outcome, Reason, Run, Status, WaitingFor
from reconciler.core.runs.turns import next_workspace, served, with_in_flight
from reconciler.core.runs.usage import Usage
from reconciler.store.engine.database import Database, Tx
from reconciler.store.objects.agents import agent_caps
from reconciler.store.objects.manifests import get_document
from reconciler.store.runs.claims import (
    claim_run,
    prolong,
    silent_workers,
    token_hashes,
    waiting_for_claim,
)
from reconciler.store.runs.in_flight import count_in_flight
from reconciler.store.runs.rows import FIRST, Which, tell_unreadable
from reconciler.store.runs.runs import change_run, get_run
from reconciler.store.runs.workspace_turns import read_turns, save_turns

MOST = 100
"""Runs that one call may claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a worker asks for. `workspaces` is what its token is limited to; None is all.

    `max_active_runs` is the operator's cap over all runs in flight.
    """

    agents: Sequence[str]
    most: int
    lease_seconds: float
    worker: str
    max_active_runs: int
    workspaces: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run that a worker holds now; `lease_token` is shown once."""

    run: Run
    prompt: str
    lease_token: str
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class Beat:
    """The answer to a heartbeat: whether to stop, until when the lease holds, and what a person
    has decided about what the agent asks."""

    cancel: bool
    lease_until: datetime | None
    approval: Decision | None = None


def claim(database: Database, tx: Tx, asked: Claim) -> list[Claimed]:
    """Lease waiting runs to a worker: while there is room, the workspace with the least in flight
    first, and of that its oldest run.
    """
    if not _waiting(tx, asked, 1):
        return []
    # From here on nobody else hands out places; whatever was read before is read again.
    hold_room(database, tx)
    now = database.now(tx)
    in_flight = count_in_flight(tx)
    turns = with_in_flight(read_turns(tx), in_flight)
    most = min(asked.most, MOST)
    lines, passed_over = _waiting(tx, asked, most), set[str]()
    caps = agent_caps(tx, asked.agents, asked.workspaces)
    room = min(most, asked.max_active_runs - in_flight.total())
    claimed: list[Claimed] = []
    while room > len(claimed) and lines:
        workspace = next_workspace(turns, {space for space, _ in lines})
        key = min((key for key in lines if key[0] == workspace), key=lambda key: _age(lines[key]))
        if in_flight[key] >= caps[key]:
            del lines[key]
            continue
        run = lines[key].popleft()
        if (held := _claim_run(tx, run, asked, now)) is not None:
            claimed.append(held)
            in_flight[key] += 1
            turns[workspace] = served(turns, workspace)
        else:
            passed_over.add(run.id)
            if not lines[key]:  # what nobody can claim takes the place of none behind it
                others = waiting_for_claim(tx, *key, most + 2 * len(passed_over))
                lines[key].extend(run for run in others if run.id not in passed_over)
        if not lines[key]:
            del lines[key]
    save_turns(tx, {held.run.workspace: turns[held.run.workspace] for held in claimed})
    return claimed


def _waiting(tx: Tx, asked: Claim, most: int) -> dict[tuple[str, str], deque[Run]]:
    """The oldest runs that wait for a worker of each agent, by (workspace, agent)."""
    caps = agent_caps(tx, asked.agents, asked.workspaces)
    lines = {key: deque(waiting_for_claim(tx, *key, most)) for key in caps}
    return {key: runs for key, runs in lines.items() if runs}


def _age(runs: deque[Run]) -> tuple[datetime, str]:
    return runs[0].admitted_at or runs[0].created_at, runs[0].id


def _claim_run(tx: Tx, run: Run, asked: Claim, now: datetime) -> Claimed | None:
    """None where somebody else was first, or where its manifest or its payload cannot be read."""
    lease = lease_of(asked.lease_seconds)
    token, until = f"lease_{secrets.token_urlsafe(32)}", now + lease
    whole = get_run(tx, run.id)
    if whole is None:
        return None
    try:  # before anything is written: what is wrong with one run must not undo the others
        document = get_document(tx, run.spec_digest)
        values = _lease(run, document, asked.worker, token, until, lease, now)
        text = run_prompt(document["spec"]["description"], whole)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        tell_unreadable(run.id, f"no prompt can be made of it: {error!r}")
        return None
    values["attempts"] = run.attempts + 1
    if not claim_run(tx, run, values):
        return None
    fields = {name: value for name, value in values.items() if name != "lease_token"}
    return Claimed(replace(whole, **fields), text, token, until)


def _lease(
    run: Run,
    document: Mapping[str, Any],
    worker: str,
    token: str,
    until: datetime,
    lease: timedelta,
    now: datetime,
) -> dict[str, Any]:
    values: dict[str, Any] = {
        "waiting_for": None,
        "dispatched_at": now,
        "started_at": now,
        "lease_owner": f"worker:{worker}"[:64],
        "lease_token": token_hash(token),
        "lease_until": until,
        "handle": {"worker": worker, "leaseSeconds": lease.total_seconds()},
    }
    if document["spec"]["executionMode"] == ExecutionMode.CREATE_SESSION:
        session = {"session_id": f"claim-{run.id}", "session_at": now}
        return {**values, "status": Status.SESSION_CREATED, **session}
    return {**values, "status": Status.RUNNING}


def heartbeat(
    tx: Tx,
    run_id: str,
    token: str,
    now: datetime,
    usage: Usage | None = None,
    question: str | None = None,
) -> Beat:
    """Prolong a lease by as much as was asked for; says whether the run is to be stopped.

    With the run's own token there is no lease to prolong. `usage` is what the work has used until
    now: too much of it is a reason to stop. `question` is what the agent asks a person for; a
    heartbeat without one says that it asks for nothing. Where its end was reported already, nothing
    is prolonged: without a verdict others take the run over. Raises Conflict where the lease is
    lost, NotFound.
    """
    run = held_run(tx, run_id, token)
    if run.unjudged_since is not None:
        return Beat(run.cancel_requested_at is not None, run.lease_until)
    until = None
    if not _is_own(tx, run_id, token):
        until = now + timedelta(seconds=float((run.handle or {}).get("leaseSeconds", 60)))
        if not prolong(tx, run_id, token_hash(token), now, until):
            raise _lost()
        if run.status is Status.SESSION_CREATED:
            change_run(tx, run_id, {"status": Status.RUNNING})
    if usage is not None:
        meter(tx, run, usage, now)
        run = get_run(tx, run_id) or run
    if question is None:
        if run.waiting_for is WaitingFor.APPROVAL:
            asks_no_more(tx, run, now, "asks for nothing any more")
        return Beat(run.cancel_requested_at is not None, until)
    asked = ask(tx, run, question, now, reported=True)
    # Read again: a question that nobody may wait for has just asked the run to stop.
    current = get_run(tx, run_id) or run
    return Beat(current.cancel_requested_at is not None, until, asked.decision if asked else None)


def _is_own(tx: Tx, run_id: str, token: str) -> bool:
    _, own = token_hashes(tx, run_id)
    return hmac.compare_digest(token_hash(token), own or "")


def complete(
    tx: Tx, run_id: str, token: str, outcome: Outcome, now: datetime, cooldown: timedelta
) -> Run:
    """Record the end that a worker (by its lease) or an agent (by the run's token) reports.

    For a run that was asked to stop this is the proof: it ends with the reason of that request, and
    with what the work has cost all the same.
    Raises Conflict where the lease is lost or the run has ended, NotFound.
    """
    run = held_run(tx, run_id, token)
    ended = outcome
    if run.cancel_requested_at is not None:
        ended = replace(why_stopped(run), usage=outcome.usage, note=outcome.note)
    if not finish(tx, run, ended, now, cooldown=cooldown):
        raise _lost()
    return get_run(tx, run_id) or run


def end_silent(tx: Tx, now: datetime, cooldown: timedelta, which: Which = FIRST) -> list[str]:
    """End the runs of workers whose lease has expired: without it they must have stopped.

    A worker that goes on in spite of a cancel is called lost when its time is up.
    """
    ended, silent = [], silent_workers(tx, now, now - PROOF_GRACE, which)
    hold_autopilots(tx, silent)
    for run in silent:
        why = Failed(Reason.LOST, _silence(run))
        if run.cancel_requested_at is not None:
            why = without_proof(tx, run, "the worker did not report its end")
        # As it was read: a heartbeat may have come at the last moment.
        if finish(tx, run, why, now, cooldown=cooldown, unchanged=True):
            ended.append(run.id)
    return ended


def _silence(run: Run) -> str:
    worker = (run.handle or {}).get("worker", "unknown")
    return f"worker {worker} let its lease expire"


def held_run(tx: Tx, run_id: str, token: str) -> Run:
    """The run that goes on and that this lease token, or its own token, opens.

    Raises Conflict where the lease is lost or the run has ended, NotFound.
    """
    run = get_run(tx, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    digest = token_hash(token)
    lease, own = (hmac.compare_digest(digest, held or "") for held in token_hashes(tx, run_id))
    if run.ended or not (lease or own):
        raise _lost()
    return run


def _lost() -> Conflict:
    return Conflict(
        "the lease is lost: the run has ended or somebody else holds it", reason="lease-lost"
    )
