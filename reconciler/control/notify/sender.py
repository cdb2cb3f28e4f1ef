"""The sender: gives what stands in the outbox to the channels, at least once.

Each channel has at most one batch under way in a process, beside the rounds: one that hangs delays
nobody else. Whoever dies leaves leases that expire; what it may have sent is sent once more, under
the same id, and says so.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from reconciler.control.notify.channel import Channel, NotSent, Sent
from reconciler.control.notify.webhook_channel import WebhookChannel
from reconciler.core.base.errors import ReconcilerError
from reconciler.core.notify.again import next_attempt, pause_after
from reconciler.core.notify.entry import AttemptResult, Entry
from reconciler.core.notify.message import Message, message_of
from reconciler.core.runs.run import Run
from reconciler.store.engine.database import Database, Tx
from reconciler.store.notify.queue import (
    Attempt,
    channels_due,
    claim_entries,
    hand_back,
    settle_entries,
)
from reconciler.store.runs.runs import get_runs_to_tell

log = structlog.get_logger(__name__)

CLAIMS = "notifications"
"""The lock under which entries are claimed."""
BATCH = 100
"""Messages of one channel that are claimed at once."""
BATCHES_AT_ONCE = 16
"""Channels that are sent to at once."""
FAREWELL = 1.0
"""Seconds that batches under way have when the server stops."""
UNDECLARED = timedelta(minutes=2)
"""How long what goes to a channel that this server does not know is left to others."""
LEASE_BEYOND = timedelta(seconds=3)
"""How much longer than a batch may take its lease lasts."""


class Gone(NamedTuple):
    """A channel that could not be used: how often in a row, and until when it is left alone."""

    times: int
    until: float


@dataclass(slots=True)
class _Batch:
    """What is claimed, by id; what was begun of it, and how it fared."""

    entries: Mapping[str, Entry]
    begun: set[str] = field(default_factory=set)
    outcomes: dict[str, Sent | NotSent] = field(default_factory=dict)


@dataclass(slots=True)
class Sender:
    """What sends in one process. `owner` names it in leases and is unique to the process.

    `observe` is told of each attempt: the channel, and how it ended. `notify` is called, in the
    event loop, when a batch is done: there may be more.
    """

    database: Database
    channels: Mapping[str, Channel]
    owner: str
    base_url: str
    timeout: timedelta = timedelta(seconds=10)
    observe: Callable[[str, str], None] = field(default=lambda _channel, _result: None)
    notify: Callable[[], None] = field(default=lambda: None)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    gone: dict[str, Gone] = field(default_factory=dict)


async def send_once(sender: Sender) -> None:
    """Begin a batch for every channel that has something to send and none under way."""
    database, clock = sender.database, asyncio.get_running_loop().time

    def read(tx: Tx) -> list[str]:
        now = database.now(tx)
        due = channels_due(tx, now)
        # Where settings are being rolled out, another server may know the channel already.
        return [
            name
            for name, oldest in sorted(due.items())
            if name in sender.channels or now - oldest >= UNDECLARED
        ]

    for name in await database.aread(read):
        gone = sender.gone.get(name)
        paused = gone is not None and clock() < gone.until
        if name not in sender.tasks and not paused and len(sender.tasks) < BATCHES_AT_ONCE:
            _spawn(sender, name)


def _spawn(sender: Sender, name: str) -> None:
    task = asyncio.create_task(_send_batch(sender, name), name=f"notify {name}")
    sender.tasks[name] = task

    def done(ended: asyncio.Task[None]) -> None:
        sender.tasks.pop(name, None)
        error = None if ended.cancelled() else ended.exception()
        if isinstance(error, ReconcilerError):  # the database is away: the next round tries again
            log.warning("notifications not sent", channel=name, why=str(error))
        elif error is not None:
            log.error("notifications not sent", channel=name, exc_info=error)
        elif not ended.cancelled():
            sender.notify()

    task.add_done_callback(done)


async def stop_sending(sender: Sender) -> None:
    """Wait a moment for what is under way, then break it off and record how far it came."""
    tasks = list(sender.tasks.values())
    if tasks:
        await asyncio.wait(tasks, timeout=FAREWELL)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for channel in sender.channels.values():
        if isinstance(channel, WebhookChannel):
            await channel.close()


async def _send_batch(sender: Sender, name: str) -> None:
    """Claim, send and record one batch.

    1. Lease entries, for as long as the batch may take and a little more.
    2. Send; what was not begun when the channel is gone, or time is up, is handed back.
    3. Record each attempt. A crash before that leaves the leases, and the message is repeated.
    """
    entries, runs = await _claim(sender, name)
    if not entries:
        return
    batch = _Batch({entry.id: entry for entry in entries})
    try:
        if (channel := sender.channels.get(name)) is None:
            why = f"the settings of this server have no channel {name!r}"
            batch.outcomes[entries[0].id] = NotSent(why, gone=True)
        else:
            # Results may be large: their texts are made beside the event loop.
            messages = await asyncio.to_thread(_messages, sender, channel, batch, runs)
            if messages:
                await _deliver(channel, messages, sender.timeout.total_seconds(), batch)
    finally:
        # Also where a stop breaks it off: what is not recorded would be sent again.
        await asyncio.shield(_record(sender, name, batch))


def _messages(
    sender: Sender, channel: Channel, batch: _Batch, runs: Mapping[str, Run]
) -> list[Message]:
    url, links = sender.base_url, channel.links
    messages = []
    for entry in batch.entries.values():
        try:
            messages.append(message_of(entry, runs.get(entry.run_id or ""), url, links=links))
        except Exception as error:  # noqa: BLE001 - it has failed, and the others go on
            batch.outcomes[entry.id] = NotSent(f"no message can be made of it: {error!r}")
    return messages


async def _deliver(
    channel: Channel, messages: Sequence[Message], within: float, batch: _Batch
) -> None:
    """Send; begin nothing after the time of one timeout, as the lease covers no more."""
    clock = asyncio.get_running_loop().time
    ends = clock() + within
    async with aclosing(channel.deliver(messages, within, batch.begun)) as deliveries:
        async for message, outcome in deliveries:
            batch.outcomes[message.id] = outcome
            if clock() >= ends:
                return


async def _claim(sender: Sender, name: str) -> tuple[list[Entry], dict[str, Run]]:
    database, lease = sender.database, sender.timeout * 2 + LEASE_BEYOND

    def claim(tx: Tx) -> tuple[list[Entry], dict[str, Run]]:
        database.lock(tx, CLAIMS)
        now = database.now(tx)
        entries = claim_entries(tx, name, sender.owner, now, now + lease, BATCH)
        ids = [entry.run_id for entry in entries if entry.run_id]
        return entries, get_runs_to_tell(tx, ids) if ids else {}

    return await database.awrite(claim, quiet=True)


async def _record(sender: Sender, name: str, batch: _Batch) -> None:
    database, pause = sender.database, _pause(sender, name, batch)

    def write(tx: Tx) -> list[Attempt]:
        now = database.now(tx)
        attempts = [
            _attempt(batch.entries[id_], batch.outcomes.get(id_), now)
            for id_ in batch.entries
            if id_ in batch.begun or id_ in batch.outcomes
        ]
        settle_entries(tx, attempts, sender.owner, now)
        tried = {attempt.entry_id for attempt in attempts}
        untried = [id_ for id_ in batch.entries if id_ not in tried]
        hand_back(tx, untried, sender.owner, now + pause)
        return attempts

    for attempt in await database.awrite(write, quiet=True):
        _tell(sender, name, attempt)


def _pause(sender: Sender, name: str, batch: _Batch) -> timedelta:
    """How long a channel is left alone: longer each time that it is gone."""
    if not any(isinstance(out, NotSent) and out.gone for out in batch.outcomes.values()):
        sender.gone.pop(name, None)
        return timedelta(0)
    times = sender.gone[name].times + 1 if name in sender.gone else 1
    pause = pause_after(name, times)
    until = asyncio.get_running_loop().time() + pause.total_seconds()
    sender.gone[name] = Gone(times, until)
    return pause


def _attempt(entry: Entry, outcome: Sent | NotSent | None, now: datetime) -> Attempt:
    match outcome:
        case Sent():
            return Attempt(entry.id, AttemptResult.SENT, "", None)
        case NotSent(why, _, wait):
            since = entry.resent_at or entry.created_at
            again = next_attempt(entry.id, since, entry.attempts, now, wait)
            return Attempt(entry.id, AttemptResult.FAILED, why, again)
        case None:
            why = "the server stopped before an answer came"
            return Attempt(entry.id, AttemptResult.UNKNOWN, why, now)


def _tell(sender: Sender, name: str, attempt: Attempt) -> None:
    dead = attempt.result is not AttemptResult.SENT and attempt.again is None
    sender.observe(name, "dead" if dead else attempt.result.value)
    if attempt.result is not AttemptResult.SENT:
        note = log.error if dead else log.warning
        note(
            "notification given up" if dead else "notification not sent",
            notification=attempt.entry_id,
            channel=name,
            why=attempt.detail,
        )
