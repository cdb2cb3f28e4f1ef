"""A round of the clock in which nothing is due costs the same, however many triggers there are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.store.engine.database import Database
from tests.support.clock import FakeClock
from tests.support.reading import Reading, watched
from tests.support.rig import Rig, agent, autopilot, schedule


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """On SQLite, which counts what it does."""
    clock = FakeClock()
    with Database.open(f"sqlite:///{tmp_path / 'state.db'}", clock=clock.now) as database:
        database.migrate()
        rig = Rig(database, clock)
        yield rig
        rig.close()


def idle_round(rig: Rig, count: int) -> Reading:
    """What a round reads where so many triggers wait for their time."""
    rig.apply(agent(), *(autopilot(f"a{n}", schedule("0 9 * * *")) for n in range(count)))
    with watched(rig.database) as reading:
        assert rig.tick().runs == []
    return reading


def test_it_reads_the_same_rows_by_the_same_plan(rig: Rig) -> None:
    few, many = idle_round(rig, 10), idle_round(rig, 1_000)
    assert many == few
    assert few.steps < 200


def test_every_table_is_read_by_an_index(rig: Rig) -> None:
    for step in idle_round(rig, 10).plans:
        assert "USING" in step or not step.startswith("SCAN"), step


def test_the_count_sees_each_row_that_is_looked_at(rig: Rig) -> None:
    def steps(count: int) -> int:
        rig.apply(agent(), *(autopilot(f"a{n}") for n in range(count)))
        with watched(rig.database) as reading:
            rig.database.read(lambda tx: tx.exec_driver_sql("SELECT name FROM autopilot").all())
        return reading.steps

    ten, twenty, thirty = steps(10), steps(20), steps(30)
    assert thirty - twenty == twenty - ten > 0
