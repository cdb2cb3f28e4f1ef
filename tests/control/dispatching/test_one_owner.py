"""A run has one owner, whatever stalls: between a read and its write, or beyond its lease."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.access.secrets import SecretStore
from reconciler.control.dispatching.claim import claim_once
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.recover import recover_once
from reconciler.control.dispatching.runner import settle
from reconciler.control.dispatching.start import start
from reconciler.control.dispatching.workers import end_silent
from reconciler.control.runs.cancel import cancel
from reconciler.control.runs.ending import expire, finish, promote
from reconciler.core.base.errors import Conflict
from reconciler.core.runs.run import Failed, Reason, Run, Status
from reconciler.dispatch.base import Handle, Job, Record, Start, Started
from reconciler.dispatch.registry import Runtimes
from reconciler.store.engine.database import Tx
from reconciler.store.runs.conditions import leased
from reconciler.store.runs.leases import Lease, adopt_run, requeue_expired, take
from reconciler.store.runs.queues import heads, queued
from reconciler.store.runs.runs import change_run
from tests.support.rig import COOLDOWN, KEY, Rig, agent, autopilot, id_of

LEASE = timedelta(seconds=30)
HTTP = {"type": "http", "url": "http://127.0.0.1:1"}
BEGAN: dict[str, Any] = {"status": Status.RUNNING, "handle": {"pid": 1}, "session_id": "s"}


@pytest.fixture
def run(rig: Rig) -> Run:
    """A run that waits for its agent."""
    rig.apply(agent(runtime=HTTP), autopilot())
    return rig.launch()


def takes(rig: Rig, run: Run, owner: str) -> Run | None:
    """One owner's attempt to lease a run as it was read."""
    until = rig.clock.now() + LEASE
    return rig.database.write(lambda tx: take(tx, [(run, Lease(owner, until, "bot"))])[0])


def records(rig: Rig, run: Run, owner: str) -> bool:
    """What an owner does before it lets the work begin."""
    now = rig.clock.now()
    return rig.database.write(lambda tx: change_run(tx, run.id, BEGAN, leased(run, owner, now)))


def first_runner(rig: Rig, runtimes: Runtimes) -> RunnerContext:
    """The server that has the run at first."""
    return RunnerContext(rig.database, runtimes, SecretStore(Path("none"), {}), "first", KEY)


class TestAStalledServer:
    """`first` takes a run and stalls beyond its lease; `second` comes along."""

    def test_what_it_records_too_late_is_refused(self, rig: Rig, run: Run) -> None:
        mine = takes(rig, run, "first")
        assert mine is not None
        rig.clock.advance(seconds=30)
        assert not records(rig, mine, "first")
        now = rig.clock.now()
        rig.database.write(lambda tx: requeue_expired(tx, now))
        theirs = takes(rig, rig.run_of(run.id), "second")
        assert theirs is not None
        assert not records(rig, mine, "first")
        assert records(rig, theirs, "second")

    def test_what_it_recorded_in_time_is_not_taken_by_who_read_before(
        self, rig: Rig, run: Run
    ) -> None:
        now = rig.clock.now()
        (read,) = rig.database.read(lambda tx: heads(tx, now))
        mine = takes(rig, run, "first")
        assert mine is not None
        assert records(rig, mine, "first")
        rig.clock.advance(seconds=31)
        assert takes(rig, read, "second") is None
        assert rig.run_of(run.id).lease_owner == "first"

    def test_a_run_is_not_taken_that_was_handed_back_with_its_work_begun(
        self, rig: Rig, run: Run
    ) -> None:
        """The lease is free and the attempts are the same: only the status tells."""
        read = rig.run_of(run.id)
        rig.database.write(lambda tx: change_run(tx, run.id, BEGAN))
        assert takes(rig, read, "second") is None

    def test_its_start_does_not_go_on(self, rig: Rig, run: Run) -> None:
        """The runtime is told before the work has any effect."""
        begun: list[str] = []

        class Stalling(Runtimes):
            async def start(self, job: Job, record: Record) -> Start:
                rig.clock.advance(seconds=31)
                await record(Handle("s", {}))
                begun.append(job.run_id)
                return Started(Handle("s", {}))

        async def body() -> None:
            async with Stalling(rig.clock) as runtimes:
                runner = first_runner(rig, runtimes)
                mine = takes(rig, run, "first")
                assert mine is not None
                assert await start(runner, mine) is False

        asyncio.run(body())
        assert begun == []
        assert rig.run_of(run.id).status is Status.PENDING

    def test_the_same_process_takes_it_again_only_when_its_start_has_ended(
        self, rig: Rig, run: Run
    ) -> None:
        async def body() -> None:
            async with Runtimes(rig.clock) as runtimes:
                runner = first_runner(rig, runtimes)
                assert takes(rig, run, "first") is not None
                runner.tasks[run.id] = asyncio.create_task(asyncio.sleep(0, False))
                rig.clock.advance(seconds=31)
                assert await claim_once(runner) == []
                runner.tasks.clear()
                assert await claim_once(runner) == [run.id]
                await settle(runner)

        asyncio.run(body())

    def test_work_that_it_is_still_at_after_a_suspend_stays_its_own(
        self, rig: Rig, run: Run
    ) -> None:
        async def body() -> None:
            async with Runtimes(rig.clock) as runtimes:
                runner = first_runner(rig, runtimes)
                mine = takes(rig, run, "first")
                assert mine is not None
                assert records(rig, mine, "first")
                assert await runner.job(rig.run_of(run.id)) is not None
                rig.clock.advance(minutes=10)
                assert await recover_once(runner) == []

        asyncio.run(body())
        kept = rig.run_of(run.id)
        assert (kept.attempts, kept.lease_owner) == (1, "first")
        assert kept.lease_until == rig.clock.now() + LEASE

    def test_adopted_work_is_adopted_once_and_only_as_it_was_read(self, rig: Rig, run: Run) -> None:
        mine = takes(rig, run, "first")
        assert mine is not None
        assert records(rig, mine, "first")
        read = rig.run_of(run.id)
        until = rig.clock.advance(seconds=31) + LEASE
        again = {"lease_until": until}  # it came to itself, and renewed its lease
        rig.database.write(lambda tx: change_run(tx, run.id, again))
        assert rig.database.write(lambda tx: adopt_run(tx, read, "second", until)) is None


@pytest.mark.postgres
def test_two_servers_that_read_at_once_read_different_runs(rig: Rig, run: Run) -> None:
    if rig.database.name != "postgresql":
        pytest.skip("one writer at a time")
    now = rig.clock.now()

    def read(tx: Tx) -> list[Run]:
        return queued(tx, run.queue, now, 10)

    def first(tx: Tx) -> tuple[list[Run], list[Run]]:
        mine = read(tx)
        with ThreadPoolExecutor(1) as other:
            return mine, other.submit(rig.database.write, read).result()

    mine, theirs = rig.database.write(first)
    assert ([each.id for each in mine], theirs) == ([run.id], [])


class TestWhatIsEndedAsItWasRead:
    """Something happens to a run after it was read: it is not ended for what it was."""

    def test_a_run_that_began_is_not_ended_as_one_that_never_did(self, rig: Rig, run: Run) -> None:
        read = rig.run_of(run.id)
        assert takes(rig, run, "first") is not None
        why, now = Failed(Reason.TARGET_UNAVAILABLE, "no"), rig.clock.now()
        ended = rig.database.write(
            lambda tx: finish(tx, read, why, now, cooldown=COOLDOWN, unchanged=True)
        )
        assert not ended
        assert rig.run_of(run.id).active

    @pytest.mark.parametrize(
        "ends",
        [
            pytest.param(lambda tx, run, now: expire(tx, run, now), id="its queueTtl has passed"),
            pytest.param(
                lambda tx, run, now: finish(
                    tx, run, Failed(Reason.CANCELLED, "c"), now, cooldown=COOLDOWN, unchanged=True
                ),
                id="it is cancelled",
            ),
        ],
    )
    def test_a_waiter_that_was_admitted_meanwhile(
        self, rig: Rig, ends: Callable[[Tx, Run, Any], bool]
    ) -> None:
        rig.apply(agent(), autopilot(concurrencyPolicy="queue"))
        first, second = rig.launch(payload={"n": 1}), rig.launch(payload={"n": 2})
        read = rig.run_of(second.id)
        rig.end(first, Failed(Reason.AGENT_FAILED, "no"))
        now = rig.clock.now()
        assert not rig.database.write(lambda tx: ends(tx, read, now))
        assert rig.run_of(second.id).active
        rig.database.write(lambda tx: cancel(tx, second.id, "ada", now, COOLDOWN))
        assert rig.run_of(second.id).cancel_requested_at is not None

    def test_a_waiter_that_ended_meanwhile_is_not_admitted_and_holds_up_nobody(
        self, rig: Rig
    ) -> None:
        rig.apply(agent(), autopilot(concurrencyPolicy="queue"))
        first, second, third = (rig.launch(payload={"n": n}) for n in range(3))
        now = rig.clock.now()
        rig.database.write(lambda tx: cancel(tx, second.id, "ada", now, COOLDOWN))
        rig.end(first, Failed(Reason.AGENT_FAILED, "no"))
        assert rig.run_of(second.id).reason == "cancelled"
        assert rig.run_of(third.id).active
        assert rig.database.write(lambda tx: promote(tx, id_of("triage"), now, COOLDOWN)) == []

    def test_a_heartbeat_comes_too_late_and_a_silent_worker_is_lost_once(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot())
        rig.launch()
        rig.round()
        (held,) = rig.claim(seconds=60)
        rig.clock.advance(seconds=60)
        with pytest.raises(Conflict, match="the lease is lost"):
            rig.beat(held)
        now = rig.clock.now()
        assert rig.database.write(lambda tx: end_silent(tx, now, COOLDOWN)) == [held.run.id]
