"""Reading the outbox and its log: what people were told of, and what waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select

from reconciler.core.notify.entry import AttemptResult, Entry, NotificationStatus
from reconciler.store.checked import Checked
from reconciler.store.engine.paging import filled, newest_page
from reconciler.store.notify.queue import ENTRIES, IS_PENDING, entry_of, readable_entries
from reconciler.store.tables import notification, notification_attempt

_N, _A = notification.c, notification_attempt.c


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFilter:
    """Which entries; None is any."""

    workspaces: frozenset[str] | None = None
    channel: str | None = None
    kind: str | None = None
    status: str | None = None
    run_id: str | None = None


class LoggedAttempt(NamedTuple):
    """One attempt to send: when it ended, how, and at which server."""

    id: int
    at: datetime
    result: AttemptResult
    detail: str
    server: str


_LOGGED = Checked(LoggedAttempt, "the attempt to send", 10**18)


class ChannelState(NamedTuple):
    """How a channel fares. `error` is what its newest entry in trouble says."""

    pending: int
    dead: int
    error: str | None


def find_entries(
    tx: Connection, where: EntryFilter, *, limit: int = 50, before: str | None = None
) -> list[Entry]:
    """Entries, newest first; `before` is the last id seen.

    Of a caller who is limited to workspaces those of sources are kept: they belong to none.
    """
    equal = {
        name: value
        for name in ("channel", "kind", "status", "run_id")
        if (value := getattr(where, name)) is not None
    }
    older = [_N.id < before] if before else []

    def read(most: int) -> Sequence[Row[Any]]:
        page = newest_page(
            ENTRIES,
            notification,
            equal,
            where.workspaces,
            *older,
            order=("run_id", "workspace_id"),
            limit=most,
        )
        return tx.execute(page).all()

    return filled(read, readable_entries, limit)


def get_entry(tx: Connection, entry_id: str) -> Entry | None:
    """One entry. Raises Conflict where its row cannot be read."""
    row = tx.execute(ENTRIES.where(_N.id == entry_id)).one_or_none()
    return entry_of(row) if row else None


def attempts_of(tx: Connection, entry_id: str) -> list[LoggedAttempt]:
    """The attempts to send an entry, in their order."""
    query = select(*(_A[name] for name in LoggedAttempt._fields))
    rows = tx.execute(query.where(_A.notification_id == entry_id).order_by(_A.id).limit(500))
    return _LOGGED.readable(dict(row) for row in rows.mappings())


def count_pending(tx: Connection) -> dict[str, int]:
    """Return how many entries wait, by channel."""
    query = select(_N.channel, func.count()).where(IS_PENDING)
    return dict(tx.execute(query.group_by(_N.channel)).all())


def channel_states(tx: Connection, since: datetime) -> dict[str, ChannelState]:
    """How every channel fares that has entries which wait, or died since that moment."""
    pending = count_pending(tx)
    dead = _dead(tx, since)
    return {
        name: ChannelState(pending.get(name, 0), dead.get(name, 0), _last_error(tx, name))
        for name in sorted(pending.keys() | dead.keys())
    }


def _dead(tx: Connection, since: datetime) -> dict[str, int]:
    died = (_N.status == NotificationStatus.DEAD.value, _N.ended_at >= since)
    query = select(_N.channel, func.count()).where(*died).group_by(_N.channel)
    return dict(tx.execute(query).all())


def _last_error(tx: Connection, channel: str) -> str | None:
    failed = (_N.channel == channel, _N.last_error.is_not(None))
    query = select(_N.last_error).where(*failed).order_by(_N.id.desc()).limit(1)
    error: str | None = tx.execute(query).scalar_one_or_none()
    return error
