"""Revisions and sources on the wire: what was tried, what is in force."""

from dataclasses import asdict

from reconciler.core.access.roles import Caller
from reconciler.core.manifest.fields import Instant
from reconciler.core.plan.report import ProblemReport
from reconciler.store.engine.database import Tx
from reconciler.store.revisions.revisions import (
    Attempt,
    RevisionResult,
    Via,
    last_applied,
    last_attempt,
    list_sources,
)
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


class SourceView(Wire):
    """A source: the revision in force, and the last one that was tried."""

    id: str
    """The source's name."""
    applied: RevisionView | None
    """In force; null where none was ever applied."""
    attempted: RevisionView | None
    """Tried last; the same as `applied` where that went well."""


def source_views(tx: Tx, caller: Caller) -> list[SourceView]:
    """Every source of which the caller may know, by name."""
    sources = (_source(tx, name, caller) for name in list_sources(tx))
    return [source for source in sources if source.applied or source.attempted]


def _source(tx: Tx, name: str, caller: Caller) -> SourceView:
    applied, attempted = last_applied(tx, name), last_attempt(tx, name)
    return SourceView(id=name, applied=_seen(applied, caller), attempted=_seen(attempted, caller))


def _seen(attempt: Attempt | None, caller: Caller) -> RevisionView | None:
    if attempt is None or not caller.sees_any(attempt.workspaces):
        return None
    return RevisionView.of(attempt, caller)
