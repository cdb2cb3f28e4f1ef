"""The API of notifications: what people were told of, what waits, and how each attempt went."""

from typing import Any, Literal

from pydantic import Field

from reconciler.control.notify.channel import NotSent
from reconciler.control.notify.resending import resend
from reconciler.control.notify.trial import try_channel
from reconciler.core.access.roles import Caller, Role
from reconciler.core.base.errors import NotFound
from reconciler.core.manifest.fields import Instant
from reconciler.core.manifest.notify import Event
from reconciler.core.notify.entry import AttemptResult, Entry, NotificationStatus
from reconciler.store.engine.database import Tx
from reconciler.store.notify.lists import (
    EntryFilter,
    LoggedAttempt,
    attempts_of,
    find_entries,
    get_entry,
)
from reconciler.web.api.runs import PageQuery
from reconciler.web.http.answers import Reply
from reconciler.web.http.cursor import decode_cursor, encode_cursor
from reconciler.web.http.operation import Call, NoBody, NoQuery, Operation, Wire, json_content
from reconciler.web.http.parameters import Text
from reconciler.web.models.run import Id

Kind = Event | Literal["revision_failed"]


class NotificationQuery(PageQuery):
    """Which notifications."""

    workspace: Text | None = None
    """Only this workspace."""
    channel: Text | None = None
    """Only for this channel."""
    kind: Kind | None = None
    """Only those that tell of this."""
    status: NotificationStatus | None = None
    """Only those that have come so far."""
    run_id: Id | None = None
    """Only those that tell of this run."""


class NotificationView(Wire):
    """One thing that one channel is told of."""

    id: Id
    """The `webhook-id` of a signed webhook; it sorts by time."""
    channel: str
    """Where it goes."""
    kind: Kind
    """What it tells of."""
    workspace: str | None
    """The autopilot's workspace; null for a source, which only callers of all workspaces see."""
    autopilot_id: Id | None
    """The autopilot."""
    autopilot: str | None
    """Its name now."""
    run_id: Id | None
    """The run."""
    detail: dict[str, Any]
    """What no run says: the trigger that is late, the revision that did not apply."""
    status: NotificationStatus
    """How far it has come."""
    attempts: int
    """How often it was tried."""
    held_back: int
    """Those that were not sent since this one tells of the same, five minutes long."""
    sent_with: Id | None
    """The one that was sent in its place."""
    error: str | None
    """Why the last attempt failed."""
    created_at: Instant
    """When it happened."""
    next_attempt_at: Instant | None
    """When it is tried next, at the earliest."""
    ended_at: Instant | None
    """When it was sent, held back or given up."""
    resent_at: Instant | None
    """When somebody asked last that it is sent again."""

    @classmethod
    def of(cls, entry: Entry) -> "NotificationView":
        """The view of an entry of the outbox."""
        return cls(**_values(entry))


class AttemptView(Wire):
    """One attempt to send, or that somebody asked for it again."""

    at: Instant
    """When its end was recorded."""
    result: AttemptResult
    """How it ended; `unknown`: nobody recorded it, so it may have arrived; `resent`: no attempt,
    somebody asked for it again."""
    detail: str
    """Why it failed, or who asked."""
    server: str
    """The server that tried it; empty where none did."""

    @classmethod
    def of(cls, attempt: LoggedAttempt) -> "AttemptView":
        """The view of an attempt."""
        return cls(
            at=attempt.at, result=attempt.result, detail=attempt.detail, server=attempt.server
        )


class NotificationLog(NotificationView):
    """A notification with its log."""

    log: list[AttemptView]
    """Every attempt, in order."""


class NotificationPage(Wire):
    """Notifications, newest first."""

    items: list[NotificationView]
    """This page."""
    next_cursor: str | None = Field(default=None)
    """For the next page; null on the last one."""


class TrialOrder(Wire):
    """Which channel to try."""

    channel: Text
    """Its name."""


class Trial(Wire):
    """How a test message fared."""

    channel: str
    """The channel."""
    sent: bool
    """Whether the service took it."""
    why: str | None
    """Why not; nothing secret is in it."""


def _values(entry: Entry) -> dict[str, Any]:
    same = {name: getattr(entry, name) for name in _SAME}
    pending = entry.status is NotificationStatus.PENDING
    next_attempt = entry.due_at if pending else None
    return {**same, "error": entry.last_error, "next_attempt_at": next_attempt}


_SAME = frozenset(NotificationView.model_fields) - {"error", "next_attempt_at"}


async def list_all(call: Call[NotificationQuery, NoBody]) -> Reply:
    """Notifications that the caller may know of."""
    query = call.query
    where = EntryFilter(
        workspaces=call.caller.narrowed(query.workspace),
        channel=query.channel,
        kind=query.kind,
        status=query.status,
        run_id=query.run_id,
    )
    before = str(decode_cursor(query.cursor, "notifications", str)[0]) if query.cursor else None
    rows = await call.context.database.aread(
        lambda tx: find_entries(tx, where, limit=query.limit + 1, before=before)
    )
    items = [NotificationView.of(entry) for entry in rows[: query.limit]]
    more = len(rows) > query.limit
    cursor = encode_cursor("notifications", items[-1].id) if more else None
    return Reply(content=NotificationPage(items=items, next_cursor=cursor))


async def show(call: Call[NoQuery, NoBody]) -> Reply:
    """One notification and its log."""
    id_ = call.path["id"].lower()

    def read(tx: Tx) -> tuple[Entry, list[LoggedAttempt]]:
        return require_entry(tx, id_, call.caller), attempts_of(tx, id_)

    entry, attempts = await call.context.database.aread(read)
    log = [AttemptView.of(attempt) for attempt in attempts]
    return Reply(content=NotificationLog(**_values(entry), log=log))


async def resend_one(call: Call[NoQuery, NoBody]) -> Reply:
    """Have a dead notification sent again, with a day of attempts as if it had happened now."""
    context, id_ = call.context, call.path["id"].lower()

    def write(tx: Tx) -> Entry:
        require_entry(tx, id_, call.caller)
        return resend(tx, id_, call.caller.name, context.database.now(tx))

    entry = await context.database.awrite(write)
    return Reply(content=NotificationView.of(entry), status=202)


async def try_one(call: Call[NoQuery, TrialOrder]) -> Reply:
    """Send a test message to a channel of this server, and say how it fared."""
    name, context, caller = call.body.channel, call.context, call.caller
    channel = context.channels.get(name)
    spaces = context.settings.channel_workspaces.get(name)
    hidden = caller.workspaces is not None and spaces is not None and not caller.workspaces & spaces
    if channel is None or hidden:
        raise NotFound(f"there is no channel {name!r}")
    within = context.settings.notify.timeout.total_seconds()
    async with context.trials:
        outcome = await try_channel(channel, name, context.clock.now(), within)
    why = outcome.why if isinstance(outcome, NotSent) else None
    return Reply(content=Trial(channel=name, sent=why is None, why=why))


def require_entry(tx: Tx, entry_id: str, caller: Caller) -> Entry:
    """The notification, if the caller may know of it. Raises NotFound."""
    entry = get_entry(tx, entry_id)
    if entry is None or not _sees(caller, entry):
        raise NotFound(f"there is no notification {entry_id}")
    return entry


def _sees(caller: Caller, entry: Entry) -> bool:
    if entry.workspace is None:
        return caller.workspaces is None
    return caller.sees(entry.workspace)


OPERATIONS = (
    Operation(
        method="POST", path="/v1/channels/test", handler=try_one, role=Role.OPERATOR,
        tag="notifications", summary="Try a channel", body=TrialOrder, problems=(404,),
        answers={200: json_content(Trial, "How it fared.")},
    ),
    Operation(
        method="GET", path="/v1/notifications", handler=list_all, role=Role.VIEWER,
        tag="notifications", summary="List notifications", query=NotificationQuery,
        answers={200: json_content(NotificationPage, "One page, newest first.", "ETag")},
    ),
    Operation(
        method="GET", path="/v1/notifications/{id}", handler=show, role=Role.VIEWER,
        tag="notifications", summary="Show a notification and its log", problems=(404,),
        answers={200: json_content(NotificationLog, "The notification.", "ETag")},
    ),
    Operation(
        method="POST", path="/v1/notifications/{id}/resend", handler=resend_one,
        role=Role.OPERATOR, tag="notifications", summary="Send a dead notification again",
        problems=(404, 409),
        answers={202: json_content(NotificationView, "The notification; it waits again.")},
    ),
)  # fmt: skip
