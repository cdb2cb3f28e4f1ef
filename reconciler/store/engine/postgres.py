"""PostgreSQL: several servers share the work; row locks, short retries, the database's clock.

A read is REPEATABLE READ and READ ONLY: one snapshot, as on SQLite, and never a retry. A write is
READ COMMITTED with row locks; deadlocks and serialization failures run it again from its start.
Every wait is bounded (`postgres_connection.py`); while the server is out of service, nothing waits.
"""

import hashlib
import random
import select
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from datetime import datetime
from functools import partial
from typing import Any, Literal, TypeVar

from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from reconciler.core.base.errors import Conflict, Locked, Unavailable, UsageError
from reconciler.store.engine.backend import PATIENCE, UNSTORABLE, Tx
from reconciler.store.engine.constraints import conflict
from reconciler.store.engine.deadline import remaining, within
from reconciler.store.engine.json_text import as_json, read_json
from reconciler.store.engine.postgres_failures import explain, explain_driver, may_succeed_again
from reconciler.store.engine.postgres_watcher import CHANNEL, Listener

T = TypeVar("T")

ATTEMPTS = 6
POOL = 10
CONNECT_SECONDS = 5
TRUSTED_SECONDS = 1.0
"""For so long after its last use a connection is there, unless its stream has ended."""
CHECK_SECONDS = 4.0
"""A server that answers nothing for so long is out of service."""

_USED = "reconciler.used"
_MOMENT = "reconciler.moment"
_CLOCK = text("SELECT clock_timestamp()")
_SESSION = {
    "TimeZone": "UTC",
    "lock_timeout": f"{PATIENCE:.0f}s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
}
_ANNOUNCE = f"SELECT pg_notify('{CHANNEL}', '') WHERE pg_current_xact_id_if_assigned() IS NOT NULL"
_SAY = text("SELECT pg_notify(:channel, :word)").bindparams(channel=CHANNEL)


class Postgres:
    """The database at `url`, whose driver is psycopg."""

    name: Literal["sqlite", "postgresql"] = "postgresql"
    writers = 6

    def __init__(self, url: URL) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self.shown = url.set(query={}).render_as_string(hide_password=True)
        self.outage: str | None = None
        self.path = None
        self._pulse: Any = None
        engine = self._engine()
        self._all = engine
        self._readers = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._writer = engine.execution_options(isolation_level="READ COMMITTED")

    def exists(self) -> bool:
        """Somebody made it; whether it has our tables is for the schema to say."""
        return True

    def read(self, fn: Callable[[Tx], T]) -> T:
        """Run `fn` on one snapshot; a write in it fails."""
        self._require_service()
        try:
            with self._readers.begin() as tx:
                tx.info.pop(_MOMENT, None)
                return fn(tx)
        except PoolExhausted:
            raise self._exhausted() from None
        except DBAPIError as error:
            raise explain(error, self.shown, reading=True) or error from error

    def write(self, fn: Callable[[Tx], T], *, quiet: bool = False) -> T:
        """Run `fn`, again from its start when the database chose it to give way to another."""
        attempt = 0
        while True:
            attempt += 1
            self._require_service()
            try:
                return self._attempt(fn, quiet)
            except PoolExhausted:
                raise self._exhausted() from None
            except DBAPIError as error:
                if attempt == ATTEMPTS or not may_succeed_again(error):
                    raise conflict(error) or explain(error, self.shown) or error from error
            except UnicodeEncodeError as error:
                raise Conflict(UNSTORABLE, reason="text-unstorable") from error
            time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - spreads the retries

    def _attempt(self, fn: Callable[[Tx], T], quiet: bool) -> T:
        with self._writer.begin() as tx:
            result = fn(tx)
            if not quiet:
                connection: Any = tx.connection.driver_connection
                connection.with_commit = _ANNOUNCE
            return result

    def check(self) -> None:
        """Ask for a sign of life; until one comes again, nobody waits for the server."""
        try:
            with within(CHECK_SECONDS):
                self._beat()
        except Exception as error:
            self._drop_pulse()
            reason = explain_driver(error, self.shown)
            if reason is None:
                raise
            self.outage = str(reason)
            raise reason from error
        self.outage = None

    def _beat(self) -> None:
        # A connection of its own: the pool's are all busy when they wait for a server that hangs.
        if self._pulse is None:
            from reconciler.store.engine.postgres_connection import connect

            self._pulse = connect(self._url)
        self._pulse.execute("SELECT 1")

    def _drop_pulse(self) -> None:
        if self._pulse is not None:
            self._pulse.close()
            self._pulse = None

    def _require_service(self) -> None:
        if self.outage is not None:
            raise Unavailable(self.outage)

    def _give_up(self) -> str | None:
        return "the server does not answer" if self.outage is not None else None

    def _exhausted(self) -> Locked:
        return Locked(f"all connections to the database {self.shown} are in use; try again")

    def turn(self) -> AbstractAsyncContextManager[None]:
        """The server lets everybody write at once."""
        return nullcontext()

    def now(self, tx: Tx) -> datetime | None:
        """The server's clock: at this moment in a write, once for the snapshot of a read."""
        reads = tx.get_execution_options().get("postgresql_readonly", False)
        if not reads or _MOMENT not in tx.info:
            tx.info[_MOMENT] = tx.execute(_CLOCK).scalar_one()
        moment: datetime = tx.info[_MOMENT]
        return moment

    def lock(self, tx: Tx, name: str) -> None:
        """An advisory lock until the transaction ends."""
        tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _key(name)})

    def try_lock(self, tx: Tx, name: str) -> bool:
        """The same without waiting."""
        query = text("SELECT pg_try_advisory_xact_lock(:key)")
        return bool(tx.execute(query, {"key": _key(name)}).scalar_one())

    def announce(self, tx: Tx, word: str) -> None:
        """Beside what is announced of writes, whose word is empty."""
        tx.execute(_SAY, {"word": word})

    def watcher(self) -> Listener:
        """A watcher on a connection of its own."""
        return Listener(self._url)

    def serve_lock(self, url: str) -> AbstractContextManager[None]:
        """Any number of servers may share the work."""
        return nullcontext()

    def release_memory(self) -> None:
        """Let go of statements; pages are the server's."""
        self._all.clear_compiled_cache()  # the others are views of it

    def close(self) -> None:
        """Close every connection."""
        self._drop_pulse()
        self._all.dispose()

    def _engine(self) -> Engine:
        try:
            engine = create_engine(
                self._url,
                pool_size=POOL,
                max_overflow=POOL,
                pool_timeout=PATIENCE,
                # Taken in turn, each of ten would learn the statements of a quiet server anew.
                pool_use_lifo=True,
                hide_parameters=True,
                json_serializer=as_json,
                json_deserializer=read_json,
            )
        except ArgumentError as error:
            raise _bad_options(error) from None
        except ImportError as error:
            raise UsageError(
                "PostgreSQL needs its driver; install it with "
                "`pip install 'autopilot-reconciler[postgres]'`"
            ) from error
        _require_known_options(engine)
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", partial(_ping_if_idle, engine))
        return engine

    def _connect(self, _dialect: object, _record: object, arguments: Any, options: Any) -> Any:
        from reconciler.store.engine.postgres_connection import BoundedConnection

        # A connection that was given up is replaced at once, and would wait for the same server.
        self._require_service()
        seconds = max(1, round(remaining(CONNECT_SECONDS)))
        connection = BoundedConnection.connect(
            *arguments, **{"connect_timeout": seconds, **options}
        )
        connection.give_up = self._give_up
        return connection


def _note_use(_connection: object, record: Any) -> None:
    record.info[_USED] = time.monotonic()


def _ping_if_idle(engine: Engine, connection: Any, record: Any, _proxy: object) -> None:
    """See that a connection is still there, else take a new one.

    Not by asking each time, as `pool_pre_ping` does: that costs as much as a statement. A session
    that was ended is seen by the end of its stream; one whose host is gone only by asking.
    """
    used = record.info.get(_USED)
    if used is None or (
        time.monotonic() - used < TRUSTED_SECONDS and not _has_news(connection.pgconn.socket)
    ):
        return
    from psycopg import Error

    try:
        engine.dialect.do_ping(connection)
    except Error as error:
        raise InvalidatePoolError from error


def _has_news(descriptor: int) -> bool:
    """Whether there is something to read: a session at rest says only its end."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def _require_known_options(engine: Engine) -> None:
    """Raise UsageError for options of the URL that libpq does not know or take."""
    from psycopg import Error
    from psycopg.conninfo import make_conninfo

    _, options = engine.dialect.create_connect_args(engine.url)
    try:
        make_conninfo(**{name: value for name, value in options.items() if name != "context"})
        int(options.get("connect_timeout", 0))
    except (Error, ValueError, TypeError) as error:
        raise _bad_options(error) from None


def _bad_options(error: Exception) -> UsageError:
    lines = str(error).strip().splitlines() or ["?"]
    return UsageError(
        f"the database URL has options that cannot be used: {lines[0]}; write "
        "postgresql://user:password@host:5432/database?name=value with names of libpq"
    )


def _prepare(connection: Any, _record: object) -> None:
    """Give a new session its limits. Nothing it waits for may block the others for ever."""
    with connection.cursor() as cursor:
        for name, value in _SESSION.items():
            cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
    connection.commit()


def _key(name: str) -> int:
    digest = hashlib.sha256(f"reconciler/{name}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
