"""The channel `log`: every server has it, so that it needs no settings."""

from collections.abc import AsyncGenerator, Sequence

import structlog

from reconciler.control.notify.channel import Delivery, Sent
from reconciler.core.notify.message import Message

log = structlog.get_logger(__name__)


class LogChannel:
    """Writes messages to the log of the server."""

    links = False

    async def deliver(
        self, messages: Sequence[Message], within: float, begun: set[str]
    ) -> AsyncGenerator[Delivery, None]:
        """Write each; that takes no time."""
        for message in messages:
            begun.add(message.id)
            log.info("notification", title=message.title, text=message.text)
            yield message, Sent()
