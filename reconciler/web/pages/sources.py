"""The page of sources: the revision in force, the one tried last, what is wrong, what drifted."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from reconciler.control.apply.follow_source import Position
from reconciler.control.apply.inventory import drift
from reconciler.core.access.roles import Caller
from reconciler.core.plan.report import DriftReport, drift_report
from reconciler.store.engine.database import Tx
from reconciler.store.revisions.revisions import list_attempts
from reconciler.web.models.source import RevisionView, SourceView, source_views
from reconciler.web.pages.serving import Visit

SHOWN = 20


@dataclass(frozen=True, slots=True)
class History:
    """What the page shows."""

    sources: list[SourceView]
    revisions: list[RevisionView]


async def sources(visit: Visit) -> Response:
    """Every source that the caller sees."""
    database, caller = visit.context.database, visit.caller
    positions = visit.context.followed()
    history = await database.aread(lambda tx: _read(tx, caller, positions))
    differences = await asyncio.to_thread(drift, database, workspaces=caller.workspaces)
    drifted: tuple[DriftReport, ...] = drift_report(differences)
    return visit.page("sources.html", history=history, drifted=drifted)


def _read(tx: Tx, caller: Caller, positions: Mapping[str, Position]) -> History:
    attempts = list_attempts(tx, workspaces=caller.workspaces, limit=SHOWN)
    revisions = [RevisionView.of(attempt, caller) for attempt in attempts]
    return History(source_views(tx, caller, positions), revisions)
