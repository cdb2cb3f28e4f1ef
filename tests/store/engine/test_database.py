"""The database value: transactions, waiting, watching and failing, on both databases."""

import asyncio
import contextvars
import gc
import json
import threading
import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from reconciler.core.base.errors import Conflict, Locked, UsageError
from reconciler.store.engine.constraints import violated
from reconciler.store.engine.database import Database, Tx
from reconciler.store.servers import Server, beat, forget_silent, live, register, remove
from reconciler.store.tables import (
    agent,
    autopilot_run,
    delivery,
    idempotency_key,
    manifest,
    server,
)
from tests.support.applying import NOON, apply
from tests.support.eventually import eventually
from tests.support.worlds import agent as an_agent
from tests.support.worlds import autopilot, desired

SERVER = Server("one", "host", 7, "http://127.0.0.1:8484", NOON, NOON)


def count(database: Database) -> int:
    return database.read(
        lambda tx: tx.execute(select(func.count()).select_from(server)).scalar_one()
    )


def add(name: str) -> dict[str, object]:
    return {"id": name, "host": "h", "pid": 1, "url": "u", "started_at": NOON, "seen_at": NOON}


class _Text(str):
    """A text whose end can be noticed."""

    __slots__ = ("__weakref__",)


def test_what_is_left_of_large_reads_and_writes_is_let_go_while_others_work(
    database: Database,
) -> None:
    database.release_memory()  # also of statements that other tests have left
    rows = [add(_Text("kept-with-the-statement"))]
    held = weakref.ref(rows[0]["id"])
    database.write(lambda tx: tx.execute(insert(server).values(rows[0])))
    rows.clear()
    assert held() is not None

    def reading(tx: Tx) -> int:
        database.release_memory()
        return int(tx.execute(select(func.count()).select_from(server)).scalar_one())

    assert database.read(reading) == 1
    gc.collect()
    assert held() is None
    database.write(lambda tx: register(tx, SERVER))
    assert count(database) == 2


class TestTransactions:
    """Committed when the function returns, undone when it raises."""

    def test_a_write_is_committed(self, database: Database) -> None:
        assert database.write(lambda tx: register(tx, SERVER)) is None
        assert count(database) == 1

    def test_a_write_that_raises_is_undone(self, database: Database) -> None:
        def fail(tx: Tx) -> None:
            register(tx, SERVER)
            raise ValueError("after all")

        with pytest.raises(ValueError, match="after all"):
            database.write(fail)
        assert count(database) == 0

    def test_a_read_cannot_write(self, database: Database) -> None:
        with pytest.raises(DBAPIError, match=r"read-?only"):
            database.read(lambda tx: register(tx, SERVER))
        database.write(lambda tx: register(tx, SERVER))
        assert count(database) == 1

    def test_a_read_sees_one_state_from_its_start_to_its_end(self, database: Database) -> None:
        def read_twice(tx: Tx) -> tuple[int, int]:
            query = select(func.count()).select_from(server)
            before = tx.execute(query).scalar_one()
            thread = threading.Thread(
                target=lambda: database.write(lambda other: register(other, SERVER))
            )
            thread.start()
            thread.join()  # a writer does not wait for readers
            return before, tx.execute(query).scalar_one()

        assert database.read(read_twice) == (0, 0)
        assert count(database) == 1

    def test_a_reader_does_not_wait_for_a_writer(self, database: Database) -> None:
        def write(tx: Tx) -> int:
            register(tx, SERVER)
            return _in_thread(lambda: count(database))

        assert database.write(write) == 0

    def test_many_writers_lose_nothing(self, database: Database) -> None:
        def increase(tx: Tx) -> None:
            pid = tx.execute(select(server.c.pid).with_for_update()).scalar_one()
            tx.execute(update(server).values(pid=pid + 1))

        def work() -> None:
            for _ in range(20):
                database.write(increase)

        database.write(lambda tx: register(tx, SERVER))
        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pid = select(server.c.pid)
        assert database.read(lambda tx: tx.execute(pid).scalar_one()) == SERVER.pid + 100


def _in_thread(work: object) -> int:
    """The answer of a function that is called in another thread."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(work()))  # type: ignore[operator]
    thread.start()
    thread.join(timeout=60)
    return found[0]


CALLER: contextvars.ContextVar[str] = contextvars.ContextVar("caller")


class TestCoroutines:
    """`aread` and `awrite`: the same in threads of their own."""

    def test_many_at_once(self, database: Database) -> None:
        async def work() -> list[int]:
            for n in range(10):
                await database.awrite(
                    lambda tx, n=n: tx.execute(insert(server).values(add(f"{n}")))  # type: ignore[misc]
                )
            counts = (
                database.aread(
                    lambda tx: tx.execute(select(func.count()).select_from(server)).scalar_one()
                )
                for _ in range(10)
            )
            return list(await asyncio.gather(*counts))

        assert asyncio.run(work()) == [10] * 10

    def test_the_event_loop_goes_on_meanwhile(self, database: Database) -> None:
        finish = threading.Event()

        def slow(tx: Tx, started: Callable[[], object]) -> str:
            started()
            assert finish.wait(60)
            return "done"

        async def work() -> str:
            loop, started = asyncio.get_running_loop(), asyncio.Event()
            tell = partial(loop.call_soon_threadsafe, started.set)
            writing = asyncio.create_task(database.awrite(lambda tx: slow(tx, tell)))
            await started.wait()
            finish.set()  # only a loop that is not blocked gets here
            return await writing

        assert asyncio.run(work()) == "done"

    def test_errors_arrive(self, database: Database) -> None:
        def fail(tx: Tx) -> None:
            raise ValueError("no")

        async def work() -> None:
            await database.awrite(fail)

        with pytest.raises(ValueError, match="no"):
            asyncio.run(work())

    def test_context_variables_arrive(self, database: Database) -> None:
        async def work() -> str:
            CALLER.set("ada")
            return await database.aread(lambda tx: CALLER.get())

        assert asyncio.run(work()) == "ada"


class TestConstraints:
    """What may happen once has a name, the same on both databases."""

    @pytest.fixture
    def applied(self, database: Database) -> Database:
        apply(database, desired(an_agent(), autopilot("x")))
        return database

    def rows(self, database: Database) -> dict[str, str]:
        (digest,) = database.read(lambda tx: list(tx.execute(select(agent.c.applied_digest))))
        (autopilot_id,) = database.read(
            lambda tx: list(tx.execute(text("SELECT id FROM autopilot")))
        )
        return {"digest": digest[0], "autopilot_id": autopilot_id[0]}

    def run(self, database: Database, **values: object) -> dict[str, object]:
        known = self.rows(database)
        return {
            "id": "r",
            "autopilot_id": known["autopilot_id"],
            "workspace_id": "default",
            "source": "manual",
            "status": "pending",
            "title": "A title",
            "spec_digest": known["digest"],
            "triggered_at": NOON,
            "created_at": NOON,
            **values,
        }

    @pytest.mark.parametrize(
        ("values", "name"),
        [
            pytest.param({"status": "done"}, "ck_autopilot_run_status", id="an unknown status"),
            pytest.param({"source": "cron"}, "ck_autopilot_run_source", id="an unknown source"),
            pytest.param(
                {"status": "failed", "completed_at": NOON},
                "ck_autopilot_run_reason_given",
                id="a failure without a reason",
            ),
            pytest.param(
                {"status": "completed", "admitted_at": NOON},
                "ck_autopilot_run_ended",
                id="an end without a time",
            ),
            pytest.param(
                {"status": "running"}, "ck_autopilot_run_admitted_first", id="never admitted"
            ),
        ],
    )
    def test_words_are_checked(
        self, applied: Database, values: dict[str, object], name: str
    ) -> None:
        statement = insert(autopilot_run).values(self.run(applied, **values))
        with pytest.raises(IntegrityError) as caught:
            applied.write(lambda tx: tx.execute(statement))
        assert violated(caught.value) == name

    def test_foreign_keys_are_enforced(self, applied: Database) -> None:
        statement = insert(autopilot_run).values(self.run(applied, autopilot_id="nobody"))
        with pytest.raises(IntegrityError):
            applied.write(lambda tx: tx.execute(statement))

    def test_runs_go_with_their_autopilot(self, applied: Database) -> None:
        statement = insert(autopilot_run).values(self.run(applied))
        applied.write(lambda tx: tx.execute(statement))
        applied.write(lambda tx: tx.execute(text("DELETE FROM autopilot")))
        left = text("SELECT count(*) FROM autopilot_run")
        assert applied.read(lambda tx: tx.execute(left).scalar_one()) == 0

    def test_a_living_name_is_unique(self, applied: Database) -> None:
        def copy(tx: Tx) -> None:
            row = dict(tx.execute(select(agent)).mappings().one())
            tx.execute(insert(agent).values({**row, "id": "other"}))

        with pytest.raises(Conflict, match="another agent of the workspace") as caught:
            applied.write(copy)
        assert caught.value.reason == "name-taken"

    def test_an_archived_name_is_free(self, applied: Database) -> None:
        def archive_and_copy(tx: Tx) -> None:
            row = dict(tx.execute(select(agent)).mappings().one())
            tx.execute(update(agent).values(archived_at=NOON))
            tx.execute(insert(agent).values({**row, "id": "other"}))

        applied.write(archive_and_copy)

    def test_a_primary_key_has_its_meaning_too(self, database: Database) -> None:
        key = {
            "scope": "s",
            "key": "k",
            "body_sha256": "0" * 64,
            "run_id": "r",
            "expires_at": NOON,
        }
        database.write(lambda tx: tx.execute(insert(idempotency_key).values(key)))
        with pytest.raises(Conflict) as caught:
            database.write(lambda tx: tx.execute(insert(idempotency_key).values(key)))
        assert caught.value.reason == "key-taken"


class TestTimes:
    """Aware and in UTC, to the microsecond, whatever went in."""

    @pytest.mark.parametrize(
        "moment",
        [
            pytest.param(datetime(2026, 1, 1, tzinfo=UTC), id="a whole second"),
            pytest.param(datetime(2026, 1, 1, 1, 2, 3, 4, tzinfo=UTC), id="microseconds"),
            pytest.param(
                datetime.fromisoformat("2026-07-01T09:00:00.5+05:30"), id="another offset"
            ),
            pytest.param(datetime(1970, 1, 1, tzinfo=UTC), id="the epoch"),
        ],
    )
    def test_round_trip(self, database: Database, moment: datetime) -> None:
        database.write(
            lambda tx: tx.execute(insert(server).values({**add("a"), "seen_at": moment}))
        )
        found = database.read(lambda tx: tx.execute(select(server.c.seen_at)).scalar_one())
        assert (found, found.utcoffset()) == (moment, timedelta(0))

    def test_they_sort_and_compare_as_times(self, database: Database) -> None:
        moments = [NOON + timedelta(microseconds=n) for n in (1_000_000, 0, 1, 999_999)]
        rows = [{**add(f"{n}"), "seen_at": moment} for n, moment in enumerate(moments)]
        database.write(lambda tx: tx.execute(insert(server), rows))
        query = select(server.c.seen_at).where(server.c.seen_at > NOON).order_by(server.c.seen_at)
        assert database.read(lambda tx: list(tx.execute(query).scalars())) == sorted(moments)[1:]

    def test_a_naive_time_is_refused(self, database: Database) -> None:
        naive = {**add("a"), "seen_at": datetime(2026, 1, 1)}  # noqa: DTZ001 - that is the case
        with pytest.raises(Exception, match="naive datetime"):
            database.write(lambda tx: tx.execute(insert(server).values(naive)))

    def test_now_is_the_databases_or_this_hosts(self, database: Database) -> None:
        before = datetime.now(UTC) - timedelta(seconds=5)
        now = database.read(database.now)
        assert before < now < datetime.now(UTC) + timedelta(seconds=5)
        assert now.utcoffset() == timedelta(0)

    def test_a_clock_that_is_given_wins(self, database_url: str) -> None:
        with Database.open(database_url, clock=lambda: NOON) as database:
            assert database.read(database.now) == NOON


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"z": [1, 2.5, None, True], "a": {"": ""}, "big": 2**70}, id="an object"),
        pytest.param('ü\u2028\U0001f600 \\ "', id="a text"),
        pytest.param("1e5", id="a text that looks like a number"),
        pytest.param(2**70 + 1, id="a number that no float holds"),
        pytest.param(1.5, id="a number"),
        pytest.param(False, id="false"),
        pytest.param([], id="an empty list"),
    ],
)
def test_json_keeps_every_value(database: Database, document: object) -> None:
    row = {"digest": "d", "document": document}
    database.write(lambda tx: tx.execute(insert(manifest).values(row)))
    found = database.read(lambda tx: tx.execute(select(manifest.c.document)).scalar_one())
    assert json.dumps(found) == json.dumps(document)  # the order of an object's fields too


@pytest.mark.parametrize(
    ("text_", "kept"),
    [
        pytest.param("ü\u2028\U0001f600\t\x7f", "ü\u2028\U0001f600\t\x7f", id="any character"),
        pytest.param("a\0b", "a\ufffdb", id="U+0000"),
        pytest.param("a\ud800b\udfff", "a\ufffdb\ufffd", id="lone surrogates"),
        pytest.param("x" * 300, "x" * 300, id="a long text in a column without a bound"),
    ],
)
def test_words_from_outside_are_always_stored(database: Database, text_: str, kept: str) -> None:
    database.write(lambda tx: tx.execute(insert(server).values({**add("a"), "url": text_})))
    found = database.read(lambda tx: tx.execute(select(server.c.url)).scalar_one())
    assert found == kept


def test_words_are_cut_to_the_column(database: Database) -> None:
    sent = {
        "id": "d", "received_at": NOON, "verdict": "refused", "status_code": 401,
        "verified": False, "headers": {}, "body_size": 0, "event": "é" * 201,
    }  # fmt: skip
    database.write(lambda tx: tx.execute(insert(delivery).values(sent)))
    found = database.read(lambda tx: tx.execute(select(delivery.c.event)).scalar_one())
    assert found == "é" * 200


def test_half_a_surrogate_pair_is_refused_in_words(database: Database) -> None:
    apply(database, desired(an_agent()))
    statement = update(agent).values(name="a\ud800")
    with pytest.raises(Conflict, match="no database stores"):
        database.write(lambda tx: tx.execute(statement))


class TestWatcher:
    """Answers "did anything change?" without waiting."""

    def eventually_changed(self, database: Database, write: object) -> bool:
        watcher = database.watcher()
        try:
            assert not watcher.changed()
            write()  # type: ignore[operator]
            eventually(watcher.changed)
            return not watcher.changed()
        finally:
            watcher.close()

    def test_a_write_of_this_process_is_seen_once(self, database: Database) -> None:
        assert self.eventually_changed(
            database, lambda: database.write(lambda tx: register(tx, SERVER))
        )

    def test_a_write_of_another_connection_is_seen(
        self, database: Database, database_url: str
    ) -> None:
        with Database.open(database_url) as other:
            assert self.eventually_changed(
                database, lambda: other.write(lambda tx: register(tx, SERVER))
            )

    def test_reads_and_writes_of_nothing_are_not_seen(self, database: Database) -> None:
        watcher = database.watcher()
        database.read(lambda tx: live(tx, NOON, timedelta(1)))
        database.write(lambda tx: live(tx, NOON, timedelta(1)))
        database.write(lambda tx: register(tx, SERVER))
        eventually(watcher.changed)
        assert not watcher.changed()
        watcher.close()

    def test_a_write_that_failed_is_not_seen(self, database: Database) -> None:
        def fail(tx: Tx) -> None:
            register(tx, SERVER)
            raise ValueError("no")

        watcher = database.watcher()
        with pytest.raises(ValueError, match="no"):
            database.write(fail)
        assert not watcher.changed()
        watcher.close()


class TestLocks:
    """Named locks end with their transaction."""

    def test_try_lock(self, database: Database, database_url: str) -> None:
        if database.name == "sqlite":
            assert database.write(lambda tx: database.try_lock(tx, "a"))
            return
        with Database.open(database_url) as other:

            def both(tx: Tx) -> tuple[bool, bool, bool]:
                mine = database.try_lock(tx, "a")
                theirs = other.write(lambda other_tx: other.try_lock(other_tx, "a"))
                free = other.write(lambda other_tx: other.try_lock(other_tx, "b"))
                return mine, theirs, free

            assert database.write(both) == (True, False, True)
            assert other.write(lambda tx: other.try_lock(tx, "a"))

    def test_waiting_ends_with_locked(
        self, database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another process holds the lock; the patience is cut short."""
        monkeypatch.setattr("reconciler.store.engine.sqlite.PATIENCE", 0.05)
        monkeypatch.setitem(_session(), "lock_timeout", "50ms")
        with Database.open(database_url) as impatient:

            def wait(tx: Tx) -> None:
                database.lock(tx, "apply")
                impatient.write(lambda other: impatient.lock(other, "apply"))

            with pytest.raises(Locked, match="try again") as caught:
                database.write(wait)
        assert caught.value.exit_code == 6


def _session() -> dict[str, str]:
    from reconciler.store.engine import postgres

    return postgres._SESSION


class TestServers:
    """Each server notes that it lives."""

    SILENCE = timedelta(seconds=30)

    def test_from_start_to_end(self, database: Database) -> None:
        later = NOON + timedelta(seconds=40)
        database.write(lambda tx: register(tx, SERVER))
        assert database.read(lambda tx: live(tx, NOON, self.SILENCE)) == [SERVER]
        assert database.read(lambda tx: live(tx, later, self.SILENCE)) == []
        assert database.write(lambda tx: beat(tx, "one", later))
        (seen,) = database.read(lambda tx: live(tx, later, self.SILENCE))
        assert seen.seen_at == later
        database.write(lambda tx: remove(tx, "one"))
        assert not database.write(lambda tx: beat(tx, "one", later))

    def test_the_silent_are_forgotten(self, database: Database) -> None:
        database.write(lambda tx: register(tx, SERVER))
        soon, late = NOON + timedelta(seconds=29), NOON + timedelta(seconds=30)
        assert database.write(lambda tx: forget_silent(tx, soon, self.SILENCE)) == 0
        assert database.write(lambda tx: forget_silent(tx, late, self.SILENCE)) == 1


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        pytest.param("", "cannot be read", id="nothing"),
        pytest.param("state.db", "cannot be read", id="a path"),
        pytest.param("mysql://u:hunter2@h/d", "'mysql' is not a database", id="another database"),
        pytest.param("sqlite://", "three slashes", id="SQLite in memory"),
        pytest.param("sqlite:///:memory:", "three slashes", id="SQLite in memory, spelt out"),
        pytest.param("sqlite://state.db", "three slashes", id="a slash missing"),
        pytest.param("sqlite:///a.db?mode=ro", "no options", id="SQLite with options"),
        pytest.param("sqlite:///what?.db", "no options", id="SQLite with a question mark"),
        pytest.param("postgresql://u:hunter2@h:port/d", "cannot be read", id="a port in letters"),
        pytest.param("postgresql://u:hunter2@h/d?port=x", "cannot be used", id="a port as option"),
        pytest.param("postgresql://u:hunter2@h/d?foo=1", "cannot be used", id="unknown option"),
        pytest.param("postgresql://u:hunter2@h/d?=x", "cannot be used", id="option without name"),
        pytest.param("postgresql://u:hunter2@h/d?connect_timeout=x", "cannot be", id="no seconds"),
        pytest.param("postgresql://u:hunter2@se@h/d", "write one that .* as %40", id="two @"),
    ],
)
def test_a_bad_url_is_explained_and_not_repeated(url: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        Database.open(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_password_is_never_shown() -> None:
    database = Database.open("postgresql://ada:hunter2@127.0.0.1:1/db?password=hunter3")
    assert "hunter" not in f"{database!r} {database.shown}"
    assert "ada" in database.shown
    database.close()
