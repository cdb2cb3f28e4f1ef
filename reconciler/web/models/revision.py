"""Revisions on the wire: what was tried, and what it changed."""

from dataclasses import asdict

from pydantic import Field

from reconciler.core.access.roles import Caller
from reconciler.core.base.errors import NotFound
from reconciler.core.manifest.fields import Instant
from reconciler.core.plan.recorded import RecordedChange, RecordedPlan
from reconciler.core.plan.report import ProblemReport
from reconciler.store.engine.database import Tx
from reconciler.store.revisions.plans import plan_of_revision
from reconciler.store.revisions.revisions import Attempt, RevisionResult, Via, get_attempt
from reconciler.web.http.operation import Wire


class RevisionView(Wire):
    """One state of a source that was tried, whether it was applied or not."""

    id: int
    """Grows with each attempt."""
    source_id: str
    """The source."""
    revision: str
    """A commit, or the digest of a directory's manifests."""
    author: str | None
    """The commit's author."""
    subject: str | None
    """The first line of the commit's message."""
    committed_at: Instant | None
    """When it was committed."""
    actor: str
    """Who asked."""
    via: Via
    """By which way."""
    result: RevisionResult
    """What became of it."""
    digest: str | None
    """The plan that was made of it."""
    counts: dict[str, int]
    """Its changes by action."""
    problems: list[ProblemReport]
    """What is wrong with it, as far as it was stored: the first 100 problems."""
    problem_count: int
    """How many problems there are, those that were not stored included."""
    partial: bool
    """True for a token that does not reach every workspace it is about: subject, counts and
    problems are left out."""
    created_at: Instant
    """When it was tried."""

    @classmethod
    def of(cls, attempt: Attempt, caller: Caller) -> "RevisionView":
        """The view of an attempt, as far as the caller may know of it."""
        whole = caller.sees_all(attempt.workspaces)
        problems = attempt.problems if whole else ()
        return cls(
            id=attempt.id,
            source_id=attempt.source_id,
            revision=attempt.revision.id,
            author=attempt.revision.author,
            subject=attempt.revision.subject if whole else None,
            committed_at=attempt.revision.committed_at,
            actor=attempt.actor,
            via=attempt.via,
            result=attempt.result,
            digest=attempt.plan_digest,
            counts=dict(attempt.counts) if whole else {},
            problems=[ProblemReport(**asdict(problem)) for problem in problems],
            problem_count=attempt.problem_count if whole else 0,
            partial=not whole,
            created_at=attempt.created_at,
        )


class RevisionDetail(RevisionView):
    """A revision with its plan."""

    plan_recorded: bool
    """False for a revision that was not applied, and for those from before plans were recorded."""
    changes: list[RecordedChange] = Field(strict=False)
    """What it changed, field by field, in the order of its plan. For a token that does not reach
    every workspace: the changes of those that it does."""
    more_changes: int
    """How many more changes there were, which were not recorded; 0 for a token that does not
    reach every workspace it is about."""

    @classmethod
    def detailed(
        cls, attempt: Attempt, plan: RecordedPlan | None, caller: Caller
    ) -> "RevisionDetail":
        """The view of an attempt and its plan, as far as the caller may know of it."""
        view = RevisionView.of(attempt, caller)
        seen = (plan or RecordedPlan()).within(caller.sees)
        return cls(
            **dict(view),
            plan_recorded=plan is not None,
            changes=list(seen.changes),
            more_changes=0 if view.partial else seen.more,
        )


def read_revision(tx: Tx, number: int, caller: Caller) -> RevisionDetail:
    """One revision. Raises NotFound, also for one of which the caller may not know."""
    attempt = get_attempt(tx, number)
    if attempt is None or not caller.sees_any(attempt.workspaces):
        raise NotFound(f"there is no revision {number}")
    return RevisionDetail.detailed(attempt, plan_of_revision(tx, number), caller)
