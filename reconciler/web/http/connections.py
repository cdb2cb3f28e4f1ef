"""The open connections of a server: how many there may be, and which of them can be closed."""

from dataclasses import dataclass, field
from typing import Protocol

SPARE = 16
"""Connections beyond the cap that are still accepted, so that probes are answered."""


class IdleConnection(Protocol):
    """A connection that is not being answered."""

    def close_idle(self) -> None:
        """Close it: the room is needed."""
        ...


@dataclass(slots=True)
class Connections:
    """At most `most` connections are served, and `SPARE` more are told 503 unless they probe.

    A connection is idle from its start, and from the end of an answer, until a whole request head
    has come. `count` may be a moment behind `opened`, since accepted sockets get their protocol in
    the event loop's next round. `closing`: the server stops, and none of them is kept for another
    request.
    """

    most: int
    count: int = 0
    closing: bool = False
    _idle: dict[IdleConnection, None] = field(default_factory=dict)

    @property
    def full(self) -> bool:
        """Whether more connections are open than are served."""
        return self.count > self.most

    def has_room(self) -> bool:
        """Whether one more may be accepted, if need be for the one that is idle the longest."""
        if self.count >= self.most:
            self.close_one_idle()
        return self.count < self.most + SPARE

    def opened(self) -> None:
        """Count a connection that was accepted."""
        self.count += 1

    def closed(self, connection: IdleConnection) -> None:
        """A connection has ended."""
        self.count -= 1
        self._idle.pop(connection, None)

    def idle(self, connection: IdleConnection) -> None:
        """A connection waits for a request."""
        self._idle.setdefault(connection)

    def busy(self, connection: IdleConnection) -> None:
        """A connection is being answered."""
        self._idle.pop(connection, None)

    def close_one_idle(self) -> bool:
        """Close the connection that is idle the longest. Return whether there was one."""
        longest = next(iter(self._idle), None)
        if longest is None:
            return False
        del self._idle[longest]
        longest.close_idle()
        return True
