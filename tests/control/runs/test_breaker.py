"""The breaker: failures in a row take an autopilot out of force until a probe succeeds."""

from datetime import UTC, datetime

import pytest

from reconciler.control.runs.switches import resume
from reconciler.core.base.errors import Conflict
from reconciler.core.runs.run import BREAKER_REASONS, Completed, Failed, Reason, Run
from tests.support.rig import Document, Rig, agent, autopilot, id_of, schedule

OFTEN = schedule("*/5 * * * *")
"""Three occurrences to a cool-down of 15 minutes."""


def at(hour: int, minute: int = 0) -> datetime:
    """A moment of the Monday on which the tests begin."""
    return datetime(2026, 11, 2, hour, minute, tzinfo=UTC)


def declared(limit: int = 2, **spec: object) -> tuple[Document, Document]:
    """The manifests of these tests."""
    return agent(), autopilot("triage", OFTEN, pauseAfterFailures=limit, **spec)


def fail(rig: Rig, run: Run, reason: Reason = Reason.AGENT_FAILED) -> None:
    """End a run badly."""
    assert rig.end(run, Failed(reason, "it went wrong"))


def fail_next(rig: Rig) -> Run:
    """Let the next occurrence come, start and fail."""
    (run,) = rig.tick(minutes=5).runs
    fail(rig, run)
    return run


def opened(rig: Rig, limit: int = 2) -> None:
    """Fail as often as it takes to open the breaker, at 08:05 and so on."""
    for _ in range(limit):
        fail_next(rig)
    assert rig.live().switches.breaker_opened_at == rig.clock.now()


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_it_opens_after_exactly_as_many_failures_as_the_manifest_says(rig: Rig, limit: int) -> None:
    rig.apply(*declared(limit))
    for _ in range(limit - 1):
        fail_next(rig)
        assert rig.live().switches.breaker_opened_at is None
    fail_next(rig)
    assert rig.live().switches.breaker_opened_at == rig.clock.now()
    assert rig.live().switches.failures == limit


def test_a_success_in_between_starts_the_count_again(rig: Rig) -> None:
    rig.apply(*declared(2))
    fail_next(rig)
    (good,) = rig.tick(minutes=5).runs
    rig.end(good, Completed("done"))
    fail_next(rig)
    assert rig.live().switches.breaker_opened_at is None


def test_zero_never_opens_it(rig: Rig) -> None:
    rig.apply(*declared(0))
    for _ in range(10):
        fail_next(rig)
    assert rig.live().switches.breaker_opened_at is None
    assert len(rig.runs()) == 10


@pytest.mark.parametrize("reason", sorted(BREAKER_REASONS))
def test_a_failure_that_says_something_about_the_work_counts(rig: Rig, reason: Reason) -> None:
    rig.apply(*declared(1))
    fail(rig, rig.launch(), reason)
    assert rig.live().switches.breaker_opened_at is not None


@pytest.mark.parametrize("reason", [Reason.CANCELLED, Reason.REPLACED, Reason.EXPIRED])
def test_a_failure_that_somebody_wanted_does_not_count(rig: Rig, reason: Reason) -> None:
    rig.apply(*declared(1))
    fail(rig, rig.launch(), reason)
    assert rig.live().switches.breaker_opened_at is None
    assert rig.live().switches.failures == 0


def test_while_it_is_open_one_interval_is_recorded(rig: Rig) -> None:
    rig.apply(*declared(2))
    opened(rig)
    for _ in range(2):
        assert rig.tick(minutes=5).runs == []
    (missed,) = rig.missed()
    assert (missed.reason, missed.first, missed.last) == ("paused", at(8, 15), at(8, 20))
    assert (missed.count, missed.exact) == (2, True)
    assert "breaker opened after 2 failures" in missed.detail


def test_while_it_is_open_a_run_by_hand_is_refused_but_for_force(rig: Rig) -> None:
    rig.apply(*declared(2))
    opened(rig)
    with pytest.raises(Conflict, match="08:25"):
        rig.launch()
    forced = rig.launch(force=True)
    assert (forced.active, forced.forced) == (True, True)
    assert rig.live().switches.breaker_probe is None


def test_after_the_cool_down_one_run_probes_and_its_success_closes_it(rig: Rig) -> None:
    rig.apply(*declared(2))
    opened(rig)
    rig.tick(minutes=14, seconds=59)
    assert len(rig.runs()) == 2
    rig.tick(minutes=5, seconds=1)
    probe = rig.runs()[-1]
    assert (probe.scheduled_for, probe.active) == (at(8, 30), True)
    assert rig.live().switches.breaker_probe == probe.id
    rig.end(probe, Completed("done"))
    switches = rig.live().switches
    assert (switches.failures, switches.breaker_opened_at, switches.breaker_probe) == (
        0,
        None,
        None,
    )
    assert [run.scheduled_for for run in rig.tick(minutes=5).runs] == [at(8, 35)]


def test_while_the_probe_is_under_way_nothing_else_starts(rig: Rig) -> None:
    rig.apply(*declared(2, maxConcurrency=5))
    opened(rig)
    probe = half_open(rig)
    assert rig.tick(minutes=5).runs == []
    with pytest.raises(Conflict, match=probe.id):
        rig.launch()
    assert rig.missed()[-1].last == rig.clock.now()


def test_a_probe_that_fails_opens_it_for_another_cool_down(rig: Rig) -> None:
    rig.apply(*declared(2))
    opened(rig)
    probe = half_open(rig)
    rig.clock.advance(minutes=1)
    fail(rig, probe)
    switches = rig.live().switches
    assert (switches.breaker_opened_at, switches.breaker_probe) == (rig.clock.now(), None)
    assert switches.failures == 3
    for _ in range(3):
        assert rig.tick(minutes=5).runs == []
    assert len(rig.tick(minutes=5).runs) == 1


def test_a_probe_that_somebody_cancelled_leaves_its_place_to_the_next(rig: Rig) -> None:
    rig.apply(*declared(2))
    opened(rig)
    fail(rig, half_open(rig), Reason.CANCELLED)
    (second,) = rig.tick(minutes=5).runs
    assert rig.live().switches.breaker_probe == second.id


def half_open(rig: Rig) -> Run:
    """Wait for the cool-down and start the probe by the clock."""
    rig.tick(minutes=15)
    (probe,) = rig.tick(minutes=5).runs
    assert rig.live().switches.breaker_probe == probe.id
    return probe


def test_a_run_by_hand_may_be_the_probe(rig: Rig) -> None:
    rig.apply(*declared(2))
    opened(rig)
    rig.clock.advance(minutes=15)
    probe = rig.launch()
    assert rig.live().switches.breaker_probe == probe.id


def test_of_a_queue_that_waits_behind_a_failure_only_the_probe_passes(rig: Rig) -> None:
    """Waiting runs stay while it is open; each probe that succeeds lets the others follow."""
    rig.apply(*declared(1, concurrencyPolicy="queue", maxConcurrency=3, queueTtl="2h"))
    first = [rig.launch(payload={"n": n}) for n in range(3)]
    waiting = [rig.launch(payload={"n": n}) for n in range(2)]
    for run in first:
        fail(rig, run)
    assert all(rig.run_of(run.id).waiting for run in waiting)
    rig.clock.advance(minutes=15)
    assert rig.tick().promoted == [waiting[0].id]
    rig.tick(minutes=1)
    assert rig.run_of(waiting[1].id).waiting
    rig.end(rig.run_of(waiting[0].id), Completed("done"))
    assert rig.run_of(waiting[1].id).active


def test_an_edit_of_the_spec_closes_it_at_once(rig: Rig) -> None:
    rig.apply(*declared(2))
    opened(rig)
    rig.apply(*declared(2, title="Triage, mended"))
    switches = rig.live().switches
    assert (switches.failures, switches.breaker_opened_at) == (0, None)
    assert len(rig.tick(minutes=5).runs) == 1


def test_the_same_manifest_again_does_not_close_it(rig: Rig) -> None:
    rig.apply(*declared(2))
    opened(rig)
    before = rig.live().switches
    rig.apply(*declared(2))
    assert rig.live().switches == before


def test_resume_lifts_it_and_starts_nothing_of_the_past(rig: Rig) -> None:
    rig.apply(*declared(2))
    opened(rig)
    rig.clock.advance(minutes=7)
    rig.database.write(lambda tx: resume(tx, id_of("triage"), rig.clock.now()))
    assert rig.tick().runs == []
    assert [(one.reason, one.first, one.last) for one in rig.missed()] == [
        ("paused", at(8, 15), at(8, 15))
    ]
    assert [run.scheduled_for for run in rig.tick(minutes=3).runs] == [at(8, 20)]
