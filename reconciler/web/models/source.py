"""Sources on the wire: what is in force, what was tried last, how they are followed."""

from collections.abc import Mapping
from typing import Literal

from reconciler.control.apply.follow_source import Position
from reconciler.core.access.roles import Caller
from reconciler.core.base.masking import mask
from reconciler.core.manifest.fields import Instant
from reconciler.store.engine.database import Tx
from reconciler.store.revisions.revisions import (
    Attempt,
    applied_commit,
    applied_revision,
    last_applied,
    last_attempt,
    list_sources,
)
from reconciler.web.http.operation import Wire
from reconciler.web.models.revision import RevisionView


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


def knows_source(tx: Tx, name: str, caller: Caller) -> bool:
    """Whether the caller may know of this source, be there one or not."""
    tried = (last_applied(tx, name), last_attempt(tx, name))
    return caller.workspaces is None or any(_seen(attempt, caller) for attempt in tried)


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
