"""The page of notifications: what people were told of, what waits, and why."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from reconciler.control.notify.resending import resend
from reconciler.core.access.roles import Role
from reconciler.core.notify.entry import KINDS, Entry, NotificationStatus
from reconciler.store.engine.database import Tx
from reconciler.store.notify.lists import EntryFilter, find_entries
from reconciler.web.api.notifications import NotificationQuery, require_entry
from reconciler.web.http.cursor import decode_cursor, encode_cursor
from reconciler.web.http.parameters import read_query
from reconciler.web.pages.pickers import pickers_for
from reconciler.web.pages.serving import Visit, see_other

SHOWN = 25


@dataclass(frozen=True, slots=True)
class Table:
    """One page; `older` and `newest` are addresses."""

    entries: list[Entry]
    older: str | None
    newest: str | None


async def listed(visit: Visit) -> Response:
    """Notifications, newest first."""
    query = read_query(visit.request, NotificationQuery, from_form=True)
    table = await visit.context.database.aread(lambda tx: _table(tx, visit, query))
    return visit.page(
        "notifications.html",
        pickers=await pickers_for(visit),
        table=table,
        query=query,
        kinds=KINDS,
        statuses=list(NotificationStatus),
        may_resend=visit.caller.may(Role.OPERATOR),
        filtered=any((query.workspace, query.channel, query.kind, query.status, query.run_id)),
    )


async def send_again(visit: Visit) -> Response:
    """Have a dead notification sent again, then show the list."""
    id_, database = visit.path["id"].lower(), visit.context.database

    def write(tx: Tx) -> None:
        require_entry(tx, id_, visit.caller)
        resend(tx, id_, visit.caller.name, database.now(tx))

    await database.awrite(write)
    return see_other("/notifications")


def _table(tx: Tx, visit: Visit, query: NotificationQuery) -> Table:
    before = str(decode_cursor(query.cursor, "notifications", str)[0]) if query.cursor else None
    where = EntryFilter(
        workspaces=visit.caller.narrowed(query.workspace),
        channel=query.channel,
        kind=query.kind,
        status=query.status,
        run_id=query.run_id,
    )
    entries = find_entries(tx, where, limit=SHOWN + 1, before=before)
    others = [(n, v) for n, v in visit.request.query_params.items() if v and n != "cursor"]
    older = None
    if len(entries) > SHOWN:
        cursor = encode_cursor("notifications", entries[SHOWN - 1].id)
        older = f"/notifications?{urlencode([*others, ('cursor', cursor)])}"
    newest = f"/notifications?{urlencode(others)}" if before else None
    return Table(entries[:SHOWN], older, newest)
