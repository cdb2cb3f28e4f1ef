"""Deliveries: every webhook request that was received, and what became of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, literal_column, select, update

from reconciler.store.bulk import insert_tuples
from reconciler.store.paging import newest_page
from reconciler.store.tables import delivery

_D = delivery.c
_UNUSUAL = [_D.verdict != literal_column(f"'{word}'") for word in ("accepted", "skipped")]
"""Just what the index of these says: SQLite does not see that any other verdict implies it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One row of `delivery`. `body` is raw bytes, None where it is not kept (any more)."""

    id: str
    received_at: datetime
    verdict: str
    status_code: int
    verified: bool
    trigger_id: str | None = None
    autopilot_id: str | None = None
    workspace_id: str | None = None
    reason: str | None = None
    scheme: str | None = None
    event: str | None = None
    provider_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    body: bytes | None = field(default=None, repr=False)
    body_size: int = 0
    body_sha256: str | None = None
    run_id: str | None = None
    attempts: int = 1
    replay_of: str | None = None


_FIELDS = tuple(f.name for f in fields(Delivery))
_values_of: Callable[[Delivery], tuple[Any, ...]] = attrgetter(*_FIELDS)
_LIGHT = tuple(_D[name] for name in _FIELDS if name != "body")


def insert_deliveries(tx: Connection, deliveries: Sequence[Delivery]) -> None:
    """Record deliveries."""
    insert_tuples(tx, delivery, _FIELDS, [_values_of(one) for one in deliveries])


def get_delivery(tx: Connection, delivery_id: str) -> Delivery | None:
    """One delivery with its body."""
    columns = [_D[name] for name in _FIELDS]
    row = tx.execute(select(*columns).where(_D.id == delivery_id)).one_or_none()
    return Delivery(**row._mapping) if row else None  # noqa: SLF001 - the documented accessor


def list_deliveries(
    tx: Connection,
    *,
    workspaces: frozenset[str] | None = None,
    trigger_id: str | None = None,
    verdict: str | None = None,
    limit: int = 50,
    before: str | None = None,
) -> list[Delivery]:
    """Deliveries without bodies, newest first; `before` is the last id seen."""
    equal = {"trigger_id": trigger_id, "verdict": verdict}
    given = {name: value for name, value in equal.items() if value is not None}
    rest: list[ColumnElement[bool]] = [] if before is None else [_D.id < before]
    unusual = verdict not in (None, "accepted", "skipped")
    if unusual:
        rest += _UNUSUAL
    order = ("trigger_id", *(["verdict"] if unusual else []), "workspace_id")
    query = newest_page(
        select(*_LIGHT), delivery, given, workspaces, *rest, order=order, limit=limit
    )
    return [Delivery(**row._mapping) for row in tx.execute(query)]  # noqa: SLF001 - documented


def count_again(tx: Connection, delivery_ids: Sequence[str]) -> None:
    """Count one more attempt on each delivery that was sent again."""
    for delivery_id in delivery_ids:
        statement = update(delivery).where(_D.id == delivery_id)
        tx.execute(statement.values(attempts=_D.attempts + 1))
