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
from reconciler.core.plan.lines.consequences import consequence_lines
from reconciler.core.plan.lines.fields import Line, field_lines
from reconciler.core.plan.recorded import RecordedChange
from reconciler.core.plan.report import DriftReport, drift_report
from reconciler.store.engine.database import Tx
from reconciler.store.revisions.revisions import list_attempts, newest_id
from reconciler.web.http.operation import Wire
from reconciler.web.http.parameters import read_query
from reconciler.web.models.revision import RevisionView, read_revision
from reconciler.web.models.source import SourceView, source_views
from reconciler.web.pages.brief_cache import BriefCache
from reconciler.web.pages.serving import View, Visit, see_other

SHOWN = 20
UNFOLDED = 40
"""Lines up to which a change of a revision is shown unfolded."""
_KINDS = {"+": "added", "-": "removed", "@": "place", "~": "changed"}


class RevisionQuery(Wire):
    """Which revision."""

    id: Annotated[int, Field(ge=1, lt=2**62)]
    """Its number."""


@dataclass(frozen=True, slots=True)
class History:
    """What the page shows."""

    sources: list[SourceView]
    revisions: list[RevisionView]


@dataclass(frozen=True, slots=True)
class ShownChange:
    """One change of a revision, as `plan` prints it."""

    change: RecordedChange
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, change: RecordedChange) -> "ShownChange":
        """The lines of a change: long texts line by line, then what follows from it."""
        fields = field_lines(change.fields, inline=False)
        return cls(change, (*fields, *consequence_lines(change.consequences)))

    @property
    def is_unfolded(self) -> bool:
        """Whether it is short enough to be read at once."""
        return len(self.lines) <= UNFOLDED

    @property
    def marked(self) -> list[tuple[str, str]]:
        """Each line with what it is: added, removed, changed, a place, or neither."""
        return [
            (_KINDS.get(line.mark, ""), f"{'  ' * line.depth}{line.mark} {line.text}")
            for line in self.lines
        ]


def sources_page(clock: Clock) -> View:
    """Every source that the caller sees, with a memory of its own for what drifted among many."""
    cache = BriefCache[tuple[DriftReport, ...]](clock)

    async def sources(visit: Visit) -> Response:
        database, caller = visit.context.database, visit.caller
        positions = visit.context.followed()
        history, newest = await database.aread(lambda tx: _read(tx, caller, positions))

        def drifted() -> tuple[DriftReport, ...]:
            return drift_report(drift(database, workspaces=caller.workspaces))

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
    detail = await visit.context.database.aread(lambda tx: read_revision(tx, query.id, caller))
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
    source = visit.form.get("source", "")
    if not visit.context.poll(source or None):
        raise NotFound(f"this server follows no source {source!r}")
    return see_other("/sources")


def _read(tx: Tx, caller: Caller, positions: Mapping[str, Position]) -> tuple[History, int]:
    attempts = list_attempts(tx, workspaces=caller.workspaces, limit=SHOWN)
    revisions = [RevisionView.of(attempt, caller) for attempt in attempts]
    return History(source_views(tx, caller, positions), revisions), newest_id(tx)
