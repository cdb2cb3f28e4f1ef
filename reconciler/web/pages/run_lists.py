"""Tables of runs, newest first, with a way to older ones."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from reconciler.core.runs.run import Run, Source, Status
from reconciler.store.engine.database import Tx
from reconciler.store.runs.lists import RunFilter, find_runs
from reconciler.web.api.runs import RunQuery
from reconciler.web.http.cursor import decode_cursor, encode_cursor
from reconciler.web.http.parameters import read_query
from reconciler.web.pages.serving import Visit

SHOWN = 25


@dataclass(frozen=True, slots=True)
class RunTable:
    """One page of runs; `older` is the address of the next one."""

    runs: list[Run]
    older: str | None
    newest: str | None


def run_table(tx: Tx, visit: Visit, where: RunFilter) -> RunTable:
    """The runs that a page shows, by its `cursor`."""
    parameters = [(name, value) for name, value in visit.request.query_params.items() if value]
    others = [(name, value) for name, value in parameters if name != "cursor"]
    cursor = dict(parameters).get("cursor")
    before = str(decode_cursor(cursor, "runs", str)[0]) if cursor else None
    rows = find_runs(tx, where, limit=SHOWN + 1, before=before)
    runs, here = rows[:SHOWN], visit.request.url.path
    older = None
    if len(rows) > SHOWN:
        older = f"{here}?{urlencode([*others, ('cursor', encode_cursor('runs', runs[-1].id))])}"
    newest = f"{here}?{urlencode(others)}" if before else None
    return RunTable(runs, older, newest)


async def runs(visit: Visit) -> Response:
    """The runs of every autopilot that the caller sees."""
    query = read_query(visit.request, RunQuery, from_form=True)
    where = RunFilter(
        workspaces=visit.caller.narrowed(query.workspace),
        status=query.status,
        source=query.source,
        reason=query.reason,
        since=query.since,
        until=query.until,
    )
    table = await visit.context.database.aread(lambda tx: run_table(tx, visit, where))
    return visit.page(
        "runs.html", table=table, query=query, statuses=list(Status), sources=list(Source)
    )
