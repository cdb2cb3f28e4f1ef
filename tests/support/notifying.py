"""What tests of notifications share: rules, the outbox as it stands, rounds of a sender."""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

from reconciler.control.notify.channel import Channel
from reconciler.control.notify.sender import Sender, send_once, stop_sending
from reconciler.control.notify.webhook_channel import WebhookChannel
from reconciler.core.notify.entry import Entry
from reconciler.store.notify.lists import EntryFilter, find_entries
from tests.support.hooks import HookServer
from tests.support.rig import Document, Rig

SECRET = f"whsec_{base64.b64encode(b'k' * 32).decode()}"
EVENTS = (
    "failed", "recovered", "completed", "skipped", "breaker", "late", "approval", "over_budget",
)  # fmt: skip


def tells(*events: str, to: str = "oncall") -> Document:
    """A rule of `spec.notify`; of everything, unless events are named."""
    return {"on": list(events or EVENTS), "to": to}


def outbox(rig: Rig, **where: Any) -> list[Entry]:
    """The entries of the outbox, oldest first."""
    wanted = EntryFilter(**where)
    return rig.database.read(lambda tx: find_entries(tx, wanted, limit=10_000))[::-1]


def kinds(rig: Rig, **where: Any) -> list[str]:
    """What the outbox tells of, oldest first."""
    return [entry.kind for entry in outbox(rig, **where)]


def send(
    rig: Rig, channels: Mapping[str, Channel], *, owner: str = "here", rounds: int = 1
) -> Sender:
    """So many rounds of a sender, each until nothing is under way."""

    async def run() -> Sender:
        sender = Sender(rig.database, channels, owner, "http://console")
        for _ in range(rounds):
            await send_once(sender)
            await settle_batches(sender)
        await stop_sending(sender)
        return sender

    return asyncio.run(run())


async def settle_batches(sender: Sender) -> None:
    """Wait for what is under way."""
    while tasks := list(sender.tasks.values()):
        await asyncio.wait(tasks)
        await asyncio.sleep(0)  # their callbacks take them off the list


def webhook_to(server: HookServer, secret: str = SECRET) -> WebhookChannel:
    """A channel that posts to a receiver."""
    return WebhookChannel(lambda: server.url, lambda: secret)
