"""A connection that waits for the server only so long.

The limits of a session (`statement_timeout`, `lock_timeout`) are kept by the server. One that
hangs, or whose host is gone, keeps none; psycopg waits for the network in one place, bounded here.
"""

import time
from collections.abc import Callable, Generator
from functools import cached_property
from typing import Any

import psycopg
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.types.datetime import TimestamptzLoader
from sqlalchemy import URL

from reconciler.store.engine.deadline import remaining

LONGEST_WAIT = 65.0
"""Seconds for one answer: more than any limit of the server, which explains itself better."""

GiveUp = Callable[[], str | None]
"""Says why nothing is waited for any more; None while waiting pays."""


class _Moments(Loader):
    """Moments as psycopg reads them; text where Python has no such moment, `infinity` above all.

    An error here would be one of all rows that are read together.
    """

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._context = context

    @cached_property
    def _own(self) -> Callable[[Buffer], Any]:
        # psycopg makes a loader for each column of each result; most have no moment in it.
        loader = psycopg.adapters.get_loader(self.oid, Format.TEXT) or TimestamptzLoader
        return loader(self.oid, self._context).load

    def load(self, data: Buffer) -> Any:
        try:
            return self._own(data)
        except psycopg.DataError:
            return bytes(data).decode()


class BoundedConnection(psycopg.Connection[Any]):
    """psycopg's, whose waits end with the deadline, or once `give_up` says why."""

    give_up: GiveUp | None = None
    with_commit: str | None = None
    """A statement of ours that goes to the server together with the next `COMMIT`."""

    @classmethod
    def connect(cls, *arguments: Any, **options: Any) -> "BoundedConnection":
        """Connect. Raises psycopg.Error."""
        connection = super().connect(*arguments, **options)
        connection.adapters.register_loader("timestamptz", _Moments)
        return connection

    def commit(self) -> None:
        """End the transaction. What `with_commit` raises is an error of the commit."""
        statement, self.with_commit = self.with_commit, None
        if statement is not None:
            # One journey for both. Several statements cannot be prepared.
            self.execute(f"{statement}; COMMIT".encode(), prepare=False)
        super().commit()  # which asks nothing of a server that has committed already

    def wait(self, gen: Any, *arguments: Any, **options: Any) -> Any:
        """Wait for the network. Raises OperationalError, with the connection closed."""
        return super().wait(self._bounded(gen), *arguments, **options)

    def _bounded(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        seconds = remaining(LONGEST_WAIT)
        until = time.monotonic() + seconds
        try:
            state = next(gen)
            while True:
                ready = yield state
                if not ready:  # a tenth of a second without a byte
                    self._give_up(until, seconds)
                state = gen.send(ready)
        except StopIteration as stop:
            return stop.value

    def _give_up(self, until: float, seconds: float) -> None:
        why = self.give_up() if self.give_up is not None else None
        if why is None and time.monotonic() >= until:
            why = f"no answer within {seconds:.0f} s"
        if why is not None:
            # Nobody knows what of the transaction is still on its way: the connection is of no use,
            # and the server undoes what was not committed once it sees it closed.
            self.pgconn.finish()
            raise psycopg.OperationalError(why)


def connect(url: URL, seconds: float = 2.0) -> BoundedConnection:
    """A connection beside the pool, in autocommit; `seconds` for each host to answer.

    Raises psycopg.Error.
    """
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return BoundedConnection.connect(plain, autocommit=True, connect_timeout=max(2, round(seconds)))
