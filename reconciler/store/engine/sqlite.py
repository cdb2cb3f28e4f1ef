"""SQLite: one file, one writer at a time, readers on snapshots that no writer blocks.

The driver's own transaction control is switched off (`isolation_level=None`) and SQLAlchemy's
`begin` event says which BEGIN is meant: the driver would begin late, and never for a SELECT or DDL.
"""

import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from reconciler.core.base.errors import Conflict, Unavailable
from reconciler.store.engine.backend import PATIENCE, UNSTORABLE, Tx
from reconciler.store.engine.constraints import conflict
from reconciler.store.engine.deadline import remaining
from reconciler.store.engine.fairness import Queue
from reconciler.store.engine.json_text import as_json, read_json
from reconciler.store.engine.serve_lock import hold_serve_lock
from reconciler.store.engine.sqlite_failures import explain
from reconciler.store.engine.sqlite_file import FileGuard

T = TypeVar("T")
READERS = 8
WRITER_CACHE = 16_000
"""KiB of pages. The writer reads and changes the same ones again and again."""
READER_CACHE = 2_000
"""KiB for each reader: what a page of a list needs. Reads of all rows find their pages with the
system, which holds them once for all."""

_UNDECODABLE = "Could not decode to UTF-8"
"""What the driver says of text in another encoding."""
_EVERY_CONNECTION = (
    "PRAGMA foreign_keys=ON",
    "PRAGMA synchronous=FULL",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA wal_autocheckpoint=4000",  # pages, 16 MB: fewer pauses, each page copied less often
)


class Sqlite:
    """The database in `path`; with `create` the file and its folders are made when missing."""

    name: Literal["sqlite", "postgresql"] = "sqlite"
    writers = 1

    def __init__(self, path: Path, *, create: bool) -> None:
        self.path = path.absolute()
        self.shown = f"sqlite:///{path}"
        self._queue = Queue()
        self._text_factory: Callable[[bytes], str] = str
        if create:
            _make_file(self.path)
        self._file = FileGuard(self.path)
        self._readers = self._engine("BEGIN", READERS, query_only=True)
        self._writer = self._engine("BEGIN IMMEDIATE", 1, query_only=False)

    def exists(self) -> bool:
        """Whether the file is there. Raises Unavailable where nobody may look."""
        try:
            self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise Unavailable(
                f"the database {self.path} cannot be opened: {error.strerror}"
            ) from error
        return True

    @property
    def outage(self) -> str | None:
        """Why nothing may be written any more; what once was seen counts until a restart."""
        return self._file.broken

    def read(self, fn: Callable[[Tx], T]) -> T:
        """Run `fn` on one snapshot; a write in it fails."""

        def attempt() -> T:
            with self._readers.begin() as tx:
                return fn(tx)

        try:
            return self._whatever_the_text(attempt)
        except DBAPIError as error:
            self._file.note(error)
            raise explain(error, self.path, reading=True) or error from error

    def write(self, fn: Callable[[Tx], T], *, quiet: bool = False) -> T:
        """Run `fn` alone: first this process' writers queue up, then the processes wait."""
        patience = remaining(PATIENCE)
        began = time.monotonic()
        with self._queue.turn(patience):
            self._file.require_sound()
            left = patience - (time.monotonic() - began)

            def attempt() -> T:
                with self._writer.connect() as tx:
                    _be_patient(tx, left)
                    with tx.begin():
                        return fn(tx)

            try:
                result = self._whatever_the_text(attempt)
            except DBAPIError as error:
                self._file.note(error)
                raise conflict(error) or explain(error, self.path) or error from error
            except UnicodeEncodeError as error:
                raise Conflict(UNSTORABLE, reason="text-unstorable") from error
            # A commit into a file that was deleted or replaced is lost: nobody may hear of it.
            self._file.require_in_place()
            return result

    def _whatever_the_text(self, attempt: Callable[[], T]) -> T:
        """Try again where somebody wrote text of another encoding: it fails all rows read with it.

        From then on such text is read as well as it can be. A function of ours for each text takes
        half as long again for all that is read, and so is used only once there is need.
        """
        strict = self._text_factory is str
        try:
            return attempt()
        except DBAPIError as error:
            if not strict or _UNDECODABLE not in str(error.orig):
                raise
            self._text_factory = _decoded
            return attempt()

    def check(self) -> None:
        """See that the path still leads to the open file. Raises Unavailable."""
        self._file.require_in_place()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Nobody else in this process writes during the block."""
        async with self._queue.aturn(PATIENCE):
            self._file.require_sound()
            yield
            self._file.require_in_place()

    def now(self, tx: Tx) -> datetime | None:
        """SQLite has no clock of its own: it runs on this host."""
        return None

    def lock(self, tx: Tx, name: str) -> None:
        """A write already excludes every other one."""

    def try_lock(self, tx: Tx, name: str) -> bool:
        """A write already excludes every other one."""
        return True

    def announce(self, _tx: Tx, _word: str) -> None:
        """There is one server, which knows it."""

    def watcher(self) -> "DataVersion":
        """A watcher on a connection of its own."""
        return DataVersion(self._connect(query_only=True))

    def serve_lock(self, url: str) -> AbstractContextManager[None]:
        """Be the one `serve`; `Locked` names the other one and PostgreSQL."""
        return hold_serve_lock(self.path.resolve(), self._file.descriptor(), url)

    def release_memory(self) -> None:
        """Let go of pages of the file and of statements: 16 MB of pages, once much was written."""
        with self._queue.turn(remaining(PATIENCE)):
            _shrink(self._writer)
        _shrink(self._readers)

    def close(self) -> None:
        """Close every connection; the last one folds the write-ahead log into the file."""
        self._readers.dispose()
        self._writer.dispose()
        self._file.close()

    def _engine(self, begin: str, size: int, *, query_only: bool) -> Engine:
        engine = create_engine(
            "sqlite://",
            creator=lambda: self._connect(query_only=query_only),
            poolclass=QueuePool,
            pool_size=size,
            max_overflow=0,
            hide_parameters=True,
            json_serializer=as_json,
            json_deserializer=read_json,
        )

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
            driver.text_factory = self._text_factory
            connection.exec_driver_sql(begin)

        return engine

    def _connect(self, *, query_only: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",
            uri=True,
            timeout=PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            for statement in _EVERY_CONNECTION:
                connection.execute(statement)
            if query_only:
                connection.execute("PRAGMA query_only=ON")
                connection.execute(f"PRAGMA cache_size=-{READER_CACHE}")
            else:
                connection.execute(f"PRAGMA cache_size=-{WRITER_CACHE}")
                _use_write_ahead_log(connection, self.path)
            self._file.require_in_place()
        except BaseException:
            connection.close()
            raise
        return connection


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


class DataVersion:
    """SQLite's own counter of commits by other connections, read from one that never writes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._seen = self._version()

    def changed(self) -> bool:
        """Whether any connection committed since the last call; a few microseconds."""
        version = self._version()
        before, self._seen = self._seen, version
        return before != version

    def announced(self) -> list[str]:
        """Nothing: there is one server."""
        return []

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _version(self) -> int:
        try:
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.OperationalError as error:
            raise Unavailable(f"the database cannot be watched: {error}") from error


def _shrink(engine: Engine) -> None:
    """Free what connections hold that are idle."""
    engine.clear_compiled_cache()
    pool = engine.pool
    for _ in range(pool.checkedin() if isinstance(pool, QueuePool) else 0):
        # One at a time, or two callers might each wait for those of the other. The pool hands out
        # the one that was idle for longest, so each has its turn.
        with engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA shrink_memory")


def _be_patient(tx: Connection, seconds: float) -> None:
    """Set how long SQLite waits for other processes, without beginning a transaction."""
    driver: Any = tx.connection.driver_connection
    driver.execute(f"PRAGMA busy_timeout={max(1, int(seconds * 1000))}")


def _make_file(path: Path) -> None:
    """Make the file with mode 0600; SQLite gives its -wal and -shm the same mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise Unavailable(
            f"the database {path} cannot be created: {error.strerror}; "
            "choose another place with --database"
        ) from error


def _use_write_ahead_log(connection: sqlite3.Connection, path: Path) -> None:
    # Switching the mode does not always wait for other connections as statements do.
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    if mode != "wal":
        raise Unavailable(
            f"the database {path} cannot keep a write-ahead log there (its mode is {mode!r}); "
            "put it on a local disk, or use PostgreSQL"
        )
