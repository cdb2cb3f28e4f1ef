"""Deliveries: every webhook request that was received, and what became of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    func,
    literal_column,
    select,
    update,
)

from reconciler.core.base.uuid7 import uuid7
from reconciler.store.checked import Checked
from reconciler.store.engine.bulk import insert_tuples
from reconciler.store.engine.paging import filled, newest_of_each, newest_page
from reconciler.store.tables import autopilot_trigger, delivery

_D = delivery.c
_T = autopilot_trigger.c
_UNUSUAL = [_D.verdict != literal_column(f"'{word}'") for word in ("accepted", "skipped")]
"""Just what the index of these says: SQLite does not see that any other verdict implies it."""


class Delivery(NamedTuple):
    """One row of `delivery`. `body` is raw bytes, None where it is not kept (any more)."""

    id: str
    received_at: datetime
    verdict: str
    status_code: int
    verified: bool
    headers: Mapping[str, str]
    trigger_id: str | None = None
    autopilot_id: str | None = None
    workspace_id: str | None = None
    reason: str | None = None
    scheme: str | None = None
    event: str | None = None
    provider_id: str | None = None
    content_type: str | None = None
    body_size: int = 0
    body_sha256: str | None = None
    run_id: str | None = None
    attempts: int = 1
    replay_of: str | None = None
    body: bytes | None = None

    def __repr__(self) -> str:
        return f"Delivery({self.id}, {self.verdict})"  # nothing of what was sent


_CHECKED = Checked(Delivery, "delivery", items={"headers": str})
_WHOLE = tuple(_D[name] for name in Delivery._fields)
LIGHT = _WHOLE[:-1]
"""The columns of a delivery without its body."""


def insert_deliveries(tx: Connection, deliveries: Sequence[Delivery]) -> None:
    """Record deliveries."""
    insert_tuples(tx, delivery, Delivery._fields, deliveries)


def get_delivery(tx: Connection, delivery_id: str) -> Delivery | None:
    """The delivery of this id with its body. Raises Conflict where its row cannot be read."""
    row = tx.execute(select(*_WHOLE).where(_D.id == delivery_id)).one_or_none()
    return _CHECKED.read(_fields_of(row)) if row else None


def readable_deliveries(rows: Iterable[Row[Any]]) -> list[Delivery]:
    """The deliveries of rows with the columns `LIGHT`, without those that cannot be read."""
    return _CHECKED.readable(map(_fields_of, rows))


def _fields_of(row: Row[Any]) -> dict[str, Any]:
    return dict(zip(Delivery._fields, row, strict=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries a list shows; None does not filter."""

    workspaces: frozenset[str] | None = None
    autopilot_id: str | None = None
    trigger_id: str | None = None
    verdict: str | None = None


EVERY = DeliveryFilter()


def list_deliveries(
    tx: Connection, where: DeliveryFilter = EVERY, *, limit: int = 50, before: str | None = None
) -> list[Delivery]:
    """Deliveries without bodies, newest first; `before` is the last id seen."""

    def read(most: int) -> Sequence[Row[Any]]:
        return tx.execute(_page(tx, LIGHT, where, most, before)).all()

    return filled(read, readable_deliveries, limit)


def count_deliveries(tx: Connection, where: DeliveryFilter, most: int) -> int:
    """The number of deliveries that a filter fits, counted no further than to `most`."""
    page = _page(tx, (_D.id,), where, most, None).subquery()
    count: int = tx.execute(select(func.count()).select_from(page)).scalar_one()
    return count


def _page(
    tx: Connection,
    columns: Sequence[Column[Any]],
    where: DeliveryFilter,
    limit: int,
    before: str | None,
) -> Select[Any]:
    equal = {"trigger_id": where.trigger_id, "verdict": where.verdict}
    present = {name: value for name, value in equal.items() if value is not None}
    conditions: list[ColumnElement[bool]] = [] if before is None else [_D.id < before]
    unusual = where.verdict not in (None, "accepted", "skipped")
    if unusual:
        conditions += _UNUSUAL
    order = ("trigger_id", *(["verdict"] if unusual else []), "workspace_id")
    if where.autopilot_id is not None:
        # By the index of its triggers: one of autopilots would be written with each delivery.
        triggers = tx.execute(select(_T.id).where(_T.autopilot_id == where.autopilot_id))
        of_verdict = [_D.verdict == where.verdict] if where.verdict is not None else []
        newest = [*conditions, *of_verdict]
        ids = sorted(triggers.scalars())
        among = newest_of_each(delivery, "trigger_id", ids, newest, limit) if ids else ()
        conditions, order = [_D.id.in_(among)], ("trigger_id",)
    return newest_page(
        select(*columns), delivery, present, where.workspaces, *conditions, order=order, limit=limit
    )


def deliveries_between(
    tx: Connection, trigger_id: str, since: datetime, until: datetime, limit: int
) -> list[Delivery]:
    """The newest deliveries to a trigger within `since..until`, without bodies, oldest first.

    Ids begin with the time at which they were made, and are read by the trigger's index.
    """
    within = and_(_D.id >= uuid7(since, 0), _D.id < uuid7(until + timedelta(milliseconds=1), 0))
    query = select(*LIGHT).where(_D.trigger_id == trigger_id, within).order_by(_D.id.desc())
    newest = filled(lambda most: tx.execute(query.limit(most)).all(), readable_deliveries, limit)
    return newest[::-1]


def count_again(tx: Connection, delivery_ids: Sequence[str]) -> None:
    """Count one more attempt on each delivery that was sent again."""
    for delivery_id in delivery_ids:
        statement = update(delivery).where(_D.id == delivery_id)
        tx.execute(statement.values(attempts=_D.attempts + 1))
