"""Calls that wait together share a transaction, and none of them notices."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from reconciler.core.base.errors import Conflict, Unavailable
from reconciler.store.engine.database import Database, Tx
from reconciler.store.grouping import Each, call_all
from tests.support.eventually import eventually
from tests.support.postgres import Server


@pytest.fixture
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with one table."""
    path = tmp_path_factory.mktemp("grouping") / "state.db"
    with Database.open(f"sqlite:///{path}") as database:
        database.write(lambda tx: tx.execute(text("CREATE TABLE seen (number INTEGER UNIQUE)")))
        yield database


def insert(tx: Tx, number: int) -> Tx:
    """Insert a number; return the transaction."""
    tx.execute(text("INSERT INTO seen VALUES (:number)"), {"number": number})
    return tx


def numbers(database: Database) -> list[int]:
    """What is stored."""
    query = text("SELECT number FROM seen ORDER BY number")
    return [*database.read(lambda tx: tx.execute(query).scalars().all())]


async def write_all(database: Database, wanted: list[int]) -> list[object]:
    """Write all of them at once; return what each gave or raised."""
    writes = [database.awrite(partial(insert, number=number)) for number in wanted]
    return [*await asyncio.gather(*writes, return_exceptions=True)]


def test_what_waits_together_is_committed_together(sqlite: Database) -> None:
    transactions = asyncio.run(write_all(sqlite, [*range(40)]))
    assert numbers(sqlite) == [*range(40)]
    assert len(set(map(id, transactions))) <= 3


def test_one_that_fails_takes_nobody_with_it(sqlite: Database) -> None:
    results = asyncio.run(write_all(sqlite, [1, 2, 2, 3]))
    assert [isinstance(result, Exception) for result in results] == [False, False, True, False]
    assert numbers(sqlite) == [1, 2, 3]


def test_what_a_write_raises_reaches_its_own_caller(sqlite: Database) -> None:
    def refuse(tx: Tx) -> None:
        insert(tx, 99)
        raise Conflict("no", reason="test")

    async def scenario() -> list[object]:
        results = asyncio.gather(
            write_all(sqlite, [1, 2]), sqlite.awrite(refuse), return_exceptions=True
        )
        return [*await results]

    _, refused = asyncio.run(scenario())
    assert isinstance(refused, Conflict)
    assert numbers(sqlite) == [1, 2], "and nothing of it stays"


def test_an_outage_is_said_to_each_at_once(sqlite: Database) -> None:
    assert sqlite.path is not None
    sqlite.path.rename(sqlite.path.with_suffix(".gone"))
    results = asyncio.run(write_all(sqlite, [*range(20)]))
    assert all(isinstance(result, Unavailable) for result in results)


def test_who_is_cancelled_before_its_turn_writes_nothing(sqlite: Database) -> None:
    async def scenario() -> None:
        first = asyncio.create_task(sqlite.awrite(lambda tx: insert(tx, 1)))
        await asyncio.sleep(0)
        second = asyncio.create_task(sqlite.awrite(lambda tx: insert(tx, 2)))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        await sqlite.awrite(lambda tx: insert(tx, 3))

    asyncio.run(scenario())
    assert numbers(sqlite) == [1, 3]


def test_a_later_event_loop_has_groups_of_its_own(sqlite: Database) -> None:
    asyncio.run(write_all(sqlite, [1, 2]))
    asyncio.run(write_all(sqlite, [3, 4]))
    assert numbers(sqlite) == [1, 2, 3, 4]


def test_short_reads_that_come_at_once_share_a_snapshot(sqlite: Database) -> None:
    sqlite.write(lambda tx: insert(tx, 1))

    def read(tx: Tx) -> tuple[int, int]:
        return id(tx), tx.execute(text("SELECT max(number) FROM seen")).scalar_one()

    async def scenario() -> list[tuple[int, int]]:
        return await asyncio.gather(*(sqlite.aread(read, shared=True) for _ in range(30)))

    seen = asyncio.run(scenario())
    assert len({transaction for transaction, _ in seen}) <= 3
    assert {number for _, number in seen} == {1}


def test_a_shared_read_sees_what_was_written_before_it(sqlite: Database) -> None:
    def read(tx: Tx) -> list[int]:
        return [*tx.execute(text("SELECT number FROM seen")).scalars()]

    async def scenario() -> list[int]:
        early = asyncio.create_task(sqlite.aread(read, shared=True))
        await asyncio.sleep(0)  # its snapshot may be open by now
        await sqlite.awrite(lambda tx: insert(tx, 7))
        late = await sqlite.aread(read, shared=True)
        await early
        return late

    assert asyncio.run(scenario()) == [7]


def test_a_read_that_fails_takes_nobody_with_it(sqlite: Database) -> None:
    def wrong(tx: Tx) -> object:
        return tx.execute(text("SELECT * FROM nowhere"))

    async def scenario() -> list[object]:
        fns = [lambda _tx: 1, wrong, lambda _tx: 3]
        reads = [sqlite.aread(fn, shared=True) for fn in fns]
        return [*await asyncio.gather(*reads, return_exceptions=True)]

    first, failed, third = asyncio.run(scenario())
    assert (first, third) == (1, 3)
    assert isinstance(failed, Exception)


class TestPostgres:
    """Writers of two servers must not lock the rows of several autopilots in different orders."""

    @pytest.fixture
    def url(self, postgres: Server) -> Iterator[str]:
        with postgres.fresh(migrated=False) as url:
            yield url

    def test_writes_of_an_autopilot_share_a_transaction_and_others_do_not(self, url: str) -> None:
        query = text("SELECT txid_current()")

        async def scenario(database: Database) -> tuple[list[int], list[int]]:
            def write(tx: Tx) -> int:
                return int(tx.execute(query).scalar_one())

            same = [database.awrite(write, of="triage") for _ in range(30)]
            others = [database.awrite(write, of=f"autopilot {n}") for n in range(10)]
            alone = [database.awrite(write) for _ in range(10)]
            shared = await asyncio.gather(*same)
            return shared, await asyncio.gather(*others, *alone)

        with Database.open(url) as database:
            shared, apart = asyncio.run(scenario(database))
        assert len(set(shared)) <= 3
        assert len(set(apart)) == 20

    def test_one_that_fails_takes_nobody_with_it(self, url: str) -> None:
        async def scenario(database: Database) -> list[object]:
            writes = [
                database.awrite(partial(insert, number=number), of="triage")
                for number in (1, 2, 2, 3)
            ]
            return [*await asyncio.gather(*writes, return_exceptions=True)]

        with Database.open(url) as database:
            database.write(lambda tx: tx.execute(text("CREATE TABLE seen (number INT UNIQUE)")))
            results = asyncio.run(scenario(database))
            assert [isinstance(r, Exception) for r in results] == [False, False, True, False]
            assert numbers(database) == [1, 2, 3]

    def test_who_locks_as_everybody_does_waits_for_nobody_in_a_circle(self, url: str) -> None:
        """Others hold the parent, then the child; of a group one call holds the child only."""
        begun, holds = count(), threading.Event()

        def begins(_tx: Tx) -> None:
            next(begun)

        def lock(tx: Tx, names: Sequence[str]) -> Sequence[str]:
            for name in names:
                query = text("SELECT 1 FROM seen WHERE name = :name FOR UPDATE")
                tx.execute(query, {"name": name})
            return names

        def lock_child(tx: Tx, names: Sequence[str]) -> Sequence[str]:
            return lock(tx, names)

        def other(tx: Tx) -> None:
            lock(tx, ["parent"])
            holds.set()
            eventually(lambda: database.read(waits_for_a_lock))
            lock(tx, ["child"])

        async def scenario() -> None:
            another = asyncio.create_task(asyncio.to_thread(database.write, other))
            await asyncio.to_thread(holds.wait)
            await asyncio.gather(
                database.awrite(Each(lock_child, "child"), of="triage"),
                database.awrite(Each(lock, "parent", first=True), of="triage"),
                another,
            )

        with Database.open(url) as database:
            database.write(lambda tx: tx.execute(text("CREATE TABLE seen (name TEXT)")))
            rows = text("INSERT INTO seen VALUES ('parent'), ('child')")
            database.write(lambda tx: tx.execute(rows))
            database.prepare = begins
            asyncio.run(scenario())
        assert next(begun) == 2, "nobody had to give way and begin again"


def waits_for_a_lock(tx: Tx) -> bool:
    """Whether any session waits for another one."""
    return bool(tx.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())


def insert_all(tx: Tx, wanted: Sequence[int]) -> list[tuple[int, int]]:
    """Insert numbers; return each with how many there were at once."""
    for number in wanted:
        insert(tx, number)
    return [(number, len(wanted)) for number in wanted]


def test_items_of_one_kind_are_one_call(sqlite: Database) -> None:
    async def scenario() -> list[tuple[int, int]]:
        writes = [sqlite.awrite(Each(insert_all, number)) for number in range(40)]
        return [*await asyncio.gather(*writes)]

    results = asyncio.run(scenario())
    assert [number for number, _ in results] == [*range(40)]
    assert max(together for _, together in results) >= 20
    assert numbers(sqlite) == [*range(40)]


def test_an_item_that_fails_takes_no_other_with_it(sqlite: Database) -> None:
    async def scenario() -> list[object]:
        writes = [sqlite.awrite(Each(insert_all, number)) for number in (1, 2, 2, 3)]
        return [*await asyncio.gather(*writes, return_exceptions=True)]

    results = asyncio.run(scenario())
    assert [isinstance(result, Exception) for result in results] == [False, False, True, False]
    assert numbers(sqlite) == [1, 2, 3]


@given(kinds=st.lists(st.integers(0, 3), max_size=12))
def test_each_call_gets_its_own_result(kinds: list[int]) -> None:
    """Kind 0 are plain calls, the others items of functions; those of kind 3 come first."""
    order: list[int] = []

    def doubled(_tx: object, items: Sequence[int]) -> list[int]:
        order.append(1)
        return [2 * item for item in items]

    def negated(_tx: object, items: Sequence[int]) -> list[int]:
        order.append(2)
        return [-item for item in items]

    def squared(_tx: object, items: Sequence[int]) -> list[int]:
        order.append(3)
        return [item * item for item in items]

    def call(number: int, kind: int) -> Callable[[object], int]:
        calls: list[Callable[[object], int]] = [
            lambda _tx: number,
            Each(doubled, number),
            Each(negated, number),
            Each(squared, number, first=True),
        ]
        return calls[kind]

    results = call_all(None, [call(number, kind) for number, kind in enumerate(kinds)])
    assert results == [[n, 2 * n, -n, n * n][kind] for n, kind in enumerate(kinds)]
    assert sorted(order) == sorted({*kinds} - {0}), "each kind is one call"
    assert 3 not in order[1:]
