"""Which steps of a round have something to do, asked in one statement."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from reconciler.store.runs.claims import IS_SILENT
from reconciler.store.runs.leases import IS_ABANDONED, IS_HELD, IS_LOST_BEFORE_IT_BEGAN
from reconciler.store.runs.stopping import IS_OVERDUE, IS_UNATTENDED, IS_UNTOUCHED
from reconciler.store.tables import autopilot_run


class Due(NamedTuple):
    """Whether there is any run that is each of these.

    `abandoned`, `silent`, `overdue`, `untouched`, `unattended`: as the lists of these names.
    `held`: by the owner who asks. `expired`: a lease of work that never began.
    """

    abandoned: bool
    held: bool
    silent: bool
    overdue: bool
    untouched: bool
    unattended: bool
    expired: bool

    @property
    def stops(self) -> bool:
        """Whether there are runs to stop that nobody here holds."""
        return self.overdue or self.untouched or self.unattended


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
        )
    )
)


def find_due(
    tx: Connection, owner: str, now: datetime, overdue_since: datetime, busy: Collection[str]
) -> Due:
    """Ask for `owner`, whose process is still at the `busy` runs.

    `overdue_since`: see `silent_workers`.
    """
    values = {"held_by": owner, "now": now, "overdue_since": overdue_since, "ids": list(busy)}
    return Due._make(tx.execute(_DUE, values).one())
