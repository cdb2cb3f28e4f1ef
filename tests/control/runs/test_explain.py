"""Why did it run, or not: every verdict comes from what was recorded."""

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.control.prune import Retention, prune_once
from reconciler.control.runs.explain import Retained, explain
from reconciler.control.runs.switches import pause
from reconciler.control.runs.told import Step
from reconciler.core.base.errors import NotFound
from reconciler.core.runs.run import Completed
from reconciler.core.runs.usage import Usage
from reconciler.store.webhooks.deliveries import Delivery, insert_deliveries
from tests.support.rig import COOLDOWN, Rig, agent, autopilot, id_of, schedule, webhook

TERMS = Retained(COOLDOWN, timedelta(days=30))


def why(rig: Rig, at: datetime, name: str = "triage") -> dict[str, Step]:
    """The chain, by the verdict of each step."""
    now = rig.clock.now()
    steps = rig.database.read(lambda tx: explain(tx, id_of(name), at, now, TERMS))
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


@pytest.mark.parametrize(
    ("edge", "verdict"),
    [
        (datetime(1, 1, 1, tzinfo=UTC), "before the change"),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), "ahead"),
    ],
)
def test_the_first_and_the_last_moment_of_all_have_an_answer(
    rig: Rig, edge: datetime, verdict: str
) -> None:
    rig.apply(agent(), autopilot("triage", schedule(), webhook()))
    assert verdict in why(rig, edge)


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
    assert why(rig, at(8))["waiting"].run == run.id


def test_an_unknown_autopilot_is_not_found(rig: Rig) -> None:
    with pytest.raises(NotFound):
        why(rig, at(8), "nobody")


def test_what_a_newer_occurrence_overtook_was_not_too_late(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")))
    rig.tick(minutes=32)
    step = why(rig, at(8, 15))["missed"]
    assert "only the newest was started, that of 2026-11-02 08:30:00Z" in step.why


def test_what_was_deleted_is_said_to_be(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("0 * * * *")))
    rig.tick(hours=1)
    (run,) = rig.runs()
    rig.end(run, Completed("ok"))
    rig.clock.advance(days=40)
    prune_once(rig.database, Retention(*[timedelta(days=30)] * 4))
    step = why(rig, at(9, 30))["deleted"]
    assert "keep_runs" in step.why


@pytest.mark.parametrize("how", ["by hand", "by git"])
def test_an_outage_before_a_pause_was_no_pause(rig: Rig, how: str) -> None:
    """No server from 10:00 on, a pause at 10:10, a server again at 10:12."""
    rig.apply(agent(), autopilot("triage", schedule()))
    rig.clock.at = at(10)
    rig.tick()
    rig.clock.at = at(10, 10)
    if how == "by hand":
        rig.database.write(lambda tx: pause(tx, id_of("triage"), "ada", None, at(10, 10)))
    else:
        rig.apply(agent(), autopilot("triage", schedule(), status="paused"))
    rig.clock.at = at(10, 12)
    rig.tick()
    intervals = [(i.reason.value, i.first, i.last) for i in rig.missed() if i.first > at(10)]
    assert intervals == [
        ("missed", at(10, 1), at(10, 10)),
        ("paused", at(10, 11), at(10, 12)),
    ]


def test_of_a_past_moment_nothing_is_said_about_now(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule()))
    rig.tick(minutes=30)
    told = why(rig, at(8, 10))
    assert "past" in told
    assert not any(" now" in step.why for step in told.values())
    rig.database.write(lambda tx: pause(tx, id_of("triage"), "ada", None, at(8, 30)))
    rig.clock.advance(minutes=30)
    assert "paused at 2026-11-02 08:30:00Z" in why(rig, at(8, 30))["paused"].why
    assert "past" in why(rig, at(8, 20))


def test_a_run_that_hangs_is_told(rig: Rig) -> None:
    rig.apply(
        agent(), autopilot("triage", schedule("5 8 * * *"), timeout="3h", executionMode="run_only")
    )
    rig.tick(minutes=5)
    rig.round()
    rig.claim()
    rig.clock.advance(hours=2)
    step = why(rig, rig.clock.now())["running"]
    assert "at work for 2h" in step.why
    assert "it is stopped at 2026-11-02T11:05:00Z" in step.why


def test_a_run_that_waits_for_its_agent_is_told(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("5 8 * * *")))
    rig.tick(minutes=5)
    rig.round()
    assert "a worker to claim it for agent bot" in why(rig, at(8, 10))["waiting"].why


@pytest.mark.parametrize(
    ("verdict", "status", "reason", "expected"),
    [
        pytest.param("ignored", 200, "the filter says no", "the filter says no", id="ignored"),
        pytest.param("refused", 401, "the signature is wrong", "answered 401", id="refused"),
        pytest.param("refused", 503, "the secret is missing", "answered 503", id="no secret"),
    ],
)
def test_requests_that_made_no_run_are_told(
    rig: Rig, verdict: str, status: int, reason: str, expected: str
) -> None:
    rig.apply(agent(), autopilot("triage", webhook()))
    now = rig.clock.advance(minutes=5)
    sample = Delivery(
        rig.ids.new(now), now, verdict, status, False, {},
        trigger_id=rig.triggers()["hook"].id, autopilot_id=id_of("triage"),
        workspace_id="default", reason=reason, attempts=4,
    )  # fmt: skip
    rig.database.write(lambda tx: insert_deliveries(tx, [sample]))
    step = why(rig, at(8, 5))[verdict]
    assert expected in step.why
    assert "4 such requests" in step.why
    assert verdict not in why(rig, at(8, 7))


def test_how_its_budgets_stand_and_which_one_keeps_it_from_running(rig: Rig) -> None:
    rig.apply(agent(budget={"perDay": 9}), autopilot("triage", budget={"perDay": 1, "perRun": 0.5}))
    rig.end(rig.launch(), Completed("x", Usage(cost_micros=600_000)))
    now = rig.clock.now()
    steps = rig.database.read(lambda tx: explain(tx, id_of("triage"), now, now, TERMS))
    said = {(step.subject, step.verdict): step.why for step in steps}
    assert said["budget of autopilot default/triage", "budget"] == (
        "it has spent $0.60 of $1.00 today; one run may cost $0.50"
    )
    assert said["budget of agent default/bot", "budget"] == "it has spent $0.00 of $9.00 today"
    assert said["autopilot default/triage", "over budget"].startswith(
        "a run would be skipped now: autopilot default/triage has spent $0.60 today"
    )
