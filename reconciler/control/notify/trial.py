"""Trying a channel: one message, now, past the outbox."""

from datetime import datetime

from reconciler.control.notify.channel import Channel, NotSent, Sent
from reconciler.core.base.uuid7 import uuid7
from reconciler.core.manifest.fields import format_instant
from reconciler.core.notify.message import Message


async def try_channel(channel: Channel, name: str, now: datetime, within: float) -> Sent | NotSent:
    """Send a message that says what it is, and return how it fared."""
    text = f"A test of the channel {name}. Whoever reads this will be told of runs."
    event = {"type": "channel.test", "timestamp": format_instant(now), "data": {"channel": name}}
    message = Message(uuid7(now, 0), "Test of a channel", text, event)
    outcomes = [outcome async for _, outcome in channel.deliver([message], within, set())]
    return outcomes[-1] if outcomes else NotSent("nothing was sent")
