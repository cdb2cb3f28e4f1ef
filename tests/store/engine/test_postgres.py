"""PostgreSQL: failures to connect, retries, and watching through a lost connection."""

import gc
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from reconciler.core.base.errors import Conflict, Locked, Unavailable
from reconciler.store.engine import postgres as postgres_module
from reconciler.store.engine import postgres_watcher
from reconciler.store.engine.database import Database, Tx
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.postgres import Server

pytestmark = pytest.mark.postgres


@pytest.fixture
def url(postgres: Server) -> Iterator[str]:
    with postgres.fresh() as url:
        yield url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    with Database.open(url) as opened:
        opened.write(
            lambda tx: tx.execute(
                text("CREATE TABLE pair AS SELECT g AS id, 0 AS n FROM generate_series(1, 2) g")
            )
        )
        yield opened


def backend(tx: Tx) -> int:
    """The process of the server that serves a transaction."""
    return int(tx.execute(text("SELECT pg_backend_pid()")).scalar_one())


class TestConnections:
    """What the server has prepared for a connection is used again."""

    def test_the_connection_that_was_used_last_is_used_next(self, database: Database) -> None:
        first, second = database.read(lambda tx: (backend(tx), database.read(backend)))
        assert first != second
        assert {database.read(backend) for _ in range(4)} == {first}


class TestConnecting:
    """A sentence, and never the password."""

    def test_nobody_listens(self) -> None:
        url = f"postgresql://ada:hunter2@127.0.0.1:{free_port()}/db"
        with Database.open(url) as database, pytest.raises(Unavailable) as caught:
            database.schema()
        assert "does not answer" in str(caught.value)
        assert "hunter2" not in str(caught.value)

    def test_there_is_no_such_database(self, postgres: Server) -> None:
        with (
            Database.open(postgres.url("nowhere")) as database,
            pytest.raises(Unavailable) as caught,
        ):
            database.schema()
        assert "does not exist" in str(caught.value)

    def test_nobody_listens_to_the_watcher(self) -> None:
        url = f"postgresql://ada:hunter2@127.0.0.1:{free_port()}/db"
        with Database.open(url) as database, pytest.raises(Unavailable) as caught:
            database.watcher()
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
    def test_schemes(self, url: str, scheme: str) -> None:
        with Database.open(url.replace("postgresql", scheme, 1)) as database:
            database.require_current_schema()

    def test_a_session_is_in_utc_and_has_limits(self, database: Database) -> None:
        def settings(tx: Tx) -> list[str]:
            names = ("TimeZone", "lock_timeout", "statement_timeout")
            return [str(tx.execute(text(f"SHOW {name}")).scalar_one()) for name in names]

        assert database.read(settings) == ["UTC", "10s", "1min"]


def add(tx: Tx, id_: int) -> None:
    tx.execute(text("UPDATE pair SET n = n + 1 WHERE id = :id"), {"id": id_})


def numbers(database: Database) -> list[int]:
    query = text("SELECT n FROM pair ORDER BY id")
    return database.read(lambda tx: list(tx.execute(query).scalars()))


class TestRetries:
    """A write that has to give way runs again from its start."""

    def test_a_deadlock_is_nobodys_problem(self, database: Database) -> None:
        both_hold_one = threading.Barrier(2)
        attempts = []

        def cross(first: int, second: int) -> None:
            def work(tx: Tx) -> None:
                again = first in attempts
                attempts.append(first)
                add(tx, first)
                if not again:
                    both_hold_one.wait(timeout=60)
                add(tx, second)

            database.write(work)

        threads = [threading.Thread(target=cross, args=pair) for pair in ((1, 2), (2, 1))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert numbers(database) == [2, 2]
        assert len(attempts) == 3

    def test_it_gives_up_in_the_end(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres_module, "ATTEMPTS", 3)
        attempts = []

        def never(tx: Tx) -> None:
            attempts.append(1)
            add(tx, 1)
            tx.execute(text("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$"))

        with pytest.raises(Locked, match="conflicting writes"):
            database.write(never)
        assert len(attempts) == 3
        assert numbers(database) == [0, 0]

    def test_other_errors_are_not_tried_again(self, database: Database) -> None:
        attempts = []

        def wrong(tx: Tx) -> None:
            attempts.append(1)
            tx.execute(text("SELECT 1 / 0"))

        with pytest.raises(Exception, match="division by zero"):
            database.write(wrong)
        assert len(attempts) == 1


_KILL_OTHERS = text(  # and wait until each is gone: the end of its stream comes with that
    "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class TestLostConnections:
    """The server was restarted, or somebody ended our sessions."""

    def test_idle_ones_are_replaced(self, database: Database, url: str) -> None:
        numbers(database)
        with Database.open(url) as other:
            other.write(lambda tx: tx.execute(_KILL_OTHERS))
        assert numbers(database) == [0, 0]
        database.write(lambda tx: add(tx, 1))
        assert numbers(database) == [1, 0]

    def test_one_in_use_is_unavailable_and_undone(self, database: Database, url: str) -> None:
        def cut_off(tx: Tx) -> None:
            add(tx, 1)
            with Database.open(url) as other:
                other.write(lambda other_tx: other_tx.execute(_KILL_OTHERS))
            add(tx, 2)

        with pytest.raises(Unavailable):
            database.write(cut_off)
        assert numbers(database) == [0, 0]

    def test_one_that_ends_before_its_commit_is_unavailable_and_undone(
        self, database: Database, url: str
    ) -> None:
        def cut_off(tx: Tx) -> None:
            add(tx, 1)
            with Database.open(url) as other:
                other.write(lambda other_tx: other_tx.execute(_KILL_OTHERS))

        with pytest.raises(Unavailable):
            database.write(cut_off)
        assert numbers(database) == [0, 0]

    def test_the_watcher_says_look_and_listens_again(self, database: Database, url: str) -> None:
        watcher = database.watcher()
        with Database.open(url) as other:
            other.write(lambda tx: tx.execute(_KILL_OTHERS), quiet=True)
        assert eventually(watcher.changed)  # what was said meanwhile is lost
        while watcher.changed():  # it connects again
            pass
        database.write(lambda tx: add(tx, 1))
        assert eventually(watcher.changed)
        watcher.close()
        watcher.close()

    def test_a_connection_that_cannot_listen_is_closed(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres_watcher, "CHANNEL", "not a name")
        with pytest.raises(Unavailable):
            database.watcher()
        gc.collect()  # one that was left open would complain, which fails the test


def test_a_quiet_write_is_not_announced(database: Database) -> None:
    watcher = database.watcher()
    database.write(lambda tx: add(tx, 1), quiet=True)
    assert not watcher.changed()
    watcher.close()


def test_what_is_undone_is_not_announced_and_what_is_committed_is(database: Database) -> None:
    def undone(tx: Tx) -> None:
        add(tx, 1)
        raise KeyError

    watcher = database.watcher()
    with pytest.raises(KeyError):
        database.write(undone)
    numbers(database)
    database.write(lambda tx: None)
    assert not watcher.changed()
    database.write(lambda tx: add(tx, 1))
    assert eventually(watcher.changed)
    watcher.close()


def test_what_fails_with_the_commit_is_an_error_of_the_write(database: Database) -> None:
    made = text("CREATE TABLE once (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    twice = text("INSERT INTO once VALUES (1), (1)")
    database.write(lambda tx: tx.execute(made))
    watcher = database.watcher()
    with pytest.raises(IntegrityError):
        database.write(lambda tx: tx.execute(twice))
    assert not watcher.changed()
    database.write(lambda tx: add(tx, 1))
    assert numbers(database) == [1, 0]
    watcher.close()


def test_several_servers_share_a_database(database: Database, url: str) -> None:
    with (
        Database.open(url) as other,
        database.serve_lock("http://one"),
        other.serve_lock("http://two"),
    ):
        pass


def test_a_taken_name_has_the_meaning_of_its_constraint(database: Database) -> None:
    def twice(tx: Tx) -> None:
        row = text("INSERT INTO idempotency_key VALUES ('s', 'k', 'b', 'r', NULL, now())")
        tx.execute(row)
        tx.execute(row)

    with pytest.raises(Conflict) as caught:
        database.write(twice)
    assert caught.value.reason == "key-taken"


def test_a_nul_character_is_refused_in_words(database: Database) -> None:
    statement = text("UPDATE pair SET n = 1 WHERE id::text = :x")
    with pytest.raises(Conflict, match="no database stores"):
        database.write(lambda tx: tx.execute(statement, {"x": "a\0b"}))
