"""The page of sources: the revision in force, the one tried last, what is wrong, what drifted."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from reconciler.clock import Clock
from reconciler.control.apply.follow_source import Position
from reconciler.control.apply.forge import commit_page
from reconciler.control.apply.inventory import drift
from reconciler.core.access.roles import Caller
from reconciler.core.base.errors import NotFound
from reconciler.store.engine.database import Tx
from reconciler.store.revisions.revisions import find_attempt, list_attempts, newest_id
from reconciler.web.http.operation import Wire
from reconciler.web.http.parameters import Text, read_query
from reconciler.web.models.revision import RevisionDetail, RevisionView, read_revision
from reconciler.web.models.source import SourceView, knows_source, source_views
from reconciler.web.pages.brief_cache import BriefCache
from reconciler.web.pages.changes import ShownChange, ShownDrift, shown_drift
from reconciler.web.pages.serving import View, Visit, see_other

SHOWN = 20


class RevisionQuery(Wire):
    """Which revision, by one of these."""

    id: Annotated[int, Field(ge=1, lt=2**62)] | None = None
    """Its number."""
    of: Text | None = None
    """A commit, or the digest of a folder: the newest try of it, an applied one first."""


@dataclass(frozen=True, slots=True)
class History:
    """What the page shows."""

    sources: list[SourceView]
    revisions: list[RevisionView]


def sources_page(clock: Clock) -> View:
    """Every source that the caller sees, with a memory of its own for what drifted among many."""
    cache = BriefCache[tuple[ShownDrift, ...]](clock)

    async def sources(visit: Visit) -> Response:
        database, caller = visit.context.database, visit.caller
        positions = visit.context.followed()
        history, newest = await database.aread(lambda tx: _read(tx, caller, positions))

        def drifted() -> tuple[ShownDrift, ...]:
            drifts = drift(database, workspaces=caller.workspaces)
            return shown_drift(drifts, names_sources=caller.workspaces is None)

        # What was put back since is another revision, and another key.
        key = (caller.workspaces, newest)
        return visit.page(
            "sources.html",
            history=history,
            drifted=await asyncio.to_thread(cache.get, key, drifted),
            followed=bool(positions),
            self_heal=visit.context.settings.self_heal,
        )

    return sources


async def revision(visit: Visit) -> Response:
    """One revision: who, what it changed, field by field, and what is wrong with it."""
    query, caller = read_query(visit.request, RevisionQuery), visit.caller

    def read(tx: Tx) -> RevisionDetail:
        number = query.id
        if number is None:
            number = find_attempt(tx, query.of or "", caller.workspaces)
        if number is None:
            raise NotFound(f"no source has tried revision {query.of!r}, as far as is known here")
        return read_revision(tx, number, caller)

    detail = await visit.context.database.aread(read)
    position = visit.context.followed().get(detail.source_id)
    url = position.place.url if position is not None else None
    return visit.page(
        "revision.html",
        attempt=detail,
        changes=await asyncio.to_thread(lambda: list(map(ShownChange.of, detail.changes))),
        commit_url=commit_page(url or "", detail.revision),
    )


async def poll(visit: Visit) -> Response:
    """Read a followed source now: what drifted is put back, what changed is applied."""
    source, context, caller = visit.form.get("source", ""), visit.context, visit.caller
    if source and not await context.database.aread(lambda tx: knows_source(tx, source, caller)):
        raise NotFound(f"this server follows no source {source!r}")
    if not context.poll(source or None):
        raise NotFound(f"this server follows no source {source!r}")
    return see_other("/sources")


def _read(tx: Tx, caller: Caller, positions: Mapping[str, Position]) -> tuple[History, int]:
    attempts = list_attempts(tx, workspaces=caller.workspaces, limit=SHOWN)
    revisions = [RevisionView.of(attempt, caller) for attempt in attempts]
    return History(source_views(tx, caller, positions), revisions), newest_id(tx)
