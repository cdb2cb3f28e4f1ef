"""Sending the outbox: who holds which entry, what became of it, and what is held back.

Every change of a held entry says whose lease it was made under: a sender that lost its lease
changes nothing any more.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    and_,
    bindparam,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from reconciler.core.notify.again import QUIET
from reconciler.core.notify.entry import AttemptResult, Entry, NotificationStatus
from reconciler.store.checked import Checked
from reconciler.store.engine.batches import IDS, batches
from reconciler.store.engine.paging import filled
from reconciler.store.tables import autopilot, notification, notification_attempt

_N = notification.c
IS_PENDING: ColumnElement[bool] = literal_column("notification.status = 'pending'")
"""Just what the index of these says: with the word bound, neither database would use it."""
_FIELDS = tuple(name for name in Entry.__dataclass_fields__ if name != "autopilot")
_STORED = {"workspace": "workspace_id"}
_CHECKED = Checked(Entry, "notification", columns=_STORED)
ENTRIES = (
    select(
        *(_N[_STORED.get(name, name)].label(f"f_{name}") for name in _FIELDS),
        autopilot.c.name.label("f_autopilot"),
    )
    .select_from(notification)
    .outerjoin(autopilot, autopilot.c.id == _N.autopilot_id)
)
SCANNED = 500
"""Entries of a channel that one claim reads."""


class Attempt(NamedTuple):
    """What became of a claimed entry. `again` is when it is tried again; None ends it."""

    entry_id: str
    result: AttemptResult
    detail: str
    again: datetime | None


def entry_of(row: Sequence[Any]) -> Entry:
    """The entry that a row of `ENTRIES` holds.

    Raises Conflict where somebody edited the row by hand into what cannot be read.
    """
    return _CHECKED.read(_fields_of(row))


def readable_entries(rows: Iterable[Sequence[Any]]) -> list[Entry]:
    """The entries of these rows, without those that cannot be read."""
    return _CHECKED.readable(map(_fields_of, rows))


def _fields_of(row: Sequence[Any]) -> dict[str, Any]:
    return dict(zip((*_FIELDS, "autopilot"), row, strict=True))


def channels_due(tx: Connection, now: datetime) -> dict[str, datetime]:
    """The channels for which there is something to send now, each with the oldest moment of it."""
    rows = tx.execute(_CHANNELS_DUE, {"now": now})
    # What somebody wrote there by hand is no moment: it counts as of now.
    return {name: at if isinstance(at, datetime) else now for name, at in rows}


def _free(now: Any) -> Any:
    return or_(_N.lease_until.is_(None), _N.lease_until < now)


_NOW: BindParameter[datetime] = bindparam("now")
_CHANNELS_DUE = (
    select(_N.channel, func.min(_N.created_at))
    .where(IS_PENDING, _N.due_at <= _NOW, _free(_NOW))
    .group_by(_N.channel)
)


def claim_entries(
    tx: Connection, channel: str, owner: str, now: datetime, until: datetime, most: int
) -> list[Entry]:
    """Lease what a channel is to hear of now, the longest due first; at most `most`.

    The caller holds the lock of claims: two senders never choose from the same topic.

    1. Read what is due, and what its topics have in flight or told of lately.
    2. Of each topic and kind one is sent, the newest; one that was tried before goes first, as it
       is. The others wait while one is under way or was sent lately, else they are held back.
    3. A lease that expired means that nobody recorded an attempt: it may have arrived.
    """
    query = ENTRIES.add_columns(_N.lease_owner).where(
        _N.channel == channel, IS_PENDING, _N.due_at <= now, _free(now)
    )
    # Held: whoever sent one of them may be recording it in this very moment.
    held = query.order_by(_N.due_at, _N.id).with_for_update(of=notification)
    topics: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    lost: dict[str, str] = {}
    for entry, holder in filled(lambda most: tx.execute(held.limit(most)).all(), _held, SCANNED):
        topics[entry.topic, entry.kind].append(entry)
        if holder is not None:
            lost[entry.id] = holder
    busy = _busy(tx, channel, {topic for topic, _ in topics}, now)
    claimed: list[Entry] = []
    for key, entries in topics.items():
        tried = next((entry for entry in entries if entry.attempts), None)
        if tried is None and (free_at := busy.get(key)):
            _put_off(tx, [entry.id for entry in entries], free_at)
        elif len(claimed) < most:
            claimed.append(_lease(tx, tried or entries[-1], entries, tried, owner, now, until))
    _record(tx, [_unrecorded(id_) for id_ in lost], now, lost)
    return claimed


def _held(rows: Sequence[Row[Any]]) -> list[tuple[Entry, str | None]]:
    return [(entry, row[-1]) for row in rows for entry in readable_entries([row[:-1]])]


def _unrecorded(entry_id: str) -> Attempt:
    why = "the server that sent it did not record how that ended"
    return Attempt(entry_id, AttemptResult.UNKNOWN, why, None)


def _busy(
    tx: Connection, channel: str, topics: Collection[str], now: datetime
) -> dict[tuple[str, str], datetime]:
    """Until when each topic and kind is quiet: one was sent lately, or is under way."""
    quiet: dict[tuple[str, str], datetime] = {}
    of_channel = and_(_N.channel == channel, _N.topic.in_(IDS))
    sent = and_(_N.status == NotificationStatus.SENT.value, _N.ended_at > now - QUIET)
    newest = select(_N.topic, _N.kind, func.max(_N.ended_at)).where(of_channel, sent)
    tried = select(_N.topic, _N.kind, func.max(func.coalesce(_N.lease_until, _N.due_at))).where(
        of_channel, IS_PENDING, _N.attempts > 0
    )
    for batch in batches(sorted(topics)):
        for topic, kind, ended in tx.execute(newest.group_by(_N.topic, _N.kind), {"ids": batch}):
            if isinstance(ended, datetime):
                quiet[topic, kind] = ended + QUIET
        for topic, kind, until in tx.execute(tried.group_by(_N.topic, _N.kind), {"ids": batch}):
            if isinstance(until, datetime):
                quiet[topic, kind] = max(until, quiet.get((topic, kind), until))
    return quiet


def _put_off(tx: Connection, ids: Sequence[str], until: datetime) -> None:
    for batch in batches(ids):
        tx.execute(update(notification).where(_N.id.in_(IDS)).values(due_at=until), {"ids": batch})


def _lease(
    tx: Connection,
    entry: Entry,
    entries: Sequence[Entry],
    tried: Entry | None,
    owner: str,
    now: datetime,
    until: datetime,
) -> Entry:
    # One that was tried stays word for word what it was: receivers know it again by its id.
    others = [other for other in entries if other is not entry] if tried is None else []
    held_back = entry.held_back + sum(1 + other.held_back for other in others)
    held = update(notification).where(_N.id.in_(IDS))
    for batch in batches([other.id for other in others]):
        values = {
            "status": NotificationStatus.HELD_BACK.value,
            "sent_with": entry.id,
            "ended_at": now,
        }
        tx.execute(held.values(values), {"ids": batch})
    lease = {
        "lease_owner": owner,
        "lease_until": until,
        "attempts": entry.attempts + 1,
        "held_back": held_back,
    }
    tx.execute(update(notification).where(_N.id == entry.id).values(lease))
    return replace(entry, attempts=entry.attempts + 1, held_back=held_back)


def settle_entries(tx: Connection, attempts: Iterable[Attempt], owner: str, now: datetime) -> None:
    """Record what became of entries that `owner` holds; those whose lease it lost keep their
    state, and the attempt is in the log all the same."""
    attempts = list(attempts)
    for attempt in attempts:
        tx.execute(
            update(notification)
            .where(_N.id == attempt.entry_id, _N.lease_owner == owner, IS_PENDING)
            .values(_after(attempt, now))
        )
    _record(tx, attempts, now, {attempt.entry_id: owner for attempt in attempts})


def _after(attempt: Attempt, now: datetime) -> dict[str, Any]:
    free: dict[str, Any] = {"lease_owner": None, "lease_until": None}
    if attempt.result is AttemptResult.SENT:
        return free | {"status": NotificationStatus.SENT.value, "ended_at": now, "last_error": None}
    failed = free | {"last_error": attempt.detail}
    if attempt.again is None:
        return failed | {"status": NotificationStatus.DEAD.value, "ended_at": now}
    return failed | {"due_at": attempt.again}


def hand_back(tx: Connection, ids: Sequence[str], owner: str, due_at: datetime) -> None:
    """Give up the leases of entries that were not tried."""
    for batch in batches(ids):
        tx.execute(
            update(notification)
            .where(_N.id.in_(IDS), _N.lease_owner == owner, IS_PENDING)
            .values(lease_owner=None, lease_until=None, attempts=_N.attempts - 1, due_at=due_at),
            {"ids": batch},
        )


def _record(
    tx: Connection, attempts: Sequence[Attempt], now: datetime, servers: dict[str, str]
) -> None:
    rows = [
        {
            "notification_id": attempt.entry_id,
            "at": now,
            "result": attempt.result.value,
            "detail": attempt.detail,
            "server": servers[attempt.entry_id],
        }
        for attempt in attempts
    ]
    if rows:
        tx.execute(insert(notification_attempt), rows)
