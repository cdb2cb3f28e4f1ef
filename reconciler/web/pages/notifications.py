"""The page of notifications: what people were told of, what waits, and why."""

from starlette.responses import Response

from reconciler.control.notify.resending import resend
from reconciler.core.access.roles import Role
from reconciler.core.base.errors import Conflict
from reconciler.core.notify.entry import KINDS, Entry, NotificationStatus
from reconciler.store.engine.database import Tx
from reconciler.store.notify.lists import EntryFilter, find_entries
from reconciler.web.api.notifications import NotificationQuery, require_entry
from reconciler.web.http.cursor import Paged, read_page
from reconciler.web.http.parameters import read_query
from reconciler.web.pages.pickers import pickers_for
from reconciler.web.pages.serving import Visit, see_other

SHOWN = 25


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
    """Have a dead notification sent again, then show the list: also where it is dead no more."""
    id_, database = visit.path["id"].lower(), visit.context.database

    def write(tx: Tx) -> None:
        require_entry(tx, id_, visit.caller)
        resend(tx, id_, visit.caller.name, database.now(tx))

    try:
        await database.awrite(write)
    except Conflict as error:
        if error.reason != "not-dead":
            raise
    return see_other("/notifications")


def _table(tx: Tx, visit: Visit, query: NotificationQuery) -> Paged[Entry]:
    where = EntryFilter(
        workspaces=visit.caller.narrowed(query.workspace),
        channel=query.channel,
        kind=query.kind,
        status=query.status,
        run_id=query.run_id,
    )

    def read(before: str | None, limit: int) -> list[Entry]:
        return find_entries(tx, where, limit=limit, before=before)

    return read_page(visit.request, "notifications", SHOWN, read)
