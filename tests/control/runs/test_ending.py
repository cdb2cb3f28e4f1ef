"""The end of a run: recorded once, counted, and the next one admitted in the same transaction."""

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.control.runs.ending import Finish, expire, finish_all, promote
from reconciler.control.runs.switches import pause, resume
from reconciler.core.runs.run import Completed, Failed, Outcome, Reason, Run, Status
from reconciler.store.objects.overview import get_overview
from reconciler.store.runs.conditions import owned_by
from reconciler.store.runs.runs import change_run
from tests.support.rig import COOLDOWN, Rig, agent, autopilot, id_of

_NUMBERS = count()
CANCELLED = Failed(Reason.CANCELLED, "by ada")
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
        lambda tx: finish_all(tx, [Finish(run, done)], now, owned_by("here"), cooldown=COOLDOWN)[0]
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
        lambda tx: finish_all(tx, [Finish(run, OOPS)], now, owned_by("here"), cooldown=COOLDOWN)[0]
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


def end_together(rig: Rig, *ends: tuple[Run, Outcome]) -> list[Run | None]:
    """End runs in one transaction, as a server does whose agents are done at the same time."""
    now = rig.clock.now()
    found = [Finish(run, outcome) for run, outcome in ends]
    return rig.database.write(lambda tx: finish_all(tx, found, now, cooldown=COOLDOWN))


class TestEndsOfTheSameMoment:
    """What ends at the same time is recorded together, and is what it would have been alone."""

    @given(outcomes=st.lists(st.sampled_from([Completed(), OOPS, CANCELLED]), max_size=5))
    @settings(
        max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def test_together_or_one_by_one_the_same_is_left(
        self, rig: Rig, outcomes: list[Outcome]
    ) -> None:
        left = []
        for together in (True, False):
            name = f"a{next(_NUMBERS)}"
            room: dict[str, Any] = {
                "concurrencyPolicy": "queue",
                "maxConcurrency": len(outcomes) or 1,
            }
            rig.apply(agent(), autopilot(name, pauseAfterFailures=0, **room))
            runs = [rig.launch(name) for _ in range(8)]
            ends = [*zip(runs, outcomes, strict=False)]
            if together:
                end_together(rig, *ends)
            else:
                for run, outcome in ends:
                    rig.end(run, outcome)
            overview = rig.database.read(lambda tx, n=name: get_overview(tx, id_of(n)))  # type: ignore[misc]
            assert overview is not None
            states = [
                (r.status, r.reason, r.admitted_at) for r in (rig.run_of(run.id) for run in runs)
            ]
            left.append((states, overview.streak is None, rig.live(name).switches.failures))
        assert left[0] == left[1]

    def test_one_run_that_two_found_to_have_ended_ends_once(self, rig: Rig) -> None:
        (run,) = queueing(rig, runs=1)
        first, second = end_together(rig, (run, OOPS), (run, Completed()))
        assert first is not None
        assert second is None
        assert rig.run_of(run.id).reason == "agent_failed"
        assert rig.live().switches.failures == 1

    def test_failures_of_one_moment_open_the_breaker_and_let_nobody_in(self, rig: Rig) -> None:
        room: dict[str, Any] = {"maxConcurrency": 2, "pauseAfterFailures": 2}
        first, second, third = queueing(rig, runs=3, **room)
        end_together(rig, (first, OOPS), (second, OOPS))
        assert rig.live().switches.breaker_opened_at == rig.clock.now()
        assert rig.run_of(third.id).waiting

    def test_those_of_several_autopilots(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot("a"), autopilot("b"))
        runs = [rig.launch("a"), rig.launch("b")]
        end_together(rig, *((run, OOPS) for run in runs))
        assert {rig.run_of(run.id).status for run in runs} == {Status.FAILED}
        assert (rig.live("a").switches.failures, rig.live("b").switches.failures) == (1, 1)

    def test_what_somebody_else_holds_goes_on(self, rig: Rig) -> None:
        room: dict[str, Any] = {"maxConcurrency": 2}
        mine, theirs = queueing(rig, runs=2, **room)
        for run, owner in ((mine, "here"), (theirs, "there")):
            values = {"lease_owner": owner, "handle": {"of": owner}}
            rig.database.write(lambda tx, r=run, v=values: change_run(tx, r.id, v))  # type: ignore[misc]
        now, ends = rig.clock.now(), [Finish(mine, Completed()), Finish(theirs, Completed())]
        ended, other = rig.database.write(
            lambda tx: finish_all(tx, ends, now, owned_by("here"), cooldown=COOLDOWN)
        )
        assert ended is not None
        assert ended.handle == {"of": "here"}, "as its row has it, to let go of the work"
        assert other is None
        assert rig.run_of(theirs.id).active
