"""What a channel is to the sender, and how each message fared."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from reconciler.core.notify.message import Message


@dataclass(frozen=True, slots=True)
class Sent:
    """The service took it."""


@dataclass(frozen=True, slots=True)
class NotSent:
    """It did not, or nobody knows; `why` holds nothing secret.

    `gone`: the channel itself cannot be used now, so that what else waits for it is not tried.
    `wait`: the seconds that it asks for.
    """

    why: str
    gone: bool = False
    wait: float | None = None


Delivery = tuple[Message, Sent | NotSent]


class Channel(Protocol):
    """Somewhere that messages go."""

    links: bool
    """Whether URLs in the words of others stay links."""

    def deliver(
        self, messages: Sequence[Message], within: float, begun: set[str]
    ) -> AsyncGenerator[Delivery, None]:
        """Send messages and yield how each fared, as soon as it is known; never raise.

        Each may take `within` seconds, the first one twice that. The id of a message is in `begun`
        before it can have any effect; nothing is begun while a delivery is looked at. Once the
        channel is gone nothing more is tried or yielded.
        """
        ...
