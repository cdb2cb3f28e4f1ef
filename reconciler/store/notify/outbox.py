"""Writing the outbox: in the transaction of what is told of, and once.

Every run that ends does so through `store.runs`, which calls `note_ends` where it writes the end.
Whatever the notifications are, no end may fail for them.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from reconciler.core.base.uuid7 import TAIL_BITS, uuid7
from reconciler.core.manifest.notify import Event
from reconciler.core.notify.entry import REVISION_FAILED, NotificationStatus
from reconciler.core.notify.routing import (
    NO_DEFAULTS,
    Defaults,
    Rules,
    events_of_end,
    routes,
    rules_of,
)
from reconciler.core.runs.run import Reason, Status
from reconciler.store.engine.batches import IDS, batches
from reconciler.store.engine.bulk import Known, insert_tuples
from reconciler.store.tables import manifest, notification

_DEFAULTS = "reconciler.notify_defaults"
_MOST_RULES = 32_768
_by_digest: dict[str, Rules | None] = {}
"""What a digest names never changes, so that most ends read nothing."""
_UNREAD: Rules = {}


class End(NamedTuple):
    """A run that ended. `digest` names its manifest; `recovers`: it ends a failing streak."""

    run_id: str
    autopilot_id: str
    workspace: str
    digest: str
    status: Status
    reason: Reason | None
    recovers: bool = False


class Occasion(NamedTuple):
    """Something else that an autopilot tells of, once, known by `occasion`."""

    event: Event
    occasion: str
    autopilot_id: str
    workspace: str
    digest: str
    detail: Mapping[str, Any]
    run_id: str | None = None


def using(defaults: Defaults) -> Callable[[Connection], None]:
    """What `Database.prepare` is set to: these rules of the operator hold in each transaction."""

    def prepare(tx: Connection) -> None:
        tx.info[_DEFAULTS] = defaults

    return prepare


def note_ends(tx: Connection, ends: Iterable[End], now: datetime) -> None:
    """Write what is to be told of runs that ended in this transaction."""
    telling = [(end, events) for end in ends if (events := _events_of(end))]
    known = _rules(tx, {end.digest for end, _ in telling})
    defaults, rows = _defaults(tx), []
    for end, events in telling:
        rules = known.get(end.digest)
        for channel, event in _routes(rules, defaults, end.workspace, events).items():
            rows.append(
                _row(channel, event, end.autopilot_id, end.run_id, now, end.workspace)
                | {"autopilot_id": end.autopilot_id, "run_id": end.run_id}
            )
    _insert(tx, rows)


def note_occasions(tx: Connection, occasions: Iterable[Occasion], now: datetime) -> None:
    """Write what is to be told beside ends of runs."""
    telling = list(occasions)
    known = _rules(tx, {told.digest for told in telling})
    defaults, rows = _defaults(tx), []
    for told in telling:
        rules = known.get(told.digest)
        for channel, event in _routes(rules, defaults, told.workspace, [told.event]).items():
            rows.append(
                _row(channel, event, told.autopilot_id, told.occasion, now, told.workspace)
                | {
                    "autopilot_id": told.autopilot_id,
                    "run_id": told.run_id,
                    "detail": dict(told.detail),
                }
            )
    _insert(tx, rows)


def note_revision(
    tx: Connection, source_id: str, attempt: int, detail: Mapping[str, Any], now: datetime
) -> None:
    """Write that a revision did not apply; `attempt` is the id of its row among the revisions."""
    topic, occasion = f"source:{source_id}", f"revision:{attempt}"
    rows = [
        _row(channel, REVISION_FAILED, topic, occasion, now, None) | {"detail": dict(detail)}
        for channel in dict.fromkeys(_defaults(tx).revision_failed)
    ]
    _insert(tx, rows)


def _events_of(end: End) -> tuple[Event, ...]:
    return events_of_end(end.status, end.reason, recovers=end.recovers)


def _routes(
    rules: Rules | None, defaults: Defaults, workspace: str, events: Sequence[Event]
) -> dict[str, Event]:
    return routes(defaults.of(workspace) if rules is None else rules, events)


def _defaults(tx: Connection) -> Defaults:
    defaults: Defaults = tx.info.get(_DEFAULTS, NO_DEFAULTS)
    return defaults


def _rules(tx: Connection, digests: set[str]) -> dict[str, Rules | None]:
    """The rules of the manifests that runs keep: those under which they were triggered."""
    # One by one: another thread may forget all of it at any moment.
    known = {
        digest: rules
        for digest in digests
        if (rules := _by_digest.get(digest, _UNREAD)) is not _UNREAD
    }
    document: Any = manifest.c.document
    query = select(manifest.c.digest, document["spec"]["notify"]).where(manifest.c.digest.in_(IDS))
    for batch in batches(sorted(digests - known.keys())):
        for digest, notify in tx.execute(query, {"ids": batch}):
            known[digest] = rules_of(notify)
    if len(_by_digest) > _MOST_RULES:
        _by_digest.clear()
    _by_digest.update(known)
    return known


def _row(
    channel: str, kind: str, topic: str, occasion: str, now: datetime, workspace: str | None
) -> dict[str, Any]:
    return {
        "id": uuid7(now, secrets.randbits(TAIL_BITS)),
        "channel": channel,
        "kind": str(kind),
        "topic": topic,
        "occasion": occasion,
        "workspace_id": workspace,
        "autopilot_id": None,
        "run_id": None,
        "detail": {},
        "status": NotificationStatus.PENDING,
        "due_at": now,
        "created_at": now,
    }


def _insert(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    names = tuple(rows[0])
    # What was told already stays as it is: after the clock went back an occurrence comes again.
    values = [tuple(row[name] for name in names) for row in rows]
    insert_tuples(tx, notification, names, values, known=Known.UNCHANGED)
