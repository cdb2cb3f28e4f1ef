"""Revisions and sources on the wire: what was tried, what is in force."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Literal

from reconciler.control.apply.follow_source import Position
from reconciler.core.access.roles import Caller
from reconciler.core.base.masking import mask
from reconciler.core.manifest.fields import Instant
from reconciler.core.plan.report import ProblemReport
from reconciler.store.engine.database import Tx
from reconciler.store.revisions.revisions import (
    Attempt,
    RevisionResult,
    Via,
    applied_commit,
    applied_revision,
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


class FollowedView(Wire):
    """How this server follows a source."""

    kind: Literal["folder", "git"]
    """From where."""
    url: str | None
    """Of the repository, without credentials; null for a folder."""
    ref: str | None
    """The branch or tag that is followed; null for a folder."""
    path: str | None
    """The folder in the repository, empty for all of it; null for a folder of the server's host."""
    polled_at: Instant | None
    """When it was last read; null before the first time."""
    problem: str | None
    """Why it could not be read then; what was applied before stays in force."""

    @classmethod
    def of(cls, position: Position) -> "FollowedView":
        """The view of a position."""
        place, polled = position.place, position.polled
        return cls(
            kind="folder" if place.url is None else "git",
            url=None if place.url is None else mask(place.url),
            ref=place.ref,
            path=None if place.url is None else place.path,
            polled_at=polled.at if polled else None,
            problem=polled.problem if polled else None,
        )


class SourceView(Wire):
    """A source: the revision in force, and the last one that was tried."""

    id: str
    """The source's name."""
    applied: RevisionView | None
    """In force; null where none was ever applied."""
    attempted: RevisionView | None
    """Tried last; the same as `applied` where that went well."""
    followed: FollowedView | None
    """How this server follows it; null where it does not."""
    precedent: str | None
    """The revision that the next one has to descend from: the last commit that was applied."""


def source_views(tx: Tx, caller: Caller, followed: Mapping[str, Position]) -> list[SourceView]:
    """Every source of which the caller may know, by name.

    One that is followed and was never tried is known to those who see every workspace.
    """
    names = sorted({*list_sources(tx), *followed})
    sources = [_source(tx, name, caller, followed.get(name)) for name in names]
    return [
        source
        for source in sources
        if source.applied or source.attempted or caller.workspaces is None
    ]


def _source(tx: Tx, name: str, caller: Caller, position: Position | None) -> SourceView:
    applied, attempted = last_applied(tx, name), last_attempt(tx, name)
    precedent = applied_commit(tx, name) or applied_revision(tx, name)
    seen = _seen(applied, caller)
    return SourceView(
        id=name,
        applied=seen,
        attempted=_seen(attempted, caller),
        precedent=precedent.id if precedent and seen else None,
        followed=FollowedView.of(position) if position else None,
    )


def _seen(attempt: Attempt | None, caller: Caller) -> RevisionView | None:
    if attempt is None or not caller.sees_any(attempt.workspaces):
        return None
    return RevisionView.of(attempt, caller)
