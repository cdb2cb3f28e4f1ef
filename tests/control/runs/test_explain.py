"""Why did it run, or not: every verdict comes from what was recorded."""

from datetime import UTC, datetime

import pytest

from reconciler.control.runs.explain import Step, explain
from reconciler.core.base.errors import NotFound
from reconciler.core.runs.run import Completed
from tests.support.rig import COOLDOWN, Rig, agent, autopilot, id_of, schedule


def why(rig: Rig, at: datetime, name: str = "triage") -> dict[str, Step]:
    """The chain, by the verdict of each step."""
    now = rig.clock.now()
    steps = rig.database.read(lambda tx: explain(tx, id_of(name), at, now, COOLDOWN))
    return {step.verdict: step for step in steps}


def at(hour: int, minute: int = 0) -> datetime:
    """A moment of the Monday on which the tests begin."""
    return datetime(2026, 11, 2, hour, minute, tzinfo=UTC)


def test_it_ran(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("5 8 * * *")))
    rig.tick(minutes=5)
    (run,) = rig.runs()
    rig.end(run, Completed("ok"))
    told = why(rig, at(8, 7))
    assert told["completed"].run == run.id
    assert "in force" in told


def test_it_was_skipped_because_another_run_was_in_the_way(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule()))
    rig.tick(minutes=1)
    rig.tick(minutes=1)
    first, _ = rig.runs()
    step = why(rig, at(8, 2))["skipped"]
    assert first.id in step.why
    assert "[overlap]" in step.why


def test_it_was_paused(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule(), status="paused"))
    rig.tick(minutes=3)
    assert "spec.status" in why(rig, at(8, 2))["paused"].why


def test_it_was_missed(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *", catchUpWindow="5m")))
    rig.tick(hours=2, minutes=9)
    assert "too late" in why(rig, at(9))["missed"].why


def test_it_is_still_ahead(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("5 8 * * *")))
    assert "08:05" in why(rig, at(8, 30))["ahead"].why


def test_no_server_has_decided_yet(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("5 8 * * *")))
    rig.clock.advance(minutes=30)
    assert "is one running" in why(rig, at(8, 30))["late"].why


def test_it_was_before_the_last_change(rig: Rig) -> None:
    rig.clock.advance(minutes=30)
    rig.apply(agent(), autopilot("triage", schedule("5 8 * * *")))
    assert "08:30" in why(rig, at(8, 10))["before the change"].why


def test_a_disabled_trigger_is_said(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule(enabled=False)))
    assert "disabled" in why(rig, at(8, 10))


def test_a_hand_is_named(rig: Rig) -> None:
    rig.apply(agent(), autopilot())
    run = rig.launch()
    assert why(rig, at(8))["pending"].run == run.id


def test_an_unknown_autopilot_is_not_found(rig: Rig) -> None:
    with pytest.raises(NotFound):
        why(rig, at(8), "nobody")
