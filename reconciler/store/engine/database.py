"""The database: one value through which everything is read and written.

`read(fn)` and `write(fn)` run a plain function on one transaction; `aread` and `awrite` do the same
from a coroutine, in threads of their own. Functions of the store take the transaction as their
first argument; no row and no connection leaves the package.
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from reconciler.core.base.errors import Locked, Unavailable, UsageError
from reconciler.store.engine import deadline
from reconciler.store.engine.backend import Backend, Tx, Watcher
from reconciler.store.engine.facts import Fact, begin_notes
from reconciler.store.engine.schema import Schema, migrate, require_current, schema_of
from reconciler.store.engine.sqlite import Sqlite
from reconciler.store.grouping import Group, Result, call_all

__all__ = ["Database", "Schema", "Tx", "Watcher"]

T = TypeVar("T")
Clock = Callable[[], datetime]
_Kind = Literal["read", "write", "quiet"]
_Key = tuple[_Kind, str | None]

_READER_THREADS = 4
_ALLOWED = "write sqlite:///path/to/state.db or postgresql://user:password@host/database"


class Database:
    """SQLite or PostgreSQL, opened. Close it when done, or use it as a context manager."""

    def __init__(self, backend: Backend, clock: Clock | None = None) -> None:
        self._backend = backend
        self._clock = clock
        self.observe: Callable[[Fact], None] = _ignore
        self.write_trouble: str | None = None
        """Why the last write failed; None where it was committed."""
        self.prepare: Callable[[Tx], None] = _ignore
        """Called at the beginning of each transaction that writes."""
        self._readers = ThreadPoolExecutor(_READER_THREADS, "database-read")
        self._writers = ThreadPoolExecutor(backend.writers, "database-write")
        self._groups: WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[tuple[_Kind, str | None], Group]
        ] = WeakKeyDictionary()

    @classmethod
    def open(cls, url: str, *, create: bool = True, clock: Clock | None = None) -> "Database":
        """Open `sqlite:///path` or `postgresql://…`; nothing is migrated yet.

        With `create=False` a missing SQLite file is not made: ask `schema()` before reading. A
        `clock` given here wins over the database's own, for tests and simulations. Raises
        `UsageError` for a bad URL, which is not repeated as it may hold a password.
        """
        return cls(_backend(url, create=create), clock)

    @property
    def name(self) -> Literal["sqlite", "postgresql"]:
        """Which database it is."""
        return self._backend.name

    @property
    def shown(self) -> str:
        """Its URL without the password, for messages."""
        return self._backend.shown

    @property
    def path(self) -> Path | None:
        """The file of an embedded database; None for a server's."""
        return self._backend.path

    def read(self, fn: Callable[[Tx], T]) -> T:
        """Run `fn` on one snapshot that no writer blocks or changes; it cannot write."""
        return self._backend.read(fn)

    def write(self, fn: Callable[[Tx], T], *, quiet: bool = False) -> T:
        """Run `fn` in one transaction: committed when it returns, undone when it raises.

        On PostgreSQL `fn` may run several times, so it must have no effect but on the transaction.
        `quiet` announces nothing to watchers on PostgreSQL (heartbeats). Raises `Locked` after
        10 s of waiting, `Conflict` when a named constraint says no, `Unavailable`.
        """
        noted: list[Fact] = []

        def attempt(tx: Tx) -> T:
            nonlocal noted
            noted = begin_notes(tx)
            self.prepare(tx)
            return fn(tx)

        try:
            result = self._backend.write(attempt, quiet=quiet)
        except (Locked, Unavailable) as error:
            self.write_trouble = str(error)
            raise
        self.write_trouble = None
        # After the commit, once: facts of attempts that were undone are forgotten with them.
        for fact in noted:
            self.observe(fact)
        return result

    async def aread(
        self, fn: Callable[[Tx], T], *, within: float | None = None, shared: bool = False
    ) -> T:
        """`read` from a coroutine. Raises `Unavailable` after `within` seconds.

        `shared`: a short read, one of many that come at once: those that wait at the same time
        share a snapshot and a thread. With `within`, or a deadline around it, it has its own.
        """
        if not shared or within is not None or deadline.is_set():
            return await self._in(self._readers, lambda: self.read(fn), within)
        result: T = await self._group("read").submit(fn)
        return result

    async def awrite(
        self,
        fn: Callable[[Tx], T],
        *,
        quiet: bool = False,
        within: float | None = None,
        of: str | None = None,
    ) -> T:
        """`write` from a coroutine. Cancelling it does not undo a write that has begun.

        On SQLite writes that wait at the same time share a transaction, so `fn` may run several
        times here too. PostgreSQL takes several writers, and two groups of two servers would lock
        rows in different orders: there, only writes `of` the same autopilot share one, which wait
        for its row anyway. With `within`, or a deadline around it, a write has one of its own.

        Raises `Unavailable` where it takes longer than `within` seconds; it may have been written.
        """
        several = self._backend.writers > 1
        if within is not None or deadline.is_set() or (several and (of is None or quiet)):
            return await self._in(self._writers, lambda: self.write(fn, quiet=quiet), within)
        kind: _Kind = "quiet" if quiet else "write"
        result: T = await self._group(kind, of if several else None).submit(fn)
        return result

    def _group(self, kind: _Kind, of: str | None = None) -> Group:
        """The calls of this event loop that may share a transaction."""
        loop = asyncio.get_running_loop()
        groups = self._groups.setdefault(loop, {})
        if (kind, of) not in groups:
            for known in [key for key, group in groups.items() if key[1] and group.idle]:
                del groups[known]  # there may be thousands of autopilots
            pool = self._readers if kind == "read" else self._writers
            carry_out = self.read if kind == "read" else partial(self.write, quiet=kind == "quiet")
            groups[kind, of] = Group(partial(_together, carry_out), pool)
        return groups[kind, of]

    async def _in(self, pool: ThreadPoolExecutor, work: Callable[[], T], within: float | None) -> T:
        # The deadline is the thread's as well: one that waits on after its caller has left would be
        # missing in the pool.
        with deadline.within(within):
            context = contextvars.copy_context()
        future = asyncio.get_running_loop().run_in_executor(pool, lambda: context.run(work))
        if within is None:
            return await future
        try:
            async with asyncio.timeout(within):
                return await future
        except TimeoutError:
            raise Unavailable(
                f"the database {self.shown} did not answer within {within:g} s"
            ) from None

    @property
    def outage(self) -> str | None:
        """Why the database is out of service, as far as is known; None while it is in service."""
        return self._backend.outage

    def check(self) -> None:
        """Find out whether the database is in service. Raises `Unavailable` within seconds."""
        self._backend.check()

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Let another process write for us in the block, as one of our writers.

        Those who want to write here meanwhile wait in the same queue, first come, first served.
        Raises `Locked` after 10 s of waiting.
        """
        return self._backend.turn()

    def now(self, tx: Tx) -> datetime:
        """The moment that decides: the database's clock on PostgreSQL, else this host's."""
        if self._clock is not None:
            return self._clock()
        return self._backend.now(tx) or datetime.now(UTC)

    def lock(self, tx: Tx, name: str) -> None:
        """Hold `name` until the transaction ends. Raises `Locked` after 10 s."""
        self._backend.lock(tx, name)

    def try_lock(self, tx: Tx, name: str) -> bool:
        """Hold `name` until the transaction ends, if nobody else does."""
        return self._backend.try_lock(tx, name)

    def schema(self) -> Schema:
        """How the tables stand to this code; a missing file is MISSING and stays missing."""
        return self.read(schema_of) if self._backend.exists() else Schema.MISSING

    def migrate(self) -> None:
        """Bring the tables to the newest version. Any number of processes may try at once."""
        migrate(self._backend)

    def require_current_schema(self) -> None:
        """Raise unless the tables are there in just this version (`apply`, `serve` migrate)."""
        require_current(self._backend)

    def announce(self, tx: Tx, word: str) -> None:
        """Tell the watchers of other servers a word, at the commit; it may be lost."""
        self._backend.announce(tx, word)

    def watcher(self) -> Watcher:
        """Something to ask every half second whether anybody wrote."""
        return self._backend.watcher()

    def serve_lock(self, url: str) -> AbstractContextManager[None]:
        """Be the one `serve` on an SQLite file; `url` is for the `Locked` of a second one."""
        return self._backend.serve_lock(url)

    def release_memory(self) -> None:
        """Let go of what many rows have left in memory; what is needed is read again."""
        self._backend.release_memory()

    def close(self, within: float | None = None) -> None:
        """Wait for what runs, then close every connection; after `within` seconds, leave it."""
        if within is None:
            self._close()
            return
        closing = threading.Thread(target=self._close, name="database-close", daemon=True)
        closing.start()
        closing.join(within)

    def _close(self) -> None:
        self._readers.shutdown()
        self._writers.shutdown()
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Database({self.shown!r})"


def _together(
    carry_out: Callable[[Callable[[Tx], Any]], Any], fns: Sequence[Callable[[Tx], Any]]
) -> list[Result]:
    """Carry out all of them in one transaction. Where one of them fails, each gets its own."""
    if len(fns) > 1:
        try:
            values = carry_out(lambda tx: call_all(tx, fns))
        except (Locked, Unavailable) as error:
            return [(None, error)] * len(fns)  # it would be the same for each
        except Exception:  # noqa: BLE001, S110 - whoever it was hears of it below
            pass
        else:
            return [(value, None) for value in values]
    return [_alone(carry_out, fn) for fn in fns]


def _alone(carry_out: Callable[[Callable[[Tx], Any]], Any], fn: Callable[[Tx], Any]) -> Result:
    try:
        return carry_out(fn), None
    except Exception as error:  # noqa: BLE001 - raised where the caller waits
        return None, error


def _ignore(_fact_or_transaction: object) -> None:
    """Nobody counts, and there is nothing to prepare."""


def _backend(url: str, *, create: bool) -> Backend:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise UsageError(f"the database URL cannot be read; {_ALLOWED}") from None
    if url.partition("://")[2].partition("/")[0].count("@") > 1:
        raise UsageError("the database URL has two @; write one that belongs to a password as %40")
    match parsed.drivername:
        case "sqlite":
            if parsed.host or "?" in url or parsed.database in (None, "", ":memory:"):
                raise UsageError(
                    "an SQLite URL is sqlite:/// and a path, with three slashes "
                    "(four for an absolute path), and has no options"
                )
            return Sqlite(Path(str(parsed.database)), create=create)
        case "postgresql" | "postgres" | "postgresql+psycopg":
            # Its dialect takes a while to import, which commands on SQLite need not wait for.
            from reconciler.store.engine.postgres import Postgres

            return Postgres(parsed.set(drivername="postgresql"))
        case other:
            raise UsageError(f"'{other}' is not a database that can be used; {_ALLOWED}")
