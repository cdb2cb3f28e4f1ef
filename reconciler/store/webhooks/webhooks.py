"""Webhook triggers by the hash of their token, and the keys by which a delivery is known again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, or_, select

from reconciler.store.engine.batches import IDS, batches, by_first
from reconciler.store.engine.bulk import Known, insert_tuples
from reconciler.store.objects.documents import trigger_document
from reconciler.store.tables import autopilot, autopilot_trigger, idempotency_key

_A = autopilot.c
_T = autopilot_trigger.c
_K = idempotency_key.c


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """The trigger that a token opens. `document` is the trigger as canonical JSON."""

    trigger_id: str
    autopilot_id: str
    name: str
    document: Mapping[str, Any]
    updated_at: datetime


def find_webhook(tx: Connection, token_hash: str, now: datetime) -> WebhookTarget | None:
    """The trigger of a token, or of the generation before while its grace lasts."""
    former = and_(_T.previous_token == token_hash, _T.previous_token_until > now)
    query = select(autopilot_trigger).where(
        or_(_T.webhook_token == token_hash, former), _T.removed_at.is_(None)
    )
    row = tx.execute(query).first()
    return _target(row) if row else None


@dataclass(frozen=True, slots=True)
class ListedWebhook:
    """A webhook trigger of a living autopilot, and whose it is."""

    workspace: str
    autopilot: str
    trigger: str
    document: Mapping[str, Any]


def list_webhooks(tx: Connection) -> list[ListedWebhook]:
    """The enabled webhook triggers of all living autopilots, by workspace and name."""
    query = (
        select(autopilot_trigger, _A.name.label("owner"), _A.workspace_id.label("workspace"))
        .join(autopilot, _A.id == _T.autopilot_id)
        .where(_T.kind == "webhook", _T.removed_at.is_(None), _T.enabled, _A.archived_at.is_(None))
        .order_by(_A.workspace_id, _A.name, _T.name)
    )
    return [
        ListedWebhook(row.workspace, row.owner, row.name, _document(row))
        for row in tx.execute(query)
    ]


_UPDATED = select(_T.id, _T.updated_at).where(_T.id.in_(IDS), _T.removed_at.is_(None))


def last_changes(tx: Connection, trigger_ids: Iterable[str]) -> dict[str, datetime]:
    """When each of these triggers was changed last; those that were removed are not there."""
    ids = sorted(set(trigger_ids))
    rows = (row for batch in batches(ids) for row in tx.execute(_UPDATED, {"ids": batch}))
    return {row.id: row.updated_at for row in rows}


def _target(row: Row[Any]) -> WebhookTarget:
    return WebhookTarget(row.id, row.autopilot_id, row.name, _document(row), row.updated_at)


def _document(row: Row[Any]) -> Mapping[str, Any]:
    return trigger_document(dict(row._mapping))  # noqa: SLF001 - the documented accessor


@dataclass(frozen=True, slots=True)
class SeenKey:
    """A key that was used: by which run and delivery, with which body."""

    scope: str
    key: str
    body_sha256: str
    run_id: str
    delivery_id: str | None
    expires_at: datetime


_SEEN = tuple(f.name for f in fields(SeenKey))
_values_of: Callable[[SeenKey], tuple[Any, ...]] = attrgetter(*_SEEN)


_USED = select(idempotency_key).where(
    _K.scope == bindparam("scope"), _K.key.in_(IDS), _K.expires_at > bindparam("now")
)


def seen_keys(
    tx: Connection, wanted: Iterable[tuple[str, str]], now: datetime
) -> dict[tuple[str, str], SeenKey]:
    """The keys (scope, key) of these that were used and have not expired."""
    return {
        (row.scope, row.key): SeenKey(*row)
        for scope, keys in by_first(wanted).items()
        for batch in batches(keys)
        for row in tx.execute(_USED, {"scope": scope, "ids": batch, "now": now})
    }


def use_keys(tx: Connection, keys: Sequence[SeenKey]) -> None:
    """Remember keys; one that has expired is used anew."""
    insert_tuples(
        tx, idempotency_key, _SEEN, [_values_of(key) for key in keys], known=Known.REPLACED
    )
