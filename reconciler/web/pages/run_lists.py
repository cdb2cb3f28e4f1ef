"""Tables of runs, newest first, with a way to older ones."""

from datetime import datetime, timedelta
from typing import Literal

from starlette.responses import Response

from reconciler.core.base.identity import Key
from reconciler.core.manifest.model import Kind
from reconciler.core.runs.run import Reason, Run, Source, Status
from reconciler.store.engine.database import Tx
from reconciler.store.objects.current import find
from reconciler.store.runs.lists import RunFilter, find_runs
from reconciler.web.api.runs import RunQuery
from reconciler.web.http.cursor import Paged, read_page
from reconciler.web.http.parameters import Text, read_query
from reconciler.web.pages.pickers import pickers_for
from reconciler.web.pages.serving import Visit

SHOWN = 25
WITHIN = {
    "hour": ("last hour", timedelta(hours=1)),
    "day": ("last 24 hours", timedelta(days=1)),
    "week": ("last 7 days", timedelta(days=7)),
    "month": ("last 30 days", timedelta(days=30)),
}


class PageRunQuery(RunQuery):
    """Which runs the page shows."""

    autopilot: Text | None = None
    """Only of this one, by `name` or `workspace/name`."""
    agent: Text | None = None
    """Only what this agent got."""
    within: Literal["hour", "day", "week", "month"] | None = None
    """Only what was triggered in this time."""
    live: Literal["yes"] | None = None
    """Only what has not ended."""

    @property
    def filtered(self) -> bool:
        """Whether anything is left out."""
        return bool(self.model_fields_set - {"cursor", "limit"})


def run_table(tx: Tx, visit: Visit, where: RunFilter) -> Paged[Run]:
    """The runs that a page shows, by its `cursor`."""

    def read(before: str | None, limit: int) -> list[Run]:
        return find_runs(tx, where, limit=limit, before=before)

    return read_page(visit.request, "runs", SHOWN, read)


async def runs(visit: Visit) -> Response:
    """The runs of every autopilot that the caller sees."""
    query = read_query(visit.request, PageRunQuery, from_form=True)
    now = visit.context.clock.now()

    def read(tx: Tx) -> Paged[Run]:
        where = _filter(tx, visit, query, now)
        return Paged() if where is None else run_table(tx, visit, where)

    return visit.page(
        "runs.html",
        pickers=await pickers_for(visit),
        table=await visit.context.database.aread(read),
        query=query,
        statuses=list(Status),
        sources=list(Source),
        reasons=list(Reason),
        times={name: words for name, (words, _) in WITHIN.items()},
    )


def _filter(tx: Tx, visit: Visit, query: PageRunQuery, now: datetime) -> RunFilter | None:
    """What is asked for; None where it names an autopilot that does not exist (any more)."""
    autopilot_id = None
    if query.autopilot:
        autopilot_id = named_autopilot(tx, query.autopilot, query.workspace)
        if autopilot_id is None:
            return None
    return RunFilter(
        autopilot_id=autopilot_id,
        workspaces=visit.caller.narrowed(query.workspace),
        status=query.status,
        source=query.source,
        reason=query.reason,
        agent=query.agent,
        is_open=query.live is not None,
        since=_since(query, now),
        until=query.until,
    )


def named_autopilot(tx: Tx, text: str, workspace: str | None) -> str | None:
    """The id of an autopilot by `name` or `workspace/name`; None where it does not exist."""
    before, slash, name = text.partition("/")
    key = (before, name) if slash else (workspace or "default", before)
    stored = find(tx, Key(Kind.AUTOPILOT, *key))
    return stored.id if stored is not None else None


def _since(query: PageRunQuery, now: datetime) -> datetime | None:
    if query.since is not None:
        return query.since
    if query.within is not None:
        return now - WITHIN[query.within][1]
    return None
