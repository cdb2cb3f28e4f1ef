"""The API of deliveries: what webhooks brought, what became of it, and once more."""

import asyncio
from typing import Annotated, Literal

from pydantic import Field

from reconciler.control.webhooks.replay import replay
from reconciler.core.access.roles import Role
from reconciler.core.base.errors import NotFound
from reconciler.core.manifest.fields import Instant
from reconciler.core.manifest.trigger import TriggerKind
from reconciler.store.webhooks.deliveries import (
    Delivery,
    DeliveryFilter,
    get_delivery,
    list_deliveries,
)
from reconciler.web.api.autopilots import read_one
from reconciler.web.api.runs import PageQuery
from reconciler.web.http.answers import Reply
from reconciler.web.http.cursor import decode_cursor, encode_cursor
from reconciler.web.http.faults import ID
from reconciler.web.http.operation import (
    Call,
    Content,
    NoBody,
    NoQuery,
    Operation,
    Wire,
    json_content,
)
from reconciler.web.http.parameters import IDEMPOTENCY_KEY, Text, read_idempotency_key
from reconciler.web.http.problems import HttpProblem
from reconciler.web.models.run import Id, RunView
from reconciler.web.models.urls import webhook_url

Verdict = Literal["accepted", "skipped", "duplicate", "ignored", "pong", "refused"]
BYTES = "application/octet-stream"


class DeliveryQuery(PageQuery):
    """Which deliveries."""

    workspace: Text | None = None
    """Only this workspace."""
    autopilot_id: Annotated[str, Field(pattern=ID)] | None = None
    """Only to this autopilot."""
    trigger_id: Annotated[str, Field(pattern=ID)] | None = None
    """Only to this trigger."""
    verdict: Verdict | None = None
    """Only what became this."""


class DeliveryView(Wire):
    """One webhook request that was received. Credentials are never among its headers."""

    id: Id
    """Sorts by the moment of its arrival."""
    trigger_id: Id | None
    """The trigger."""
    autopilot_id: Id | None
    """The autopilot."""
    workspace: str | None
    """The autopilot's workspace."""
    received_at: Instant
    """When it came."""
    verdict: Verdict
    """What became of it."""
    reason: str | None
    """Why, as a sentence."""
    status_code: int
    """The status of the answer."""
    verified: bool
    """Whether a signature proved who sent it."""
    scheme: str | None
    """How it was signed."""
    event: str | None
    """What the sender says it is about."""
    provider_id: str | None
    """The key by which it is known again."""
    headers: dict[str, str]
    """Some of its headers."""
    content_type: str | None
    """Of the body."""
    body_size: int
    """Bytes."""
    body_sha256: str | None
    """The digest of the body."""
    body_kept: bool | None
    """Whether the body can still be had; null in lists."""
    run_id: Id | None
    """The run that it became."""
    attempts: int
    """How often it came; of a refused one for how many like it this one stands."""
    replay_of: Id | None
    """The delivery that this one repeats."""

    @classmethod
    def of(cls, delivery: Delivery, *, whole: bool = False) -> "DeliveryView":
        """The view of a delivery; `whole` is one that was read with its body."""
        body_kept = delivery.body is not None if whole else None
        same = {
            name: getattr(delivery, name) for name in cls.model_fields if hasattr(delivery, name)
        }
        return cls(**same, workspace=delivery.workspace_id, body_kept=body_kept)


class DeliveryPage(Wire):
    """Deliveries, newest first."""

    items: list[DeliveryView]
    """This page."""
    next_cursor: str | None
    """For the next page; null on the last one."""


class WebhookUrl(Wire):
    """Where a sender posts to. Whoever knows it may post: treat it as a secret."""

    url: str
    """The URL, with the token."""


async def list_all(call: Call[DeliveryQuery, NoBody]) -> Reply:
    """Deliveries, without bodies."""
    query = call.query
    before = str(decode_cursor(query.cursor, "deliveries", str)[0]) if query.cursor else None
    where = DeliveryFilter(
        workspaces=call.caller.narrowed(query.workspace),
        autopilot_id=query.autopilot_id,
        trigger_id=query.trigger_id,
        verdict=query.verdict,
    )
    rows = await call.context.database.aread(
        lambda tx: list_deliveries(tx, where, limit=query.limit + 1, before=before)
    )
    items = [DeliveryView.of(delivery) for delivery in rows[: query.limit]]
    more = len(rows) > query.limit
    cursor = encode_cursor("deliveries", items[-1].id) if more else None
    return Reply(content=DeliveryPage(items=items, next_cursor=cursor))


async def show(call: Call[NoQuery, NoBody]) -> Reply:
    """One delivery."""
    return Reply(content=DeliveryView.of(await _delivery(call), whole=True))


async def body(call: Call[NoQuery, NoBody]) -> Reply:
    """The body as it came, byte for byte, as a download: its own type could be a page."""
    delivery = await _delivery(call)
    if delivery.body is None:
        raise HttpProblem(410, "body-gone", "the body of this delivery is no longer kept")
    name = f'attachment; filename="{delivery.id}"'
    return Reply(content=delivery.body, media_type=BYTES, headers={"Content-Disposition": name})


async def repeat(call: Call[NoQuery, NoBody]) -> Reply:
    """Start a run from a delivery that came before: its body, today's manifest."""
    delivery = await _delivery(call)
    key = read_idempotency_key(call.request)
    run = await asyncio.to_thread(replay, call.context.launcher, delivery.id, call.caller.name, key)
    return Reply(content=RunView.of(run), status=202, headers={"Location": f"/v1/runs/{run.id}"})


async def url(call: Call[NoQuery, NoBody]) -> Reply:
    """The URL of a webhook trigger."""
    overview, trigger_id = await read_one(call), call.path["triggerId"].lower()
    trigger = next((trigger for trigger in overview.triggers if trigger.id == trigger_id), None)
    if trigger is None:
        raise NotFound(f"there is no trigger {trigger_id}")
    if trigger.kind != TriggerKind.WEBHOOK:
        raise HttpProblem(409, "not-a-webhook", f"the trigger {trigger.name} is no webhook")
    return Reply(
        content=WebhookUrl(url=webhook_url(call.context, trigger)),
        headers={"Cache-Control": "no-store"},
    )


async def _delivery(call: Call[NoQuery, NoBody]) -> Delivery:
    """The delivery of the path, if the caller may know of it. Raises NotFound."""
    id_ = call.path["id"].lower()
    delivery = await call.context.database.aread(lambda tx: get_delivery(tx, id_))
    workspace = delivery.workspace_id if delivery else None
    if delivery is None or workspace is None or not call.caller.sees(workspace):
        raise NotFound(f"there is no delivery {id_}")
    return delivery


OPERATIONS = (
    Operation(
        method="GET", path="/v1/deliveries", handler=list_all, role=Role.VIEWER,
        tag="webhooks", summary="List deliveries", query=DeliveryQuery,
        answers={200: json_content(DeliveryPage, "One page of deliveries, newest first.", "ETag")},
    ),
    Operation(
        method="GET", path="/v1/deliveries/{id}", handler=show, role=Role.VIEWER,
        tag="webhooks", summary="Show a delivery", problems=(404,),
        answers={200: json_content(DeliveryView, "The delivery.", "ETag")},
    ),
    Operation(
        method="GET", path="/v1/deliveries/{id}/body", handler=body, role=Role.OPERATOR,
        tag="webhooks", summary="Download the body of a delivery", problems=(404, 410),
        answers={200: Content(description="The bytes.", media={BYTES: None}, headers=("ETag",))},
    ),
    Operation(
        method="POST", path="/v1/deliveries/{id}/replay", handler=repeat, role=Role.OPERATOR,
        tag="webhooks", summary="Replay a delivery", problems=(404, 409),
        headers=IDEMPOTENCY_KEY,
        answers={202: json_content(RunView, "The run, as it was admitted.", "Location")},
    ),
    Operation(
        method="GET", path="/v1/autopilots/{id}/triggers/{triggerId}/url", handler=url,
        role=Role.OPERATOR, tag="webhooks", summary="Show the URL of a webhook",
        problems=(404, 409), answers={200: json_content(WebhookUrl, "The URL.")},
    ),
)  # fmt: skip
