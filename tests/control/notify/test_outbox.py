"""What is written into the outbox: with what it tells of, in the same transaction, and once."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from reconciler.control.apply.attempts import ApplyRequest, record_failure
from reconciler.core.base.errors import InvalidManifests, Problem
from reconciler.core.base.identity import Revision
from reconciler.core.notify.routing import Defaults
from reconciler.core.runs.run import Completed, Failed, Outcome, Reason
from reconciler.store.notify.outbox import using
from reconciler.store.revisions.revisions import Via
from reconciler.store.tables import autopilot_trigger
from tests.support.notifying import kinds, outbox, tells
from tests.support.rig import Rig, agent, autopilot, schedule

BROKEN = Failed(Reason.AGENT_FAILED, "it went wrong")


def declared(*events: str, **spec: object) -> list[dict[str, object]]:
    """An autopilot that tells of these events, with a schedule."""
    return [agent(), autopilot("triage", schedule(), notify=[tells(*events)], **spec)]


def end(rig: Rig, outcome: Outcome, name: str = "triage") -> None:
    """A run that ends so, a second after the one before it."""
    rig.clock.advance(seconds=1)
    rig.end(rig.launch(name), outcome)


def test_an_end_is_told_of_in_the_transaction_that_writes_it(rig: Rig) -> None:
    rig.apply(*declared())
    run = rig.launch()
    assert outbox(rig) == []
    rig.end(run, BROKEN)
    (entry,) = outbox(rig)
    assert (entry.kind, entry.channel, entry.run_id) == ("failed", "oncall", run.id)
    assert (entry.workspace, entry.autopilot) == ("default", "triage")


def test_an_end_that_is_undone_tells_of_nothing(rig: Rig) -> None:
    from reconciler.control.runs.ending import finish

    rig.apply(*declared())
    run, now = rig.launch(), rig.clock.now()

    def write(tx: object) -> None:
        finish(tx, run, BROKEN, now, cooldown=timedelta(minutes=1))  # type: ignore[arg-type]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        rig.database.write(write)
    assert outbox(rig) == []
    assert not rig.run_of(run.id).ended


def test_a_channel_hears_only_of_what_it_asks_for(rig: Rig) -> None:
    rig.apply(
        agent(),
        autopilot(notify=[tells("completed", to="digest"), tells("failed", "late", to="oncall")]),
    )
    end(rig, Completed("done"))
    end(rig, BROKEN)
    assert [(e.kind, e.channel) for e in outbox(rig)] == [
        ("completed", "digest"),
        ("failed", "oncall"),
    ]


def test_the_first_success_after_failures_is_a_recovery_also_after_an_edit(rig: Rig) -> None:
    events = ("failed", "recovered")
    rig.apply(*declared(*events))
    end(rig, BROKEN)
    end(rig, BROKEN)
    rig.apply(*declared(*events, description="mended"))  # closes the breaker's count
    end(rig, Completed("done"))
    end(rig, Completed("done"))
    assert kinds(rig) == ["failed", "failed", "recovered"]


def test_a_recovery_is_a_completion_for_whom_did_not_ask_for_recoveries(rig: Rig) -> None:
    rig.apply(
        agent(),
        autopilot(notify=[tells("completed", to="digest"), tells(to="oncall")]),
    )
    end(rig, BROKEN)
    end(rig, Completed("done"))
    assert sorted((e.kind, e.channel) for e in outbox(rig)) == [
        ("completed", "digest"),
        ("failed", "oncall"),
        ("recovered", "oncall"),
    ]


@pytest.mark.parametrize("reason", [Reason.CANCELLED, Reason.REPLACED])
def test_what_somebody_asked_for_is_no_failure_to_be_told_of(rig: Rig, reason: Reason) -> None:
    rig.apply(*declared("failed"))
    end(rig, Failed(reason, "asked for"))
    assert outbox(rig) == []


def test_a_breaker_is_told_of_once_per_opening(rig: Rig) -> None:
    rig.apply(*declared("breaker", pauseAfterFailures=2))
    for _ in range(2):
        end(rig, BROKEN)
    assert kinds(rig) == ["breaker"]
    rig.clock.advance(minutes=16)
    end(rig, BROKEN)  # the probe: it was open, and stays so
    assert kinds(rig) == ["breaker"]
    rig.clock.advance(minutes=16)
    end(rig, Completed("done"))
    for _ in range(2):
        end(rig, BROKEN)
    assert kinds(rig) == ["breaker", "breaker"]


def test_a_skipped_run_is_told_of(rig: Rig) -> None:
    rig.apply(*declared("skipped"))
    first = rig.launch()
    second = rig.launch()
    (entry,) = outbox(rig)
    assert (entry.kind, entry.run_id) == ("skipped", second.id)
    assert not rig.run_of(first.id).ended


def test_a_run_that_waited_too_long_is_told_of(rig: Rig) -> None:
    rig.apply(*declared("failed", concurrencyPolicy="queue", queueTtl="1m"))
    rig.launch()
    waiter = rig.launch()
    rig.tick(minutes=2)
    assert [(e.kind, e.run_id) for e in outbox(rig, kind="failed")] == [("failed", waiter.id)]


def test_lateness_is_told_of_once_for_each_trigger_that_was_late(rig: Rig) -> None:
    rig.apply(*declared("late"))
    rig.tick(minutes=1)
    assert outbox(rig) == []
    rig.tick(minutes=10)
    rig.tick(seconds=1)
    (entry,) = outbox(rig)
    assert entry.detail["trigger"] == "clock"
    assert entry.detail["started"] == 1


def test_a_trigger_that_stalls_is_told_of(rig: Rig) -> None:
    rig.apply(*declared("late"))
    spoil = update(autopilot_trigger).values(cron_expression="nonsense")
    rig.database.write(lambda tx: tx.execute(spoil))
    rig.tick(minutes=1)
    rig.tick(minutes=5)
    (entry,) = outbox(rig)
    assert entry.kind == "late"
    assert "CronError" in entry.detail["stalled"] or "nonsense" in entry.detail["stalled"]


def test_what_a_budget_stops_is_told_as_that_or_as_a_failure(rig: Rig) -> None:
    rig.apply(
        agent(),
        autopilot(notify=[tells("failed", to="oncall"), tells("over_budget", to="money")]),
    )
    end(rig, Failed(Reason.OVER_BUDGET, "it cost 3 dollars"))
    assert sorted((e.kind, e.channel) for e in outbox(rig)) == [
        ("failed", "oncall"),
        ("over_budget", "money"),
    ]


def test_an_autopilot_that_stands_still_on_purpose_is_not_late(rig: Rig) -> None:
    rig.apply(*declared("late", status="paused"))
    rig.tick(minutes=10)
    rig.tick(minutes=10)
    assert outbox(rig) == []


def test_a_run_tells_by_the_rules_under_which_it_was_triggered(rig: Rig) -> None:
    rig.apply(*declared("completed"))
    run = rig.launch()
    rig.apply(agent(), autopilot("triage", schedule()))
    rig.end(run, Completed("done"))
    assert kinds(rig) == ["completed"]


def test_the_rules_of_the_workspace_hold_where_an_autopilot_has_none(rig: Rig) -> None:
    rules = {"failed": ("oncall",)}
    rig.database.prepare = using(Defaults({"default": rules, "*": {"failed": ("others",)}}))
    rig.apply(
        agent(),
        autopilot("plain"),
        autopilot("own", notify=[tells("completed", to="digest")]),
        autopilot("silent", notify=[]),
    )
    for name in ("plain", "own", "silent"):
        end(rig, BROKEN, name)
    assert [(e.autopilot, e.channel) for e in outbox(rig)] == [("plain", "oncall")]


def test_a_revision_that_did_not_apply_is_told_of_once_however_often_it_is_polled(
    rig: Rig,
) -> None:
    rig.database.prepare = using(Defaults(revision_failed=("oncall",)))
    broken = InvalidManifests([Problem("a.yaml", 1, 1, "spec", "no", "field-type")])
    request = ApplyRequest(actor="server", via=Via.SERVER)
    for revision in ("a" * 40, "a" * 40, "b" * 40):
        rig.clock.advance(seconds=1)
        record_failure(rig.database, "team", Revision(revision), broken, request)
    assert [(e.kind, e.topic, e.detail["revision"][0]) for e in outbox(rig)] == [
        ("revision_failed", "source:team", "a"),
        ("revision_failed", "source:team", "b"),
    ]
