"""SQLite: the file and its modes, one writer at a time, one `serve`, and what can go wrong."""

import asyncio
import json
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Sized
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from reconciler.core.base.errors import Locked, Unavailable
from reconciler.store.engine import sqlite
from reconciler.store.engine.database import Database, Schema, Tx
from reconciler.store.engine.fairness import Queue
from reconciler.store.engine.sqlite_failures import explain
from tests.support.eventually import eventually_async


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def opened(path: Path) -> Database:
    return Database.open(f"sqlite:///{path}")


def pragma(tx: Tx, name: str) -> object:
    return tx.execute(text(f"PRAGMA {name}")).scalar_one()


class TestFile:
    """Made with its folders, for its owner only, and only when asked."""

    def test_made_for_its_owner_only(self, tmp_path: Path) -> None:
        path = tmp_path / "a" / "b" / "state.db"
        with opened(path) as database:
            database.migrate()
            files = sorted(path.parent.iterdir())
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in files}
        assert modes == {"state.db": 0o600, "state.db-shm": 0o600, "state.db-wal": 0o600}

    @pytest.mark.parametrize("name", ["a b.db", "100%.db", "a#b.db", "ü.db"])
    def test_any_name(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        with opened(path) as database:
            database.migrate()
        with sqlite3.connect(path) as plain:
            (tables,) = plain.execute("SELECT count(*) FROM sqlite_master").fetchone()
        plain.close()
        assert tables > 10

    def test_a_relative_path(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(path.parent)
        with Database.open("sqlite:///state.db") as database:
            database.migrate()
            monkeypatch.chdir("/")  # the file stays where it was
            assert database.schema() is Schema.CURRENT
        assert path.exists()

    def test_reading_makes_no_file(self, path: Path) -> None:
        with Database.open(f"sqlite:///{path}", create=False) as database:
            assert database.schema() is Schema.MISSING
            with pytest.raises(Unavailable, match="cannot be opened"):
                database.read(lambda tx: tx.execute(text("SELECT 1")))
            with pytest.raises(Unavailable, match="there is no state"):
                database.require_current_schema()
        assert not path.exists()

    def test_an_empty_file_is_an_empty_database(self, path: Path) -> None:
        path.touch()
        with opened(path) as database:
            assert database.schema() is Schema.MISSING
            database.migrate()
            assert database.schema() is Schema.CURRENT


class TestModes:
    """WAL, synchronous=FULL and foreign keys, on every connection."""

    WANTED = (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1))

    def test_of_reads_and_writes(self, path: Path) -> None:
        def modes(tx: Tx) -> tuple[tuple[str, object], ...]:
            return tuple((name, pragma(tx, name)) for name, _ in self.WANTED)

        with opened(path) as database:
            assert database.write(modes) == self.WANTED
            assert database.read(modes) == self.WANTED

    def test_a_write_begins_at_once(self, path: Path) -> None:
        """Immediately, not with its first write: two can never wait for each other."""
        with opened(path) as database:

            def second(tx: Tx) -> str:
                with (
                    sqlite3.connect(path, timeout=0) as other,
                    pytest.raises(sqlite3.OperationalError) as caught,
                ):
                    other.execute("BEGIN IMMEDIATE")
                other.close()
                return str(caught.value)

            assert "locked" in database.write(second)

    def test_a_transaction_holds_ddl_too(self, path: Path) -> None:
        def fail(tx: Tx) -> None:
            tx.execute(text("CREATE TABLE half (x)"))
            raise ValueError("no")

        with opened(path) as database:
            with pytest.raises(ValueError, match="no"):
                database.write(fail)
            tables = text("SELECT count(*) FROM sqlite_master")
            assert database.read(lambda tx: tx.execute(tables).scalar_one()) == 0


class TestFailures:
    """Each is a sentence that says what to do."""

    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(b"this is not a database, it is a text" * 100, id="a text"),
            pytest.param(b"SQLite format 3\0" + b"\xff" * 5000, id="only the first bytes right"),
        ],
    )
    def test_not_a_database(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        with opened(path) as database, pytest.raises(Unavailable, match="not a database"):
            database.schema()
        assert path.read_bytes() == content

    def test_a_damaged_database(self, path: Path, sqlite_template: Path) -> None:
        content = bytearray(sqlite_template.read_bytes())
        content[4096:] = random.Random(1).randbytes(len(content) - 4096)
        path.write_bytes(content)
        with opened(path) as database, pytest.raises(Unavailable, match="damaged"):
            database.read(lambda tx: tx.execute(text("SELECT * FROM autopilot")).all())

    def test_the_database_of_another_program(self, path: Path) -> None:
        with sqlite3.connect(path) as plain:
            plain.execute("CREATE TABLE bookmarks (url)")
        plain.close()
        with opened(path) as database:
            assert database.schema() is Schema.FOREIGN
            with pytest.raises(Unavailable, match="tables of another program"):
                database.migrate()

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(Unavailable, match=r"cannot be created: .*--database"):
            opened(tmp_path / "file" / "state.db")

    def test_a_folder_in_its_place(self, tmp_path: Path) -> None:
        with opened(tmp_path) as database, pytest.raises(Unavailable, match="cannot be opened"):
            database.schema()

    def test_a_full_disk(self, path: Path, sqlite_template: Path) -> None:
        path.write_bytes(sqlite_template.read_bytes())

        def fill(tx: Tx) -> None:
            tx.execute(text("PRAGMA max_page_count=1"))
            rows = [{"digest": f"{n}", "document": "1" * 4000} for n in range(100)]
            tx.execute(text("INSERT INTO manifest VALUES (:digest, :document)"), rows)

        with opened(path) as database, pytest.raises(Unavailable, match="is full"):
            database.write(fill)

    @pytest.mark.parametrize(
        ("code", "error"),
        [
            pytest.param(sqlite3.SQLITE_READONLY, Unavailable, id="read-only"),
            pytest.param(sqlite3.SQLITE_IOERR_FSYNC, Unavailable, id="an extended code"),
            pytest.param(sqlite3.SQLITE_BUSY_SNAPSHOT, Locked, id="busy in another way"),
            pytest.param(sqlite3.SQLITE_ERROR, None, id="an error in the code is left as it is"),
        ],
    )
    def test_codes(self, code: int, error: type[Exception] | None) -> None:
        raised = sqlite3.OperationalError("?")
        raised.sqlite_errorcode = code
        found = explain(OperationalError("SELECT 1", None, raised), Path("state.db"))
        assert type(found) is (error or type(None))


_HOLD = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
"""

_COUNT = """
import sys
from reconciler.store.engine.database import Database
from sqlalchemy import text
with Database.open(f"sqlite:///{sys.argv[1]}") as database:
    for _ in range(50):
        database.write(lambda tx: tx.execute(text("UPDATE counter SET n = n + 1")))
"""


class TestOtherProcesses:
    """Commands write beside a server; exit 6 after waiting."""

    def test_waiting_ends_with_locked_and_goes_on_when_the_other_dies(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite, "PATIENCE", 0.1)
        with opened(path) as database:
            database.migrate()
            other = subprocess.Popen(
                [sys.executable, "-c", _HOLD, str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            with other:
                assert other.stdout is not None
                assert other.stdout.readline() == b"held\n"
                with pytest.raises(Locked, match="another process kept writing") as caught:
                    database.write(lambda tx: None)
                assert caught.value.exit_code == 6
                assert database.schema() is Schema.CURRENT  # readers do not wait
                other.send_signal(signal.SIGKILL)
            monkeypatch.setattr(sqlite, "PATIENCE", 10.0)
            database.write(lambda tx: None)

    def test_two_processes_lose_no_write(self, path: Path) -> None:
        with opened(path) as database:
            database.write(lambda tx: tx.execute(text("CREATE TABLE counter AS SELECT 0 AS n")))
            command = [sys.executable, "-c", _COUNT, str(path)]
            processes = [subprocess.Popen(command) for _ in range(2)]
            assert [process.wait(60) for process in processes] == [0, 0]
            n = text("SELECT n FROM counter")
            assert database.read(lambda tx: tx.execute(n).scalar_one()) == 100


_SERVE = """
import sys
from reconciler.store.engine.database import Database
with Database.open(f"sqlite:///{sys.argv[1]}") as database:
    with database.serve_lock("http://127.0.0.1:8484"):
        print("serving", flush=True)
        sys.stdin.readline()
"""


class TestServeLock:
    """One `serve` at a time; the lock goes with its process, however that ends."""

    def test_the_second_is_refused_until_the_first_is_killed(self, path: Path) -> None:
        command = [sys.executable, "-c", _SERVE, str(path)]
        first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with first, opened(path) as database:
            assert first.stdout is not None
            assert first.stdout.readline() == b"serving\n"
            with pytest.raises(Locked) as caught, database.serve_lock("http://other"):
                pass
            for part in (f"pid {first.pid}", "http://127.0.0.1:8484", "PostgreSQL"):
                assert part in str(caught.value)
            first.kill()
            first.wait()
            with database.serve_lock("http://other"):
                held = json.loads(path.with_name("state.db.serve.lock").read_text())
        assert (held["pid"], held["url"]) == (os.getpid(), "http://other")

    def test_it_is_one_lock_by_whatever_path(self, tmp_path: Path, path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path)
        with (
            opened(path) as database,
            opened(tmp_path / "link" / "state.db") as other,
            database.serve_lock("http://one"),
            pytest.raises(Locked, match="http://one"),
            other.serve_lock("http://two"),
        ):
            pass

    def test_it_can_be_taken_again(self, path: Path) -> None:
        with opened(path) as database:
            for _ in range(2):
                with database.serve_lock("http://one"):
                    pass

    def test_a_holder_that_cannot_be_read_is_still_refused(self, path: Path) -> None:
        with opened(path) as database, database.serve_lock("http://one"):
            path.with_name("state.db.serve.lock").write_text("{")
            with pytest.raises(Locked, match="another `serve` runs"), database.serve_lock("two"):
                pass

    def test_commands_write_beside_it(self, path: Path) -> None:
        with opened(path) as database, database.serve_lock("http://one"), opened(path) as command:
            command.migrate()


class TestTurns:
    """What another process writes for us is written in our turn."""

    def test_nobody_here_writes_meanwhile(self, path: Path) -> None:
        order: list[str] = []

        async def body(database: Database) -> None:
            async with database.turn():
                here = asyncio.create_task(database.awrite(lambda tx: order.append("here")))
                backend = database._backend
                assert isinstance(backend, sqlite.Sqlite)
                await eventually_async(lambda: some(backend._queue._waiting))
                order.append("elsewhere")
            await here

        with opened(path) as database:
            database.migrate()
            asyncio.run(body(database))
        assert order == ["elsewhere", "here"]

    def test_it_waits_for_those_who_write_here(self, path: Path) -> None:
        begun, free, order = threading.Event(), threading.Event(), list[str]()

        def here(_tx: Tx) -> None:
            begun.set()
            assert free.wait(60)
            order.append("here")

        async def body(database: Database) -> None:
            writing = asyncio.create_task(database.awrite(here))
            await asyncio.to_thread(begun.wait, 60)
            asyncio.get_running_loop().call_later(0.05, free.set)
            async with database.turn():
                order.append("elsewhere")
            await writing

        with opened(path) as database:
            database.migrate()
            asyncio.run(body(database))
        assert order == ["here", "elsewhere"]

    def test_who_leaves_or_gives_up_is_passed_over(self) -> None:
        queue = Queue()

        async def turn(patience: float) -> None:
            async with queue.aturn(patience):
                pass

        async def body() -> None:
            with queue.turn(5):
                leaving = asyncio.create_task(turn(5))
                await eventually_async(lambda: some(queue._waiting))
                leaving.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await leaving
                with pytest.raises(Locked):
                    await turn(0.01)
            await turn(5)

        asyncio.run(body())
        assert queue._owner is None


async def some(waiting: Sized) -> int:
    """How many wait."""
    return len(waiting)


class TestQueue:
    """Threads get the lock in the order in which they asked."""

    def test_first_come_first_served(self) -> None:
        queue = Queue()
        order: list[int] = []
        threads = []
        with queue.turn(5):
            for n in range(5):
                thread = threading.Thread(target=self.note, args=(queue, order, n))
                thread.start()
                threads.append(thread)
                while len(queue._waiting) <= n:
                    pass
        for thread in threads:
            thread.join()
        assert order == [0, 1, 2, 3, 4]

    def note(self, queue: Queue, order: list[int], n: int) -> None:
        with queue.turn(5):
            order.append(n)

    def test_who_gave_up_is_passed_over(self) -> None:
        queue = Queue()
        order: list[str] = []
        with queue.turn(5):
            thread = threading.Thread(target=self.give_up, args=(queue, order))
            thread.start()
            thread.join()
        with queue.turn(5):
            order.append("free")
        assert order == ["locked", "free"]

    def give_up(self, queue: Queue, order: list[str]) -> None:
        try:
            with queue.turn(0.01):
                pass
        except Locked:
            order.append("locked")

    def test_a_write_inside_a_write_is_an_error_in_the_code(self) -> None:
        queue = Queue()
        again = pytest.raises(RuntimeError, match="a write inside a write")
        with queue.turn(5), again, queue.turn(5):
            pass
        with queue.turn(5):
            pass
