"""`when` on schedules and api triggers: asked right before a run is made, and never silent."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.control.evaluation.evaluator import Evaluator
from reconciler.control.evaluation.moments import Broken, Declined, Moment, ask_when
from reconciler.control.runs.auditing import AuditRetention, audit_period
from reconciler.control.runs.deciding import Decided, Ticker, decide_trigger
from reconciler.control.runs.explain import Retained, explain
from reconciler.control.runs.saving import save
from reconciler.core.manifest.checks import check
from reconciler.core.runs.run import Completed, Failed, Reason, Run, Source, Status
from reconciler.store.objects.triggers import due_triggers
from reconciler.store.runs.last import read_last_worked_on
from tests.support.rig import COOLDOWN, Document, Rig, agent, autopilot, id_of, schedule

UNLESS_GOOD = 'lastRun == null || lastRun.status == "failed"'
BROKEN = "lastRun.result.count > 0"
KEPT = timedelta(days=90)


def declared(when: str, **spec: Any) -> tuple[Document, Document]:
    api = {"name": "release", "kind": "api", "when": when}
    return agent(), autopilot("triage", schedule(when=when), api, **spec)


def verdict(run: Run) -> tuple[str, str | None]:
    return run.status, run.reason


NOTHING = (Status.SKIPPED, Reason.NOTHING_TO_DO)


def test_a_schedule_starts_where_it_is_true(rig: Rig) -> None:
    rig.apply(*declared(UNLESS_GOOD))
    (run,) = rig.tick(minutes=1).runs
    assert run.status is Status.PENDING


def test_each_occurrence_for_which_it_is_false_is_a_run_with_the_sentence(rig: Rig) -> None:
    rig.apply(*declared(UNLESS_GOOD))
    (first,) = rig.tick(minutes=1).runs
    rig.end(first, Completed("good"))
    for _ in range(3):
        (run,) = rig.tick(minutes=1).runs
        assert verdict(run) == NOTHING
        assert run.failure_reason == f"when is false: {UNLESS_GOOD}"
    assert rig.live().switches.failures == 0


def test_what_it_skipped_is_no_last_run(rig: Rig) -> None:
    rig.apply(*declared('lastRun == null || lastRun.status != "failed"'))
    (first,) = rig.tick(minutes=1).runs
    rig.end(first, Failed(Reason.AGENT_FAILED, "no"))
    assert [verdict(rig.tick(minutes=1).runs[0]) for _ in range(2)] == [NOTHING] * 2
    lasts = rig.database.read(lambda tx: read_last_worked_on(tx, [id_of("triage")]))
    assert [last.id for last in lasts.values() if last] == [first.id]


def test_the_clock_is_known(rig: Rig) -> None:
    at_eight = 'timestamp(now).getHours("Europe/Rome") == 9'
    rig.apply(*declared(at_eight))
    (run,) = rig.tick(minutes=1).runs
    assert run.status is Status.PENDING
    (late,) = rig.tick(hours=1).runs
    assert verdict(late) == NOTHING


def test_the_result_is_read_as_json(rig: Rig) -> None:
    rig.apply(*declared("lastRun == null || lastRun.result.open > 0"))
    (first,) = rig.tick(minutes=1).runs
    rig.end(first, Completed('{"open": 2}'))
    (second,) = rig.tick(minutes=1).runs
    assert second.status is Status.PENDING
    rig.end(second, Completed('{"open": 0}'))
    assert verdict(rig.tick(minutes=1).runs[0]) == NOTHING


def test_a_broken_one_fails_the_run_where_somebody_sees_it(rig: Rig) -> None:
    rig.apply(*declared(BROKEN, pauseAfterFailures=2))
    (run,) = rig.tick(minutes=1).runs
    assert verdict(run) == (Status.FAILED, Reason.PRECHECK_FAILED)
    assert "when could not be evaluated" in (run.failure_reason or "")
    rig.tick(minutes=1)
    assert rig.live().switches.breaker_opened_at is not None
    assert rig.triggers()["clock"].stalled_reason is None


def test_a_broken_one_lets_the_next_run_in(rig: Rig) -> None:
    rig.apply(*declared(BROKEN, concurrencyPolicy="queue"))
    by_hand = rig.launch()
    waiting = rig.launch()
    (run,) = rig.tick(minutes=1).runs
    assert run.status is Status.FAILED
    assert rig.run_of(waiting.id).status is Status.PENDING
    rig.end(by_hand, Completed({"count": 1}))
    assert rig.run_of(waiting.id).active


class TestACall:
    def test_is_skipped_and_told_so(self, rig: Rig) -> None:
        rig.apply(*declared("lastRun == null && payload.n > 1"))
        assert verdict(rig.launch(trigger="release", payload={"n": 1})) == NOTHING
        assert rig.launch(trigger="release", payload={"n": 2}).status is Status.PENDING

    def test_with_force_is_not_asked(self, rig: Rig) -> None:
        rig.apply(*declared("false"))
        assert rig.launch(trigger="release", force=True).status is Status.PENDING

    def test_by_hand_is_not_asked(self, rig: Rig) -> None:
        rig.apply(*declared("false"))
        run = rig.launch()
        assert (run.source, run.status) == (Source.MANUAL, Status.PENDING)

    def test_that_cannot_be_judged_has_failed(self, rig: Rig) -> None:
        rig.apply(*declared(BROKEN))
        run = rig.launch(trigger="release")
        assert verdict(run) == (Status.FAILED, Reason.PRECHECK_FAILED)


def test_a_run_that_ends_while_it_is_asked_has_it_asked_again(rig: Rig) -> None:
    rig.apply(*declared(UNLESS_GOOD, maxConcurrency=2))
    (before,) = rig.tick(minutes=1).runs
    now = rig.clock.advance(minutes=1)
    ticker = Ticker(rig.database, rig.titles, rig.ids, COOLDOWN)
    (due,) = rig.database.read(lambda tx: due_triggers(tx, now, 10))
    decided = decide_trigger(ticker, due, rig.live(), now, None)
    assert isinstance(decided, Decided)
    assert decided.firings[0].declined is None
    rig.end(before, Completed("good"))
    assert save(ticker, [decided], [], now).runs == []
    (run,) = rig.tick().runs
    assert verdict(run) == NOTHING


def test_why_and_the_audit_know_of_it(rig: Rig) -> None:
    rig.apply(*declared("false"))
    begin = rig.clock.now()
    for _ in range(3):
        rig.tick(minutes=1)
    now = rig.clock.now()
    retained = Retained(COOLDOWN, KEPT)
    steps = rig.database.read(lambda tx: explain(tx, id_of("triage"), now, now, retained))
    assert any("when is false: false [nothing_to_do]" in step.why for step in steps)
    retention = AuditRetention(KEPT, KEPT)
    audit = rig.database.read(lambda tx: audit_period(tx, begin, now, now, retention))
    assert audit.complete


@given(st.none() | st.integers() | st.text() | st.lists(st.integers(), max_size=3))
def test_whatever_the_last_result_was_it_never_raises(result: Any) -> None:
    with Evaluator() as evaluator:
        moment = Moment(
            trigger={"name": "a", "kind": "schedule", "when": "lastRun.result.n == 1"},
            now=datetime(2026, 11, 2, 8, tzinfo=UTC),
            last=a_run_with(result),
        )
        answer = ask_when(evaluator, DOCUMENT, moment)
    assert isinstance(answer, Broken | Declined)


DOCUMENT = {"metadata": {"name": "a", "workspace": "b"}, "spec": {"title": "t"}}


def a_run_with(result: Any) -> Run:
    at = datetime(2026, 11, 2, 7, tzinfo=UTC)
    return Run(
        id="r",
        autopilot_id="a",
        workspace="b",
        autopilot="a",
        source=Source.SCHEDULE,
        status=Status.COMPLETED,
        triggered_at=at,
        created_at=at,
        spec_digest="d",
        completed_at=at,
        result=result,
    )


@pytest.mark.parametrize(
    ("kind", "when", "told"),
    [
        pytest.param("schedule", "payload.n > 1", "payload", id="a schedule has no payload"),
        pytest.param("schedule", "lastRum == null", "did you mean 'lastRun'?", id="a near miss"),
        pytest.param("api", "lastRun.statsu == 'failed'", "did you mean 'status'?", id="a field"),
        pytest.param("api", "size(payload)", "this gives a number", id="no boolean"),
        pytest.param("webhook", "lastRun == null", "'lastRun' is known in", id="a webhook's"),
    ],
)
def test_what_is_wrong_is_said_when_it_is_checked(kind: str, when: str, told: str) -> None:
    more: dict[str, Document] = {
        "schedule": {"cron": "* * * * *"},
        "webhook": {"signature": {"scheme": "none"}},
    }
    trigger = {"name": "t", "kind": kind, "when": when, **more.get(kind, {})}
    messages = [finding.message for finding in check(autopilot("triage", trigger))]
    assert any(told in message for message in messages), messages
