"""Work that others carry out: claim, heartbeat and complete, over HTTP (docs/runtimes.md).

A lease token proves that a worker still holds a run; a run's own token lets an `http` agent report
its end. Only hashes of either are kept.
"""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from reconciler.control.dispatching.stop import PROOF_GRACE, why_stopped, without_proof
from reconciler.control.runs.ending import finish
from reconciler.core.access.token_hash import token_hash
from reconciler.core.base.errors import Conflict, NotFound
from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.runs.lease import lease_of
from reconciler.core.runs.prompt import prompt
from reconciler.core.runs.run import Failed, Outcome, Reason, Run, Status
from reconciler.dispatch.base import cut_result
from reconciler.store.engine.database import Tx
from reconciler.store.objects.manifests import get_document
from reconciler.store.runs.leases import (
    claim_run,
    prolong,
    silent_workers,
    token_hashes,
    waiting_for_claim,
)
from reconciler.store.runs.runs import change_run, get_run

MOST = 100
"""Runs that one call may claim."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a worker asks for. `workspaces` is what its token is limited to; None is all."""

    agents: Sequence[str]
    most: int
    lease_seconds: float
    worker: str
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
    """The answer to a heartbeat: whether to stop, and until when the lease holds."""

    cancel: bool
    lease_until: datetime | None


def claim(tx: Tx, asked: Claim, now: datetime) -> list[Claimed]:
    """Lease waiting runs to a worker, oldest first."""
    waiting = waiting_for_claim(tx, asked.agents, asked.workspaces, min(asked.most, MOST))
    lease = lease_of(asked.lease_seconds)
    claimed = (_claim_run(tx, run, asked.worker, lease, now) for run in waiting)
    return [held for held in claimed if held is not None]


def _claim_run(tx: Tx, run: Run, worker: str, lease: timedelta, now: datetime) -> Claimed | None:
    document = get_document(tx, run.spec_digest)
    token, until = f"lease_{secrets.token_urlsafe(32)}", now + lease
    if not claim_run(tx, run.id, _lease(run, document, worker, token, until, lease, now)):
        return None
    whole = get_run(tx, run.id)
    if whole is None:
        return None
    text = prompt(document["spec"]["description"], whole.payload, nonce=whole.nonce)
    return Claimed(whole, text, token, until)


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
        "lease_owner": f"worker:{worker}"[:64],
        "lease_token": token_hash(token),
        "lease_until": until,
        "handle": {"worker": worker, "leaseSeconds": lease.total_seconds()},
    }
    if document["spec"]["executionMode"] == ExecutionMode.CREATE_SESSION:
        return {**values, "status": Status.SESSION_CREATED, "session_id": f"claim-{run.id}"}
    return {**values, "status": Status.RUNNING, "started_at": now}


def heartbeat(tx: Tx, run_id: str, lease_token: str, now: datetime) -> Beat:
    """Prolong a lease by as much as was asked for; says whether the run is to be stopped.

    Raises Conflict where the lease is lost, NotFound.
    """
    run = held_run(tx, run_id, lease_token)
    until = now + timedelta(seconds=float((run.handle or {}).get("leaseSeconds", 60)))
    if not prolong(tx, run_id, token_hash(lease_token), until):
        raise _lost()
    if run.status is Status.SESSION_CREATED:
        change_run(tx, run_id, {"status": Status.RUNNING, "started_at": now})
    return Beat(run.cancel_requested_at is not None, until)


def complete(
    tx: Tx, run_id: str, token: str, outcome: Outcome, now: datetime, cooldown: timedelta
) -> Run:
    """Record the end that a worker (by its lease) or an agent (by the run's token) reports.

    For a run that was asked to stop this is the proof: it ends with the reason of that request.
    Raises Conflict where the lease is lost or the run has ended, NotFound.
    """
    run = held_run(tx, run_id, token)
    ended = why_stopped(run) if run.cancel_requested_at is not None else _cut(outcome)
    if not finish(tx, run, ended, now, cooldown=cooldown):
        raise _lost()
    return get_run(tx, run_id) or run


def end_silent(tx: Tx, now: datetime, cooldown: timedelta) -> list[str]:
    """End the runs of workers whose lease has expired: without it they must have stopped.

    A worker that goes on in spite of a cancel is called lost when its time is up.
    """
    ended = []
    for run in silent_workers(tx, now, now - PROOF_GRACE):
        why = Failed(Reason.LOST, _silence(run))
        if run.cancel_requested_at is not None:
            why = without_proof(tx, run, "the worker did not report its end")
        if finish(tx, run, why, now, cooldown=cooldown):
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


def _cut(outcome: Outcome) -> Outcome:
    return replace(outcome, result=cut_result(outcome.result))
