"""The end of a run: recorded once, counted, and the next one admitted in the same transaction."""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.control.runs.ending import expire, finish, promote
from reconciler.control.runs.switches import pause, resume
from reconciler.core.runs.run import Completed, Failed, Reason, Run, Status
from reconciler.store.runs.runs import change_run
from tests.support.rig import COOLDOWN, Rig, agent, autopilot, id_of

OOPS = Failed(Reason.AGENT_FAILED, "exit 1", {"exit": 1})


def queueing(rig: Rig, *, runs: int = 2, **spec: Any) -> list[Run]:
    """An autopilot with one active run and the others waiting."""
    rig.apply(agent(), autopilot(concurrencyPolicy="queue", **spec))
    return [rig.launch() for _ in range(runs)]


def test_a_good_end(rig: Rig) -> None:
    (run,) = queueing(rig, runs=1)
    running = {"status": Status.RUNNING, "lease_owner": "here"}
    rig.database.write(lambda tx: change_run(tx, run.id, running))
    rig.clock.advance(minutes=2)
    assert rig.end(run, Completed({"labels": 3}))
    ended = rig.run_of(run.id)
    assert (ended.status, ended.result, ended.reason) == (Status.COMPLETED, {"labels": 3}, None)
    assert (ended.completed_at, ended.lease_owner) == (rig.clock.now(), None)


@pytest.mark.parametrize("before", [Status.PENDING, Status.SESSION_CREATED])
def test_what_completes_at_once_has_been_running(rig: Rig, before: Status) -> None:
    (run,) = queueing(rig, runs=1)
    if before is not Status.PENDING:
        rig.database.write(lambda tx: change_run(tx, run.id, {"status": before}))
    rig.clock.advance(minutes=2)
    assert rig.end(run, Completed())
    ended = rig.run_of(run.id)
    assert (ended.status, ended.started_at) == (Status.COMPLETED, rig.clock.now())


def test_who_lost_the_lease_does_not_even_pass_through_running(rig: Rig) -> None:
    (run,) = queueing(rig, runs=1)
    rig.database.write(lambda tx: change_run(tx, run.id, {"lease_owner": "somebody else"}))
    now, done = rig.clock.now(), Completed()
    assert not rig.database.write(
        lambda tx: finish(tx, run, done, now, cooldown=COOLDOWN, owner="here")
    )
    assert rig.run_of(run.id).status is Status.PENDING


def test_a_bad_end_keeps_its_sentence_and_what_there_was_of_a_result(rig: Rig) -> None:
    (run,) = queueing(rig, runs=1)
    rig.end(run, OOPS)
    ended = rig.run_of(run.id)
    assert (ended.status, ended.reason, ended.failure_reason, ended.result) == (
        Status.FAILED, "agent_failed", "exit 1", {"exit": 1},
    )  # fmt: skip


def test_the_first_end_stands(rig: Rig) -> None:
    (run,) = queueing(rig, runs=1)
    assert rig.end(run, OOPS)
    assert not rig.end(run, Completed())
    assert rig.run_of(run.id).reason == "agent_failed"
    assert rig.live().switches.failures == 1


def test_who_lost_the_lease_ends_nothing(rig: Rig) -> None:
    (run,) = queueing(rig, runs=1)
    rig.database.write(lambda tx: change_run(tx, run.id, {"lease_owner": "somebody else"}))
    now = rig.clock.now()
    ended = rig.database.write(
        lambda tx: finish(tx, run, OOPS, now, cooldown=COOLDOWN, owner="here")
    )
    assert not ended
    assert rig.run_of(run.id).active
    assert rig.live().switches.failures == 0


def test_the_oldest_waiting_run_is_let_in(rig: Rig) -> None:
    first, second, third = queueing(rig, runs=3)
    rig.clock.advance(minutes=3)
    rig.end(first, Completed())
    assert (rig.run_of(second.id).active, rig.run_of(third.id).waiting) == (True, True)
    assert rig.run_of(second.id).admitted_at == rig.clock.now()


def test_the_timeout_counts_from_admission_and_is_that_of_its_own_spec(rig: Rig) -> None:
    first, second = queueing(rig, timeout="10m")
    rig.apply(agent(), autopilot(concurrencyPolicy="queue", timeout="1h"))
    rig.clock.advance(minutes=30)
    rig.end(first, Completed())
    assert rig.run_of(second.id).deadline_at == rig.clock.now() + timedelta(minutes=10)


def test_as_many_as_there_is_room_for(rig: Rig) -> None:
    first, *others = queueing(rig, runs=4)
    rig.apply(agent(), autopilot(concurrencyPolicy="queue", maxConcurrency=2))
    rig.end(first, Completed())
    assert [rig.run_of(run.id).active for run in others] == [True, True, False]


def test_while_paused_waiting_runs_stay(rig: Rig) -> None:
    first, second = queueing(rig)
    now, triage = rig.clock.now(), id_of("triage")
    rig.database.write(lambda tx: pause(tx, triage, "ada", None, now))
    rig.end(first, Completed())
    assert rig.run_of(second.id).waiting
    rig.database.write(lambda tx: resume(tx, triage, now))
    assert rig.database.write(lambda tx: promote(tx, triage, now, COOLDOWN)) == [second.id]


def test_the_failure_that_opens_the_breaker_lets_nobody_in(rig: Rig) -> None:
    first, second, third = queueing(rig, runs=3, pauseAfterFailures=1, maxConcurrency=1)
    rig.end(first, OOPS)
    assert rig.run_of(second.id).waiting
    rig.tick(minutes=15)
    probe = rig.run_of(second.id)
    assert probe.active
    assert rig.live().switches.breaker_probe == probe.id
    assert rig.run_of(third.id).waiting
    rig.end(probe, Completed())
    assert rig.run_of(third.id).active


def test_after_the_cool_down_one_waiting_run_probes_however_much_room_there_is(rig: Rig) -> None:
    runs = queueing(rig, runs=6, pauseAfterFailures=1, maxConcurrency=3)
    for run in runs[:3]:
        rig.end(run, OOPS)
    rig.tick(minutes=15)
    rig.tick()
    assert [rig.run_of(run.id).active for run in runs[3:]] == [True, False, False]


@pytest.mark.parametrize(
    ("reason", "counted"),
    [pytest.param(Reason.CANCELLED, 0, id="a cancel"), pytest.param(Reason.LOST, 1, id="a loss")],
)
def test_only_failures_of_the_agent_count(rig: Rig, reason: Reason, counted: int) -> None:
    (run,) = queueing(rig, runs=1)
    rig.end(run, Failed(reason, "…"))
    assert rig.live().switches.failures == counted


def test_a_run_that_waited_too_long_says_for_what(rig: Rig) -> None:
    first, second = queueing(rig, queueTtl="1h")
    now = rig.clock.advance(hours=1)
    assert rig.database.write(lambda tx: expire(tx, rig.run_of(second.id), now))
    assert not rig.database.write(lambda tx: expire(tx, second, now))
    expired = rig.run_of(second.id)
    assert (expired.reason, expired.failure_reason) == (
        "expired", f"waited longer than queueTtl for run {first.id}",
    )  # fmt: skip
    assert rig.live().switches.failures == 0
