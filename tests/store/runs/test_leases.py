"""Leases: taken once, renewed by the living, lost by the dead."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count

import pytest

from reconciler.control.runs.launch import Order
from reconciler.core.runs.queue import Queue
from reconciler.core.runs.run import Completed, Reason, Run, Status, WaitingFor
from reconciler.store.engine.database import Database, Tx
from reconciler.store.runs.conditions import leased
from reconciler.store.runs.in_flight import count_in_flight, count_offered
from reconciler.store.runs.leases import (
    Lease,
    abandoned,
    adopt_run,
    any_expired,
    held_by,
    keep,
    release,
    release_all,
    renew,
    requeue_expired,
    take,
    wait_on,
)
from reconciler.store.runs.queues import heads, offer, queued
from reconciler.store.runs.runs import change_run, request_cancel
from reconciler.store.runs.stopping import overdue, unattended_cancels, untouched_cancels
from tests.store.test_grouping import waits_for_a_lock
from tests.support.clock import FakeClock
from tests.support.eventually import eventually
from tests.support.postgres import Server
from tests.support.rig import Rig, agent, autopilot, id_of, manifest

LEASE = timedelta(seconds=30)


@pytest.fixture
def runs(rig: Rig) -> list[Run]:
    """Three active runs that nobody works on."""
    rig.apply(agent(), autopilot(maxConcurrency=10, timeout="1h"))
    return [rig.launch() for _ in range(3)]


def took(rig: Rig, run: Run, owner: str = "me") -> Run | None:
    """Lease a run for 30 seconds."""
    until = rig.clock.now() + LEASE
    current = rig.run_of(run.id)
    return rig.database.write(lambda tx: take(tx, [(current, Lease(owner, until, "bot"))])[0])


def changed(rig: Rig, run: Run, **values: object) -> None:
    """Change a run."""
    assert rig.database.write(lambda tx: change_run(tx, run.id, values))


def ready(rig: Rig) -> list[str]:
    """What waits for the agent and may be given to it now."""
    now = rig.clock.now()
    found = rig.database.write(lambda tx: queued(tx, "default/agent/bot", now, 100))
    return [run.id for run in found]


class TestQueued:
    def test_the_oldest_first(self, rig: Rig, runs: list[Run]) -> None:
        assert ready(rig) == [run.id for run in runs]

    @pytest.mark.parametrize(
        "values",
        [
            pytest.param({"status": Status.RUNNING}, id="began"),
            pytest.param({"waiting_for": WaitingFor.CLAIM}, id="is for a worker to claim"),
            pytest.param({"admitted_at": None}, id="is not admitted"),
            pytest.param({"next_attempt_at": datetime.fromisoformat("2026-11-02T08:01+00:00")},
                         id="its next attempt is later"),
        ],
    )  # fmt: skip
    def test_not_what(self, rig: Rig, runs: list[Run], values: dict[str, object]) -> None:
        changed(rig, runs[0], **values)
        assert runs[0].id not in ready(rig)

    def test_an_attempt_whose_time_has_come(self, rig: Rig, runs: list[Run]) -> None:
        at = rig.clock.now() + timedelta(minutes=1)
        changed(rig, runs[0], next_attempt_at=at, waiting_for=WaitingFor.RETRY)
        rig.clock.advance(minutes=1)
        assert runs[0].id in ready(rig)

    def test_not_what_is_to_stop(self, rig: Rig, runs: list[Run]) -> None:
        now = rig.clock.now()
        rig.database.write(lambda tx: request_cancel(tx, runs[0].id, now, Reason.CANCELLED, "…"))
        assert runs[0].id not in ready(rig)

    def test_not_what_is_leased_until_the_lease_has_expired(
        self, rig: Rig, runs: list[Run]
    ) -> None:
        took(rig, runs[0])
        assert runs[0].id not in ready(rig)
        now = rig.clock.now()
        assert rig.database.write(lambda tx: requeue_expired(tx, now)) == 0
        later = rig.clock.advance(seconds=30)
        assert rig.database.read(lambda tx: any_expired(tx, later))
        assert not rig.database.read(lambda tx: any_expired(tx, later, [runs[0].id]))
        assert rig.database.write(lambda tx: requeue_expired(tx, later, [runs[0].id])) == 0
        assert rig.database.write(lambda tx: requeue_expired(tx, later)) == 1
        assert runs[0].id in ready(rig)
        assert rig.run_of(runs[0].id).waiting_for == "retry"

    def test_the_head_of_each_queue(self, rig: Rig, runs: list[Run]) -> None:
        spec = {"title": "T", "assignee": {"type": "agent", "id": "bot"}}
        rig.apply(
            agent(),
            autopilot(maxConcurrency=10, timeout="1h"),
            manifest("Agent", "bot", {"runtime": {"type": "worker"}}, workspace="quiet"),
            manifest("Autopilot", "late", spec, workspace="quiet"),
        )
        rig.clock.advance(minutes=1)
        late = rig.launcher.launch(Order(autopilot_id=id_of("late", "quiet")))
        now = rig.clock.now()
        found = rig.database.read(lambda tx: heads(tx, now))
        assert [run.id for run in found] == [runs[0].id, late.id]


class TestTaking:
    def test_it_is_leased_and_counted(self, rig: Rig, runs: list[Run]) -> None:
        assert took(rig, runs[0])
        run = rig.run_of(runs[0].id)
        assert (run.lease_owner, run.agent, run.attempts) == ("me", "bot", 1)
        assert run.lease_until == rig.clock.now() + LEASE

    def test_who_comes_second_gets_nothing(self, rig: Rig, runs: list[Run]) -> None:
        until = rig.clock.now() + LEASE
        both = [
            rig.database.write(lambda tx, o=owner: take(tx, [(runs[0], Lease(o, until, "bot"))])[0])  # type: ignore[misc]
            for owner in ("me", "you")
        ]
        assert [run is not None for run in both] == [True, False]
        assert rig.run_of(runs[0].id).lease_owner == "me"

    def test_a_view_from_before_an_attempt_takes_nothing(self, rig: Rig, runs: list[Run]) -> None:
        took(rig, runs[0])
        until = rig.clock.advance(minutes=1) + LEASE
        stale = runs[0]
        assert rig.database.write(lambda tx: take(tx, [(stale, Lease("you", until, "bot"))])) == [
            None
        ]

    def test_what_has_ended_is_not_taken(self, rig: Rig, runs: list[Run]) -> None:
        rig.end(runs[0], Completed())
        assert not took(rig, runs[0])


class TestLivingAndDead:
    def test_what_began_and_was_left_is_found_and_adopted_once(
        self, rig: Rig, runs: list[Run]
    ) -> None:
        took(rig, runs[0])
        changed(rig, runs[0], status=Status.RUNNING)
        now = rig.clock.now()
        assert rig.database.read(lambda tx: abandoned(tx, now)) == []
        now = rig.clock.advance(seconds=30)
        (found,) = rig.database.read(lambda tx: abandoned(tx, now))
        adopted = [
            rig.database.write(lambda tx, o=owner: adopt_run(tx, found, o, now + LEASE))  # type: ignore[misc]
            for owner in ("you", "they")
        ]
        assert [run is not None for run in adopted] == [True, False]
        assert rig.run_of(found.id).lease_owner == "you"

    def test_what_never_began_is_claimed_and_not_adopted(self, rig: Rig, runs: list[Run]) -> None:
        took(rig, runs[0])
        now = rig.clock.advance(seconds=30)
        assert rig.database.read(lambda tx: abandoned(tx, now)) == []

    def test_renewing_prolongs_ones_own(self, rig: Rig, runs: list[Run]) -> None:
        took(rig, runs[0])
        took(rig, runs[1], "you")
        now = rig.clock.now()
        until = now + 2 * LEASE
        assert rig.database.write(lambda tx: renew(tx, "me", now, until)) == 1
        assert rig.run_of(runs[0].id).lease_until == until
        assert rig.run_of(runs[1].id).lease_until == rig.clock.now() + LEASE

    def test_releasing_gives_back_ones_own(self, rig: Rig, runs: list[Run]) -> None:
        took(rig, runs[0])
        took(rig, runs[1], "you")
        assert rig.database.write(lambda tx: release(tx, "me")) == 1
        assert [run.id for run in rig.database.read(lambda tx: held_by(tx, "you"))] == [runs[1].id]
        assert ready(rig) == [runs[0].id, runs[2].id]
        assert rig.database.write(release_all) == 1
        assert len(ready(rig)) == 3

    def test_giving_back_to_wait(self, rig: Rig, runs: list[Run]) -> None:
        taken = took(rig, runs[0])
        assert taken is not None
        now = rig.clock.now()
        at = now + timedelta(minutes=1)
        assert rig.database.write(lambda tx: wait_on(tx, taken, "me", now, WaitingFor.RETRY, at))
        run = rig.run_of(runs[0].id)
        assert (run.waiting_for, run.next_attempt_at, run.lease_owner) == ("retry", at, None)
        again = rig.database.write(lambda tx: wait_on(tx, taken, "me", now, WaitingFor.CLAIM, at))
        assert not again

    def test_an_expired_lease_is_worth_nothing_to_its_owner(
        self, rig: Rig, runs: list[Run]
    ) -> None:
        taken = took(rig, runs[0])
        assert taken is not None
        now = rig.clock.advance(seconds=30)
        write = rig.database.write
        assert write(lambda tx: renew(tx, "me", now, now + LEASE)) == 0
        assert not write(lambda tx: wait_on(tx, taken, "me", now, WaitingFor.RETRY, now))
        began = {"status": Status.RUNNING, "handle": {"pid": 1}}
        assert not write(lambda tx: change_run(tx, taken.id, began, leased(taken, "me", now)))

    def test_a_lease_of_an_earlier_attempt_is_not_that_of_the_next_one(
        self, rig: Rig, runs: list[Run]
    ) -> None:
        first = took(rig, runs[0])
        assert first is not None
        now = rig.clock.advance(seconds=30)
        rig.database.write(lambda tx: requeue_expired(tx, now))
        second = took(rig, runs[0])
        assert second is not None
        held = [leased(run, "me", now) for run in (first, second)]
        marked = [
            rig.database.write(lambda tx, h=h: change_run(tx, first.id, {"note": "x"}, h))  # type: ignore[misc]
            for h in held
        ]
        assert marked == [False, True]

    def test_what_a_suspended_host_let_expire_is_kept_unless_somebody_took_it(
        self, rig: Rig, runs: list[Run]
    ) -> None:
        took(rig, runs[0])
        changed(rig, runs[0], status=Status.RUNNING, handle={"pid": 1})
        now = rig.clock.advance(hours=1)
        (stale,) = rig.database.write(lambda tx: abandoned(tx, now, lock=True))
        assert rig.database.write(lambda tx: keep(tx, stale, "me", now + LEASE))
        assert not rig.database.write(lambda tx: adopt_run(tx, stale, "you", now + LEASE))
        assert rig.run_of(stale.id).attempts == 1


def test_what_is_overdue_and_not_yet_asked_to_stop(rig: Rig, runs: list[Run]) -> None:
    now = rig.clock.advance(hours=1)
    rig.database.write(lambda tx: request_cancel(tx, runs[0].id, now, Reason.CANCELLED, "…"))
    late = rig.database.read(lambda tx: overdue(tx, now))
    assert {run.id for run in late} == {runs[1].id, runs[2].id}  # at one moment: in any order
    before = now - timedelta(seconds=1)
    assert rig.database.read(lambda tx: overdue(tx, before)) == []


def test_cancels_that_nobody_attends_to(rig: Rig, runs: list[Run]) -> None:
    now = rig.clock.now()
    took(rig, runs[0])
    for run in runs:
        rig.database.write(lambda tx, r=run: request_cancel(tx, r.id, now, Reason.CANCELLED, "…"))  # type: ignore[misc]
    changed(rig, runs[1], attempts=1)
    read = rig.database.read
    assert [run.id for run in read(lambda tx: untouched_cancels(tx, now))] == [runs[2].id]
    assert [run.id for run in read(lambda tx: unattended_cancels(tx, now))] == [runs[1].id]


def test_only_what_is_in_flight_is_counted(rig: Rig, runs: list[Run]) -> None:
    took(rig, runs[0])
    taken = took(rig, runs[1])
    assert taken is not None
    assert rig.database.read(count_in_flight) == {("default", "bot"): 2}
    now = rig.clock.now()
    rig.database.write(lambda tx: wait_on(tx, taken, "me", now, WaitingFor.RETRY, now))
    assert rig.database.read(count_in_flight) == {("default", "bot"): 1}
    changed(rig, runs[0], status=Status.RUNNING, handle={"pid": 1})
    rig.database.write(lambda tx: release(tx, "me"))  # between two servers it is still at work
    assert rig.database.read(count_in_flight) == {("default", "bot"): 1}
    rig.end(runs[0], Completed())
    assert rig.database.read(count_in_flight) == {}


def test_what_is_offered_to_workers(rig: Rig, runs: list[Run]) -> None:
    queue, now = Queue("default", "agent", "bot"), rig.clock.now()
    assert rig.database.write(lambda tx: offer(tx, queue, "bot", now, 2)) == 2
    assert rig.database.read(count_offered) == {("default", "bot"): 2}
    assert rig.database.read(count_in_flight) == {}
    assert ready(rig) == [runs[2].id]


def test_who_renews_leases_and_who_ends_several_runs_do_not_wait_in_a_circle(
    postgres: Server,
) -> None:
    """Ends hold the rows of runs in the order of ids; an index has those of `later` first."""
    later, earlier = sorted(["triage", "other"], key=id_of)

    def begins(_tx: Tx) -> None:
        next(begun)

    clock, begun, holds = FakeClock(), count(), threading.Event()
    with postgres.fresh() as url, Database.open(url, clock=clock.now) as database:
        rig = Rig(database, clock)
        rig.apply(agent(), autopilot("triage"), autopilot("other"))
        first, second = rig.launch(earlier), rig.launch(later)
        assert took(rig, first)
        assert took(rig, second)
        now, database.prepare = clock.now(), begins

        def end(tx: Tx) -> None:
            assert change_run(tx, first.id, {"note": "ends"})
            holds.set()
            eventually(lambda: database.read(waits_for_a_lock))
            assert change_run(tx, second.id, {"note": "ends"})

        with ThreadPoolExecutor() as threads:
            ended = threads.submit(database.write, end)
            holds.wait()
            assert database.write(lambda tx: renew(tx, "me", now, now + 2 * LEASE)) == 2
            ended.result()
        assert next(begun) == 2, "nobody had to give way and begin again"
        rig.close()
