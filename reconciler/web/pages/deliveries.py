"""The pages of deliveries: what webhooks brought, what became of it, and once more."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from starlette.responses import Response

from reconciler.control.webhooks.replay import REPLAYABLE, replay
from reconciler.core.access.roles import Role
from reconciler.core.base.errors import NotFound
from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.payload import parse_json
from reconciler.store.engine.database import Tx
from reconciler.store.objects.triggers import name_triggers
from reconciler.store.webhooks.deliveries import (
    Delivery,
    DeliveryFilter,
    count_deliveries,
    get_delivery,
    list_deliveries,
)
from reconciler.web.api.deliveries import DeliveryQuery, Verdict
from reconciler.web.http.cursor import Paged, read_page
from reconciler.web.http.parameters import Text, read_query
from reconciler.web.pages.pickers import pickers_for
from reconciler.web.pages.results.result import Part, part_of
from reconciler.web.pages.run_lists import named_autopilot
from reconciler.web.pages.serving import Visit, see_other

SHOWN = 25
COUNTED = 1000
"""Deliveries that are counted; that there are more is said without a number."""


@dataclass(frozen=True, slots=True)
class Row:
    """One delivery; `trigger` and `autopilot` are names, None where they are gone."""

    delivery: Delivery
    trigger: str | None
    autopilot: str | None


@dataclass(frozen=True, slots=True)
class Table:
    """One page, with the names that a row shows; `total` counts to one more than `COUNTED`."""

    paged: Paged[Delivery]
    rows: list[Row]
    total: int

    @property
    def counted(self) -> str:
        """How many deliveries there are, in words."""
        if self.total > COUNTED:
            return f"more than {COUNTED:,} deliveries"
        return f"{self.total:,} deliver{'y' if self.total == 1 else 'ies'}"


class PageDeliveryQuery(DeliveryQuery):
    """Which deliveries the page shows."""

    autopilot: Text | None = None
    """Only to this one, by `name` or `workspace/name`."""

    @property
    def filtered(self) -> bool:
        """Whether anything is left out."""
        return bool(self.model_fields_set - {"cursor", "limit"})


async def listed(visit: Visit) -> Response:
    """Deliveries, newest first."""
    query = read_query(visit.request, PageDeliveryQuery, from_form=True)
    table = await visit.context.database.aread(lambda tx: _table(tx, visit, query))
    return visit.page(
        "deliveries.html",
        pickers=await pickers_for(visit),
        table=table,
        query=query,
        verdicts=list(get_args(Verdict)),
    )


def _table(tx: Tx, visit: Visit, query: PageDeliveryQuery) -> Table:
    autopilot_id = query.autopilot_id
    if query.autopilot:
        autopilot_id = named_autopilot(tx, query.autopilot, query.workspace)
        if autopilot_id is None:
            return Table(Paged(), [], 0)
    where = DeliveryFilter(
        workspaces=visit.caller.narrowed(query.workspace),
        autopilot_id=autopilot_id,
        trigger_id=query.trigger_id,
        verdict=query.verdict,
    )

    def read(before: str | None, limit: int) -> list[Delivery]:
        return list_deliveries(tx, where, limit=limit, before=before)

    paged = read_page(visit.request, "deliveries", SHOWN, read)
    return Table(paged, _rows(tx, paged.rows), count_deliveries(tx, where, COUNTED + 1))


def _rows(tx: Tx, deliveries: Sequence[Delivery]) -> list[Row]:
    ids = [delivery.trigger_id for delivery in deliveries if delivery.trigger_id]
    names = name_triggers(tx, ids)
    return [
        Row(delivery, *names.get(delivery.trigger_id or "", (None, None)))
        for delivery in deliveries
    ]


async def show(visit: Visit) -> Response:
    """One delivery; its body is for operators."""
    row = await visit.context.database.aread(lambda tx: _row(tx, visit))
    delivery, may = row.delivery, visit.caller.may(Role.OPERATOR)
    body = None
    if may and delivery.body is not None:
        body = await asyncio.to_thread(_body, delivery.body)
    can_replay = delivery.verdict in REPLAYABLE and delivery.body is not None
    return visit.page(
        "delivery.html",
        no_store=body is not None or (may and can_replay),
        row=row,
        body=body,
        can_replay=may and can_replay,
    )


def _row(tx: Tx, visit: Visit) -> Row:
    """The delivery of the path, if the caller may know of it. Raises NotFound."""
    id_ = visit.path["id"].lower()
    delivery = get_delivery(tx, id_)
    workspace = delivery.workspace_id if delivery else None
    if delivery is None or workspace is None or not visit.caller.sees(workspace):
        raise NotFound(f"there is no delivery {id_}")
    return _rows(tx, [delivery])[0]


def _body(body: bytes) -> Part | None:
    """As JSON where it is JSON, else as text."""
    try:
        return part_of(parse_json(body))
    except BodyError:
        return part_of(body.decode("utf-8", "replace"))


async def repeat(visit: Visit) -> Response:
    """Start a run from a delivery, then show it."""
    row = await visit.context.database.aread(lambda tx: _row(tx, visit))
    run = await asyncio.to_thread(
        replay,
        visit.context.launcher,
        row.delivery.id,
        visit.caller.name,
        visit.idempotency_key,
    )
    return see_other(f"/runs/{run.id}")
