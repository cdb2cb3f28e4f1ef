"""Manifests and saved plans that are sent to a server: checked as its own files would be."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from reconciler.control.apply.reconcile import (
    Applied,
    ApplyRequest,
    Descends,
    apply_once,
    record_failure,
    record_refusal,
)
from reconciler.control.apply.sources import LoadedSource, Opened, load_opened, reload_source
from reconciler.core.access.roles import Caller
from reconciler.core.base.errors import Forbidden, InvalidManifests, StalePlan
from reconciler.core.base.identity import Revision
from reconciler.core.manifest.checks import Policy
from reconciler.core.plan.footprint import check_digest, check_still_holds
from reconciler.core.plan.plan import Descent, Plan
from reconciler.manifest.files import Submitted
from reconciler.store.engine.database import Database
from reconciler.store.objects.apply_context import TokenHash

if TYPE_CHECKING:
    from reconciler.core.plan.planfile import SavedPlan


@dataclass(frozen=True, slots=True)
class KnownDescent:
    """What the sender's git says: whether the sent revision descends from `revision`."""

    revision: str
    descends: Descent

    def __call__(self, applied: Revision) -> Descent:
        """Raise StalePlan where another revision was applied since the sender asked."""
        if applied.id != self.revision:
            raise StalePlan(
                f"revision {applied.id} was applied meanwhile, and nobody said whether the sent "
                "one descends from it; plan again"
            )
        return self.descends


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A set of manifests, or a saved plan. `revision` is the commit of the manifests, if any.

    `caller` limits what is planned to the workspaces that they see.
    """

    source_id: str
    content: "Submitted | SavedPlan"
    caller: Caller
    policy: Policy
    self_heal: bool = True
    revision: Revision | None = None
    descends: Descends | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """What a submission asks for."""

    loaded: LoadedSource
    plan: Plan


def plan_submission(database: Database, submission: Submission, now: datetime) -> Planned:
    """Plan what was sent; nothing is written.

    Raises what `load` raises, and Forbidden where an object or a change lies in a workspace that
    the caller does not see.
    """
    match submission.content:
        case Submitted() as files:
            loaded = load_opened(
                database,
                Opened(files, submission.revision, submission.descends),
                source_id=submission.source_id,
                policy=submission.policy,
                sees=submission.caller.sees,
                now=now,
            )
        case saved:
            loaded = reload_source(
                database,
                saved,
                submission.policy,
                descends=submission.descends,
                sees=submission.caller.sees,
            )
    _require_sight(submission.caller, {key.workspace for key in loaded.desired.objects})
    plan = loaded.plan(self_heal=submission.self_heal)
    if not submission.caller.sees_all(_workspaces(plan)):
        raise out_of_reach(submission.source_id)
    return Planned(loaded, plan)


def apply_submission(
    database: Database,
    submission: Submission,
    request: ApplyRequest,
    digest: str,
    *,
    token_hash: TokenHash,
    now: datetime,
) -> Applied:
    """Carry out what was sent, if its plan is the one that was seen, by its digest.

    What is in force already is no stale plan: an apply whose answer was lost may be sent again.
    Raises what `plan_submission` and `apply_once` raise. Revisions that do not apply are recorded.
    """
    try:
        planned = plan_submission(database, submission, now)
    except InvalidManifests as error:
        revision = error.revision or submission.revision or Revision("unknown")
        record_failure(database, submission.source_id, revision, error, request)
        raise
    plan, desired = planned.plan, planned.loaded.desired
    request = replace(request, self_heal=submission.self_heal, descends=submission.descends)
    try:
        request = replace(request, expected=_expected(submission, plan, digest))
    except StalePlan as error:
        record_refusal(database, desired, request, error)
        raise
    seen = planned.loaded.seen
    return apply_once(database, desired, request, token_hash=token_hash, seen=seen)


def _expected(submission: Submission, plan: Plan, digest: str) -> "Plan | SavedPlan":
    match submission.content:
        case Submitted():
            if not plan.is_empty:
                check_digest(digest, plan)
            return plan
        case saved:
            check_still_holds(saved, plan)
            return saved


def _workspaces(plan: Plan) -> set[str]:
    keys = [change.key for change in plan.changes] + [drift.key for drift in plan.drift]
    return {key.workspace for key in keys}


def out_of_reach(source_id: str) -> Forbidden:
    """The answer about a source with objects elsewhere: it names nothing of what is there."""
    return Forbidden(
        f"the token does not reach all workspaces of source {source_id!r}; use one that does, or "
        "another name for the source"
    )


def _require_sight(caller: Caller, workspaces: set[str]) -> None:
    """What was sent may be named: its sender knows of it."""
    hidden = sorted(workspace for workspace in workspaces if not caller.sees(workspace))
    if hidden:
        raise Forbidden(
            f"the token does not reach workspace {hidden[0]}, which the manifests have objects in"
        )
