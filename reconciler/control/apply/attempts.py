"""Revisions that were tried: by whom, how they ended and why (docs/plan.md#revisions)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from reconciler.core.base.capped import capped
from reconciler.core.base.errors import InvalidManifests, Objection, Problem, Refused, StalePlan
from reconciler.core.base.identity import Revision
from reconciler.core.manifest.state import Desired
from reconciler.core.plan.changes import Change
from reconciler.core.plan.guards import DEFAULT_LIMIT, UNCONFIRMED, Confirmations, RemovalLimit
from reconciler.core.plan.plan import Descent, Plan
from reconciler.store.engine.database import Database, Tx
from reconciler.store.notify.outbox import note_revision
from reconciler.store.revisions.revisions import Attempt, RevisionResult, Via, record_once

if TYPE_CHECKING:  # reading saved plans takes models of its own, which most commands need not build
    from reconciler.core.plan.planfile import SavedPlan

Descends = Callable[[Revision], Descent]
"""Whether the desired revision descends from the one that is applied; None: there is no order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """An apply: who asks for it, and what they confirmed beforehand.

    `expected` is the plan that they saw, whole or by its digest: another one is stale.
    """

    actor: str
    via: Via
    confirmations: Confirmations = UNCONFIRMED
    limit: RemovalLimit = DEFAULT_LIMIT
    self_heal: bool = True
    descends: Descends | None = None
    expected: "SavedPlan | Plan | str | None" = None


def record_failure(
    database: Database,
    source_id: str,
    revision: Revision,
    problems: InvalidManifests,
    request: ApplyRequest,
) -> None:
    """Note a revision whose manifests have Problems; the one that is applied stays in force."""
    desired = Desired(source_id, revision, {})
    _record(database, desired, request, RevisionResult.FAILED, problems.problems)


def record_refusal(
    database: Database, desired: Desired, request: ApplyRequest, error: Refused | StalePlan
) -> None:
    """Note a revision that was understood and not applied, with every objection."""
    if isinstance(error, Refused):
        problems = [_as_problem(objection) for objection in error.objections]
    else:
        problems = [Problem("", 1, 1, "", str(error), error.code)]
    _record(database, desired, request, RevisionResult.REFUSED, problems)


def _as_problem(objection: Objection) -> Problem:
    """An objection as history shows it: its subject once."""
    subject = objection.subject
    message = objection.message.removeprefix(f"{subject}: ")
    return Problem("", 1, 1, subject, message, objection.code)


def _record(
    database: Database,
    desired: Desired,
    request: ApplyRequest,
    result: RevisionResult,
    problems: Iterable[Problem],
) -> None:
    def note(tx: Tx) -> None:
        attempt = attempt_of(desired, request, result, database.now(tx), None, tuple(problems))
        number = record_once(tx, attempt)
        # The same one again, from a poll, has the same number: it is told of once.
        note_revision(tx, desired.source_id, number, _told(attempt), attempt.created_at)

    database.write(note)


def _told(attempt: Attempt) -> Mapping[str, Any]:
    first = attempt.problems[0] if attempt.problems else None
    return {
        "source": attempt.source_id,
        "revision": attempt.revision.id,
        "author": attempt.revision.author,
        "result": attempt.result.value,
        "problems": attempt.problem_count,
        "why": str(first) if first else "",
    }


def attempt_of(
    desired: Desired,
    request: ApplyRequest,
    result: RevisionResult,
    now: datetime,
    plan: Plan | None,
    problems: tuple[Problem, ...] = (),
) -> Attempt:
    """The row of a revision that was tried, with as many Problems as are kept."""
    shown = capped(problems)
    return Attempt(
        source_id=desired.source_id,
        revision=desired.revision,
        actor=request.actor,
        via=request.via,
        result=result,
        created_at=now,
        plan_digest=plan.digest if plan else None,
        counts=asdict(plan.summary) if plan else {},
        problems=shown.problems,
        more_problems=shown.more,
        workspaces=_workspaces(desired, plan.changes if plan else ()),
    )


def _workspaces(desired: Desired, changes: Iterable[Change]) -> frozenset[str]:
    """Whose objects it is about: those it declares and those it removes."""
    declared = {key.workspace for key in desired.objects}
    return frozenset(declared | {change.key.workspace for change in changes})
