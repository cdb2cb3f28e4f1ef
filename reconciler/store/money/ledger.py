"""What was spent each day under every budget that there is or may come to be.

Kept beside the runs, since these are deleted when they are old, and summing up a month of them for
each admission would take too long.
"""

from datetime import datetime

from sqlalchemy import Connection, select, text

from reconciler.core.calendar.days import day_of
from reconciler.store.tables import shared_setting

MONEY = "money"
"""The shared setting that holds the time zone and the operator's budgets."""
SERVER = "server"
"""The scope of all runs."""
_S = shared_setting.c
_BOOK = text(
    "INSERT INTO spending (scope, day, cost_micros) VALUES (:scope, :day, :cost) "
    "ON CONFLICT (scope, day) DO UPDATE SET cost_micros = spending.cost_micros + :cost"
)


def autopilot_scope(autopilot_id: str) -> str:
    """What an autopilot's spending is booked under."""
    return f"autopilot/{autopilot_id}"


def agent_scope(workspace: str, name: str) -> str:
    """What an agent's spending is booked under."""
    return f"agent/{workspace}/{name}"


def workspace_scope(workspace: str) -> str:
    """What a workspace's spending is booked under."""
    return f"workspace/{workspace}"


def read_timezone(tx: Connection) -> str:
    """The time zone that money is counted by."""
    value = tx.execute(select(_S.value).where(_S.name == MONEY)).scalar_one_or_none() or {}
    return str(value.get("timezone", "UTC"))


def book(
    tx: Connection,
    at: datetime,
    cost_micros: int,
    autopilot_id: str,
    workspace: str,
    agent: str | None,
) -> None:
    """Add the cost of a run that ends now, to the day of its end.

    In the transaction that ends the run: what is no longer reserved is spent.
    """
    scopes = [autopilot_scope(autopilot_id), workspace_scope(workspace), SERVER]
    scopes += [agent_scope(workspace, agent)] if agent else []
    day = day_of(at, read_timezone(tx)).isoformat()
    # In the same order by everybody: two that end at once must not wait for each other.
    rows = [{"scope": scope, "day": day, "cost": cost_micros} for scope in sorted(scopes)]
    tx.execute(_BOOK, rows)
