"""What a database must offer, whichever it is: two kinds of transaction, locks, a watcher."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from sqlalchemy import Connection

Tx = Connection
"""One transaction. It ends with the function that gets it; nothing of it may outlive that."""

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds that a write waits for others before it gives up with `Locked`."""


UNSTORABLE = "a text holds U+0000 or half of a surrogate pair, which no database stores"


class Watcher(Protocol):
    """Says whether anything was written since the last call, without waiting."""

    def changed(self) -> bool:
        """Whether some transaction, of this process or another, wrote since the last call."""
        ...

    def announced(self) -> list[str]:
        """The words that `changed` has heard since the last call; see `Backend.announce`."""
        ...

    def close(self) -> None:
        """Give the connection back. Closing twice is harmless."""
        ...


class Backend(Protocol):
    """SQLite or PostgreSQL behind `Database`."""

    name: Literal["sqlite", "postgresql"]
    shown: str
    """The URL without password, for messages."""
    writers: int
    """The number of writes that may run at a time."""

    @property
    def path(self) -> Path | None:
        """The file of an embedded database; None for a server's."""
        ...

    def exists(self) -> bool:
        """Whether there is a database at all; PostgreSQL's is taken to be there."""
        ...

    def read(self, fn: Callable[[Tx], T]) -> T:
        """Run `fn` on one snapshot, unable to write."""
        ...

    def write(self, fn: Callable[[Tx], T], *, quiet: bool) -> T:
        """Run `fn` in one transaction: committed when it returns, undone when it raises."""
        ...

    @property
    def outage(self) -> str | None:
        """Why the database is out of service, as far as is known; None while it is in service."""
        ...

    def check(self) -> None:
        """Find out whether the database is in service, within seconds, and set `outage`.

        Raises `Unavailable` where it is not. A server calls this every second from one thread.
        """
        ...

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Let another process write for us in the block, as one of our writers."""
        ...

    def now(self, tx: Tx) -> datetime | None:
        """The database's own clock, or None where it has none."""
        ...

    def lock(self, tx: Tx, name: str) -> None:
        """Hold `name` until the transaction ends; `Locked` after `PATIENCE`."""
        ...

    def try_lock(self, tx: Tx, name: str) -> bool:
        """Hold `name` until the transaction ends if nobody else does."""
        ...

    def announce(self, tx: Tx, word: str) -> None:
        """Tell the watchers of all servers a word, at the commit; of the one server nobody."""
        ...

    def watcher(self) -> Watcher:
        """A new watcher; it reports no change at first."""
        ...

    def serve_lock(self, url: str) -> AbstractContextManager[None]:
        """Be the one `serve` on this database, where there can be only one."""
        ...

    def release_memory(self) -> None:
        """Let go of pages and statements that connections keep for later."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...
