"""A clock that was ahead for a while leaves nothing behind that stops work (docs/time.md)."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from reconciler.control.runs.correct import correct_once
from reconciler.control.runs.switches import pause, resume
from reconciler.core.base.errors import Unavailable
from reconciler.core.runs.run import Completed, Failed, Reason, Run, Status
from reconciler.server.clock_check import CORRECT_AGAIN, ClockCheck
from reconciler.store import tables
from reconciler.store.engine.database import Tx
from reconciler.store.objects.agents import mark_unavailable
from reconciler.store.runs.runs import get_run
from reconciler.store.servers import Server, register
from reconciler.telemetry import Metrics
from tests.support.rig import Document, Rig, agent, autopilot, id_of, schedule
from tests.support.vandal import break_column, garbage

YEARS = timedelta(days=3650)


def at(hour: int, minute: int = 0) -> datetime:
    """A moment of the Monday on which the tests begin."""
    return datetime(2026, 11, 2, hour, minute, tzinfo=UTC)


@contextmanager
def clock_ahead(rig: Rig, by: timedelta = YEARS) -> Iterator[None]:
    """For the length of the block the wall clock is ahead; six seconds pass."""
    rig.clock.jump(seconds=by.total_seconds())
    yield
    rig.clock.advance(seconds=6)
    rig.clock.jump(seconds=-by.total_seconds())


def minutely(**spec: Any) -> Document:
    """An autopilot that fires each minute, as often as it is due."""
    return autopilot("triage", schedule(), maxConcurrency=100, **spec)


def fired(rig: Rig, since: datetime) -> list[str]:
    """The nominal moments that became runs, of those in the right time."""
    moments = [run.scheduled_for for run in rig.runs() if run.scheduled_for]
    return [f"{moment:%H:%M}" for moment in moments if since <= moment < since + YEARS / 2]


def test_schedules_go_on_after_the_clock_was_ahead_for_one_round(rig: Rig) -> None:
    rig.apply(agent(), minutely())
    rig.tick(minutes=1)
    with clock_ahead(rig):
        rig.tick()
    correct_once(rig.database)
    rig.tick(minutes=1)
    rig.tick(minutes=1)
    assert fired(rig, at(8)) == ["08:01", "08:02", "08:03"]
    assert rig.missed() == []


def test_what_was_missed_while_the_clock_was_wrong_is_recorded_up_to_now_only(rig: Rig) -> None:
    rig.apply(agent(), minutely())
    rig.tick(minutes=1)
    with clock_ahead(rig):
        rig.tick()
        rig.clock.advance(minutes=30)
    correct_once(rig.database)
    (missed,) = rig.missed()
    assert (missed.first, missed.last, missed.count) == (at(8, 2), at(8, 31), 30)
    rig.tick(minutes=1)
    assert fired(rig, at(8))[-1] == "08:32"


@pytest.mark.parametrize("remedy", ["edit", "enable", "resume"])
def test_a_schedule_left_in_the_future_is_put_right_by_hand(rig: Rig, remedy: str) -> None:
    rig.apply(agent(), minutely())
    with clock_ahead(rig):
        rig.tick()
    if remedy == "edit":
        rig.apply(agent(), autopilot("triage", schedule("*/1 0-23 * * *"), maxConcurrency=100))
    elif remedy == "enable":
        rig.apply(agent(), autopilot("triage", schedule(enabled=False), maxConcurrency=100))
        rig.apply(agent(), minutely())
    else:
        now = rig.clock.now()
        rig.database.write(lambda tx: resume(tx, id_of("triage"), now))
    rig.tick(minutes=2)
    assert fired(rig, at(8)) == ["08:02"]
    assert [one for one in rig.missed() if one.last and one.last > rig.clock.now()] == []


def test_an_occurrence_that_fired_early_does_not_fire_again(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("0 * * * *"), maxConcurrency=100))
    rig.clock.jump(hours=2)
    rig.tick(minutes=1)
    rig.clock.jump(hours=-2)
    correct_once(rig.database)
    rig.tick(hours=1)
    rig.tick(hours=1)
    rig.tick(hours=1)
    moments = [f"{run.scheduled_for:%H:%M}" for run in rig.runs()]
    assert sorted(moments) == ["09:00", "10:00", "11:00"]


def test_a_pause_and_a_breaker_of_the_wrong_time_do_not_outlast_it(rig: Rig) -> None:
    rig.apply(agent(), minutely(pauseAfterFailures=1))
    rig.tick(minutes=1)
    (run,) = rig.runs()
    with clock_ahead(rig):
        rig.end(run, Failed(Reason.AGENT_FAILED, "broken", None))
    assert rig.live().switches.breaker_opened_at is not None
    correct_once(rig.database)
    assert rig.live().switches.breaker_opened_at == rig.clock.now()
    rig.tick(minutes=16)
    assert fired(rig, at(8))[-1] == "08:17"


def test_a_resume_at_the_wrong_time_does_not_hold_schedules_back(rig: Rig) -> None:
    rig.apply(agent(), minutely())
    rig.database.write(lambda tx: pause(tx, id_of("triage"), "ada", None, rig.clock.now()))
    with clock_ahead(rig):
        rig.database.write(lambda tx: resume(tx, id_of("triage"), rig.clock.now()))
    correct_once(rig.database)
    rig.tick(minutes=2)
    assert fired(rig, at(8)) == ["08:02"]


def test_deadlines_leases_and_attempts_of_the_wrong_time_are_brought_back(rig: Rig) -> None:
    rig.apply(agent(), minutely(timeout="30m"))
    with clock_ahead(rig):
        run = rig.launch()
        rig.round()
        (claimed,) = rig.claim()
    assert claimed.run.id == run.id
    correct_once(rig.database)
    now, held = rig.clock.now(), rig.run_of(run.id)
    assert (held.triggered_at, held.admitted_at) == (now, now)
    assert held.deadline_at == now + timedelta(minutes=30)
    assert held.lease_until is not None
    assert held.lease_until <= now + timedelta(hours=1)


def test_agents_and_servers_of_the_wrong_time_are_brought_back(rig: Rig) -> None:
    rig.apply(agent(), minutely())
    with clock_ahead(rig):
        now = rig.clock.now()
        until = now + timedelta(seconds=15)
        rig.database.write(lambda tx: mark_unavailable(tx, "default", "bot", until, "no answer"))
        gone = Server("gone", "host", 1, "http://127.0.0.1:1", now, now)
        rig.database.write(lambda tx: register(tx, gone))
    correct_once(rig.database)
    now = rig.clock.now()
    query = select(tables.agent.c.unavailable_until)
    rests_until = rig.database.read(lambda tx: tx.execute(query).scalar_one())
    assert rests_until <= now + timedelta(hours=1)
    query = select(tables.server.c.seen_at)
    assert rig.database.read(lambda tx: tx.execute(query).scalar_one()) == now


@pytest.mark.parametrize("by", ["the server", "resume"])
def test_a_next_moment_that_is_none_is_worked_out_again(rig: Rig, by: str) -> None:
    """It is what the cursor and the schedule say; left alone it might never come."""
    rig.apply(agent(), minutely(), autopilot("other", schedule()))
    clock = rig.triggers()["clock"]
    column = tables.autopilot_trigger.c.next_run_at
    for value in garbage(column, rig.database.name):
        break_column(rig, column, value, clock.id)
        assert rig.triggers()["clock"].next_run_at is None
        with capture_logs() as logs:
            if by == "resume":
                rig.database.write(lambda tx: resume(tx, id_of("triage"), rig.clock.now()))
            else:
                assert correct_once(rig.database) == 1
        told = [entry for entry in logs if entry.get("trigger") == clock.id]
        assert [entry["log_level"] for entry in told] == ["warning"]
        assert rig.triggers()["clock"].next_run_at == clock.next_run_at
    assert correct_once(rig.database) == 0
    assert {run.autopilot for run in rig.tick(minutes=1).runs} == {"triage", "other"}


def test_nothing_is_touched_while_the_clock_is_right(rig: Rig) -> None:
    rig.apply(agent(), minutely(timeout="3650d"))
    rig.tick(minutes=1)
    rig.launch()
    rig.claim(seconds=3600)
    assert correct_once(rig.database) == 0


class Host:
    """A server's own check of the clock."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.check = ClockCheck(rig.database, rig.clock, "here", Metrics())

    def looks(self) -> None:
        """One check."""
        asyncio.run(self.check.check())


def launched(rig: Rig) -> tuple[Host, Run, datetime]:
    """A host that has seen the clock, and then a run of half an hour, with its deadline."""
    rig.apply(agent(), minutely(timeout="30m"))
    host = Host(rig)
    host.looks()
    run = rig.launch()
    deadline = rig.run_of(run.id).deadline_at
    assert deadline is not None
    return host, run, deadline


def test_a_suspended_host_times_nothing_out(rig: Rig) -> None:
    """Five seconds of work, a night with the lid closed, five seconds more."""
    rig.apply(agent(), minutely(timeout="30m"))
    host = Host(rig)
    host.looks()
    run = rig.launch()
    rig.round()
    (claimed,) = rig.claim(seconds=60)
    rig.clock.advance(seconds=5)
    host.looks()
    deadline, lease = rig.run_of(run.id).deadline_at, rig.run_of(run.id).lease_until
    assert deadline is not None
    assert lease is not None
    rig.clock.jump(hours=9)
    host.looks()
    assert rig.run_of(run.id).deadline_at == deadline + timedelta(hours=9)
    assert rig.run_of(run.id).lease_until == lease + timedelta(hours=9)
    rig.round(seconds=5)
    rig.beat(claimed)
    assert rig.complete(claimed).status is Status.COMPLETED


def test_what_was_read_before_a_jump_was_allowed_for_is_read_again(rig: Rig) -> None:
    host, run, deadline = launched(rig)
    rig.clock.jump(hours=9)

    async def both() -> list[Run | None]:
        """Two rounds wake up at once: only one of them moves the deadline."""
        reads = [host.check.read(lambda tx: get_run(tx, run.id)) for _ in range(2)]
        return await asyncio.gather(*reads)

    read = asyncio.run(both())
    assert [each.deadline_at for each in read if each] == [deadline + timedelta(hours=9)] * 2


def test_what_is_read_while_a_jump_is_allowed_for_is_read_again(rig: Rig) -> None:
    """A round that begins between the sight of a jump and the commit of what it moves."""
    host, run, deadline = launched(rig)
    rig.clock.jump(hours=9)
    correcting, was_read = threading.Event(), threading.Event()

    def until_read(_tx: Tx) -> None:
        correcting.set()
        was_read.wait(60)

    def read_run(tx: Tx) -> Run | None:
        read = get_run(tx, run.id)
        was_read.set()
        return read

    async def both() -> Run | None:
        first = asyncio.create_task(host.check.check())
        await asyncio.to_thread(correcting.wait, 60)
        second = await host.check.read(read_run)
        await first
        return second

    rig.database.prepare = until_read
    read = asyncio.run(both())
    assert read is not None
    assert read.deadline_at == deadline + timedelta(hours=9)


@pytest.mark.parametrize("back", [0, 9])
def test_a_jump_that_the_database_was_away_for_is_allowed_for_by_the_next_round(
    rig: Rig, back: int
) -> None:
    """Once; and not at all where the clock was set right meanwhile."""
    host, run, deadline = launched(rig)

    def away(_tx: Tx) -> None:
        raise Unavailable("the connection was lost")

    rig.clock.jump(hours=9)
    rig.database.prepare = away
    with pytest.raises(Unavailable):
        host.looks()
    rig.database.prepare = lambda _tx: None
    rig.clock.jump(hours=-back)
    for _ in range(2):
        host.looks()
    assert rig.run_of(run.id).deadline_at == deadline + timedelta(hours=9 - back)


@pytest.mark.parametrize("away", [Unavailable("the connection was lost"), ValueError("a mistake")])
def test_moments_that_could_not_be_put_right_are_tried_again_soon(
    rig: Rig, away: Exception
) -> None:
    """By the next round where the database was away; where a row is the cause not with each."""
    host, run, deadline = launched(rig)
    tries = []

    def fail(_tx: Tx) -> None:
        tries.append(1)
        raise away

    rig.clock.jump(hours=9)
    rig.database.prepare = fail
    row = not isinstance(away, Unavailable)
    with capture_logs() as logs:
        for _ in range(3):
            with nullcontext() if row else pytest.raises(Unavailable):
                host.looks()
        assert len(tries) == (1 if row else 3)
        rig.clock.advance(seconds=CORRECT_AGAIN)
        with nullcontext() if row else pytest.raises(Unavailable):
            host.looks()
        assert len(tries) == (2 if row else 4)
    told = [entry for entry in logs if entry["event"] == "moments could not be put right"]
    assert len(told) == row
    rig.database.prepare = lambda _tx: None
    rig.clock.advance(seconds=CORRECT_AGAIN)
    for _ in range(2):
        host.looks()
    assert rig.run_of(run.id).deadline_at == deadline + timedelta(hours=9)


def test_a_run_that_was_over_its_time_before_the_suspension_stays_so(rig: Rig) -> None:
    rig.apply(agent(), minutely(timeout="1m"))
    host = Host(rig)
    host.looks()
    run = rig.launch()
    rig.clock.advance(minutes=2)
    host.looks()
    rig.clock.jump(hours=9)
    host.looks()
    assert rig.run_of(run.id).deadline_at == at(8, 1)


def test_another_server_s_runs_are_left_to_it(rig: Rig) -> None:
    rig.apply(agent(), minutely(timeout="30m"))
    host = Host(rig)
    host.looks()
    run = rig.launch()
    now = rig.clock.now()
    other = Server("other", "elsewhere", 1, "http://127.0.0.1:1", now, now)
    rig.database.write(lambda tx: register(tx, other))
    rig.clock.jump(minutes=10)
    host.looks()
    assert rig.run_of(run.id).deadline_at == at(8, 30)


def test_nothing_is_deleted_for_its_age_right_after_a_jump_far_ahead(rig: Rig) -> None:
    host = Host(rig)
    host.looks()
    assert host.check.trusted
    rig.clock.jump(days=3650)
    host.looks()
    assert not host.check.trusted
    rig.clock.advance(hours=2)
    assert host.check.trusted


def test_a_finished_run_of_the_wrong_time_does_not_use_up_the_limits(rig: Rig) -> None:
    rig.apply(agent(), minutely(limits={"perDay": 1}))
    with clock_ahead(rig):
        rig.end(rig.launch(), Completed("done"))
    assert rig.launch().status is Status.PENDING
