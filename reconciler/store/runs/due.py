"""Which steps of a round have something to do, asked in one statement."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, and_, select

from reconciler.store.runs.claims import IS_SILENT
from reconciler.store.runs.leases import IS_ABANDONED, IS_HELD, IS_LOST_BEFORE_IT_BEGAN
from reconciler.store.runs.runs import IS_QUEUED
from reconciler.store.runs.stopping import IS_OVERDUE, IS_UNATTENDED, IS_UNTOUCHED
from reconciler.store.runs.workspace_turns import ANY_HELD_BACK
from reconciler.store.tables import autopilot_run


class Due(NamedTuple):
    """Whether there is any run that is each of these.

    `abandoned`, `silent`, `overdue`, `untouched`, `unattended`: as the lists of these names.
    `held`: by the owner who asks. `expired`: a lease of work that never began. `queued`: admitted
    and waiting for an agent, due or not. `held_back`: a workspace, for want of room.
    """

    abandoned: bool
    held: bool
    silent: bool
    overdue: bool
    untouched: bool
    unattended: bool
    expired: bool
    queued: bool
    held_back: bool

    @property
    def stops(self) -> bool:
        """Whether there are runs to stop that nobody here holds."""
        return self.overdue or self.untouched or self.unattended


# The queue names the index: SQLite would rather read all that were ever admitted.
_IN_A_QUEUE = and_(IS_QUEUED, autopilot_run.c.queue >= "")
# Each has an index of its own; all in one condition would read every active run.
_DUE = select(
    *(
        select(autopilot_run.c.id).where(condition).exists()
        for condition in (
            IS_ABANDONED,
            IS_HELD,
            IS_SILENT,
            IS_OVERDUE,
            IS_UNTOUCHED,
            IS_UNATTENDED,
            IS_LOST_BEFORE_IT_BEGAN,
            _IN_A_QUEUE,
        )
    ),
    ANY_HELD_BACK,
)


def find_due(
    tx: Connection, owner: str, now: datetime, overdue_since: datetime, busy: Collection[str]
) -> Due:
    """Ask for `owner`, whose process is still at the `busy` runs.

    `overdue_since`: see `silent_workers`.
    """
    values = {"held_by": owner, "now": now, "overdue_since": overdue_since, "ids": list(busy)}
    return Due._make(tx.execute(_DUE, values).one())
