"""Pause and resume at run time, beside what the manifest says."""

from datetime import datetime, timedelta

import pytest

from reconciler.control.runs.switches import pause, resume
from reconciler.core.base.errors import NotFound
from reconciler.core.runs.run import Failed, Reason
from reconciler.core.runs.standing import Switches
from tests.support.rig import Rig, agent, autopilot, id_of, schedule


def paused(rig: Rig, actor: str = "ada", reason: str | None = None) -> Switches:
    """Pause `triage`."""
    now = rig.clock.now()
    rig.database.write(lambda tx: pause(tx, id_of("triage"), actor, reason, now))
    return rig.live().switches


def resumed(rig: Rig) -> Switches:
    """Resume `triage`."""
    now = rig.clock.now()
    rig.database.write(lambda tx: resume(tx, id_of("triage"), now))
    return rig.live().switches


def moments(rig: Rig) -> list[str]:
    """When the runs were scheduled for."""
    return [f"{run.scheduled_for:%H:%M}" for run in rig.runs()]


@pytest.fixture
def triage(rig: Rig) -> Rig:
    """An autopilot that fires each minute."""
    rig.apply(agent(), autopilot("triage", schedule(), maxConcurrency=100))
    return rig


def test_who_paused_and_why_is_kept(triage: Rig) -> None:
    switches = paused(triage, "ada", "holiday")
    assert (switches.paused_at, switches.paused_by, switches.pause_reason) == (
        triage.clock.now(), "ada", "holiday",
    )  # fmt: skip


def test_pausing_again_keeps_the_first_moment_and_reason(triage: Rig) -> None:
    first = paused(triage, "ada", "holiday")
    triage.clock.advance(minutes=1)
    assert paused(triage, "bob", "me too") == first


def test_a_resume_fires_no_past(triage: Rig) -> None:
    triage.tick(minutes=1)
    paused(triage)
    triage.tick(minutes=3)
    triage.clock.advance(seconds=90)
    resumed(triage)
    triage.tick()
    assert moments(triage) == ["08:01"]
    (missed,) = triage.missed()
    assert (missed.reason, missed.count) == ("paused", 4)
    triage.tick(seconds=30)
    assert moments(triage) == ["08:01", "08:06"]


def test_a_pause_that_no_round_saw_is_one_all_the_same(triage: Rig) -> None:
    paused(triage)
    triage.clock.advance(minutes=2)
    resumed(triage)
    triage.tick()
    assert moments(triage) == []
    assert [one.reason for one in triage.missed()] == ["paused"]


def test_a_resume_lifts_the_breaker(rig: Rig) -> None:
    rig.apply(agent(), autopilot(pauseAfterFailures=1))
    rig.end(rig.launch(), Failed(Reason.LOST, "gone"))
    assert rig.live().switches.breaker_opened_at is not None
    switches = resumed(rig)
    assert (switches.breaker_opened_at, switches.failures) == (None, 0)
    assert rig.launch().active


def test_a_resume_does_not_lift_what_the_manifest_says(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule(), status="paused"))
    resumed(rig)
    rig.tick(minutes=1)
    assert rig.runs() == []


def test_a_resume_of_what_runs_changes_nothing(triage: Rig) -> None:
    before = triage.live().switches
    triage.clock.advance(seconds=90)
    assert resumed(triage) == before
    triage.tick()
    assert moments(triage) == ["08:01"]


def test_active_runs_finish_and_waiting_ones_stay(rig: Rig) -> None:
    rig.apply(agent(), autopilot(concurrencyPolicy="queue"))
    first, second = rig.launch(), rig.launch()
    paused(rig)
    rig.tick(minutes=1)
    assert (rig.run_of(first.id).active, rig.run_of(second.id).waiting) == (True, True)


@pytest.mark.parametrize("switch", [lambda tx, now: pause(tx, "?", "ada", None, now),
                                    lambda tx, now: resume(tx, "?", now)])  # fmt: skip
def test_there_is_no_such_autopilot(rig: Rig, switch: object) -> None:
    now: datetime = rig.clock.now() + timedelta(0)
    with pytest.raises(NotFound):
        rig.database.write(lambda tx: switch(tx, now))  # type: ignore[operator]
