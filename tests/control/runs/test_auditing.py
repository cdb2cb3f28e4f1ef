"""An audit: what the real loop left behind is complete, and what somebody takes away is named."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from reconciler.control.runs.auditing import AuditRetention, audit_period
from reconciler.core.base.errors import UsageError
from reconciler.core.schedule.audit import Audit, Period
from reconciler.core.schedule.audit_report import audit_document, summary
from tests.control.conftest import Fresh
from tests.control.test_properties import (
    EVENTS,
    STARTS,
    Model,
    Story,
    policies,
    triggers,
)
from tests.support.receiver import Receiver
from tests.support.rig import Document, Rig, agent, autopilot, schedule, webhook

YEAR = timedelta(days=365)
KEPT = AuditRetention(2 * YEAR, timedelta(days=30))


def audited(
    rig: Rig, since: datetime | None = None, until: datetime | None = None, **more: Any
) -> Audit:
    """The audit of the last week, unless the test says otherwise."""
    now = rig.clock.now()
    since, until = since or now - timedelta(days=7), until or now + timedelta(days=1)
    kept = more.pop("kept", KEPT)
    return rig.database.read(lambda tx: audit_period(tx, since, until, now, kept, **more))


def delete(rig: Rig, statement: str, **values: Any) -> None:
    """Take rows away, as a hand or a bug would."""
    rig.database.write(lambda tx: tx.execute(text(f"DELETE FROM {statement}"), values))  # noqa: S608


def missing(outcome: Audit) -> list[str]:
    """What is missing, in words."""
    return [f"{m.kind} {m.place} {m.at:%H:%M}: {m.why}" for m in outcome.missing]


def test_runs_skips_and_pauses_account_for_every_occurrence(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")))
    for _ in range(3):
        rig.tick(minutes=10)
    rig.tick(hours=3)
    rig.clock.advance(minutes=2)
    outcome = audited(rig)
    assert outcome.complete
    assert outcome.unknown == []
    assert summary(outcome.entries)["occurrences"] == {"missed": 17, "pending": 1, "skipped": 3}


def test_a_run_that_somebody_deleted_is_named(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")))
    for _ in range(3):
        rig.tick(minutes=10)
    second = rig.runs()[1]
    rig.clock.advance(minutes=2)
    delete(rig, "autopilot_run WHERE id = :id", id=second.id)
    (message,) = missing(audited(rig))
    assert f"occurrence default/triage/clock {second.scheduled_for:%H:%M}" in message
    assert "it was decided, but there is no run, no reason and no interval" in message


def test_a_server_that_stands_still_is_found(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")))
    rig.tick(minutes=10)
    rig.clock.advance(minutes=31)
    assert len(audited(rig).missing) == 3
    assert all("is one running?" in message for message in missing(audited(rig)))
    rig.tick()
    assert audited(rig).complete, "late is recorded as well"


def test_what_is_due_for_less_than_a_minute_is_not_missing_yet(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")))
    rig.clock.advance(minutes=10)
    assert audited(rig).complete


def test_accepted_deliveries_have_their_runs(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", webhook()))
    hook = Receiver(rig)
    for number in range(3):
        hook.send(b"%d" % number)
    rig.clock.advance(minutes=1)
    assert summary(audited(rig).entries)["deliveries"] == {"pending": 1, "skipped": 2}
    first, second, _ = hook.deliveries()
    delete(rig, "autopilot_run WHERE id = :id", id=first.run_id)
    delete(rig, "delivery WHERE id = :id", id=second.id)
    messages = missing(audited(rig))
    assert len(messages) == 2
    assert f"delivery {first.id} was accepted, and run {first.run_id} is not there" in messages[0]
    assert f"run {second.run_id} came of delivery {second.id}, which is not" in messages[1]


def test_an_audit_claims_nothing_of_a_trigger_before_its_last_change(rig: Rig) -> None:
    began = rig.clock.now()
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")))
    for _ in range(3):
        rig.tick(minutes=10)
    changed = rig.clock.now()
    rig.apply(agent(), autopilot("triage", schedule("*/20 * * * *")))
    rig.tick(minutes=21)
    outcome = audited(rig)
    (unknown,) = outcome.unknown
    assert (unknown.since, unknown.until) == (began, changed)
    assert "what it said before is not kept" in unknown.why
    assert outcome.complete
    assert len(outcome.entries) == 1


def test_a_trigger_that_left_is_audited_until_it_left(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")))
    for _ in range(3):
        rig.tick(minutes=10)
    rig.apply(agent(), autopilot("triage"))
    rig.tick(hours=2)
    outcome = audited(rig)
    assert outcome.complete
    assert len(outcome.entries) == 3
    delete(rig, "autopilot_run WHERE id = :id", id=rig.runs()[0].id)
    assert len(audited(rig).missing) == 1


def test_nothing_is_claimed_of_rows_that_are_no_longer_kept(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("0 * * * *"), maxConcurrency=100))
    for _ in range(5):
        rig.tick(hours=1)
    delete(rig, "autopilot_run WHERE scheduled_for < :at", at=_stored(rig, hours=2))
    kept = AuditRetention(timedelta(hours=2), timedelta(hours=2))
    outcome = audited(rig, kept=kept)
    assert outcome.complete
    assert [unknown.why for unknown in outcome.unknown] == [
        "runs of that time are no longer kept",
        "deliveries and their runs of that time are no longer kept",
    ]
    assert not audited(rig).complete


def _stored(rig: Rig, **ago: float) -> Any:
    """A moment as the database compares it."""
    at = rig.clock.now() - timedelta(**ago)
    if rig.database.name == "postgresql":
        return at
    return f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def test_a_long_time_is_cut_and_that_is_said(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("* * * * *")))
    rig.tick(hours=1)
    outcome = audited(rig, most=10)
    assert len(outcome.entries) == 10
    assert "more than 10 occurrences" in outcome.unknown[0].why


def test_a_workspace_sees_only_its_own(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *"), webhook()))
    Receiver(rig).send()
    rig.tick(minutes=12)
    assert len(audited(rig, workspaces=frozenset({"default"})).entries) == 2
    delete(rig, "autopilot_run WHERE source = 'schedule'")
    other = audited(rig, workspaces=frozenset({"other"}))
    assert (other.entries, other.missing) == ([], [])


def test_a_time_that_is_none_is_refused(rig: Rig) -> None:
    now = rig.clock.now()
    with pytest.raises(UsageError, match="before to"):
        audited(rig, now, now)
    with pytest.raises(UsageError, match="in the future"):
        audited(rig, now + YEAR, now + 2 * YEAR)


def test_an_audit_as_a_document(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")))
    rig.tick(minutes=30)
    now = rig.clock.now()
    outcome = audited(rig, now - timedelta(minutes=25), now)
    document = audit_document(outcome)
    run = rig.runs()[0]
    assert outcome.period == Period(now - timedelta(minutes=25), now)
    assert document["complete"] is True
    assert [item["became"] for item in document["items"]] == ["missed", "missed"]
    assert {key: document["items"][0][key] for key in ("kind", "trigger", "runId", "reason")} == {
        "kind": "occurrence",
        "trigger": "clock",
        "runId": None,
        "reason": rig.missed()[0].detail,
    }
    assert run.id not in str(document), "it is due at the very end, which is not included"


def tell(
    fresh: Fresh,
    start: datetime,
    trigger: Document,
    spec: Document,
    events: list[Any],
    choose: Callable[[int], int],
) -> None:
    """Let it all happen; it is complete. Take one row away; its occurrences are named."""
    with fresh(start) as rig:
        story = Story(rig, Model(trigger, start), spec)
        story.apply()
        for what, value in events:
            story.happen(what, value)
        story.tick()
        rig.clock.advance(minutes=1)
        outcome = audited(rig, start - YEAR)
        assert outcome.complete, missing(outcome)
        if not outcome.entries:
            return
        entry = outcome.entries[choose(len(outcome.entries))]
        if entry.run is not None:
            delete(rig, "autopilot_run WHERE id = :id", id=entry.run.id)
            lost = {entry.at}
        else:
            assert entry.interval is not None
            delete(rig, "missed_interval WHERE id = :id", id=entry.interval.id)
            lost = {e.at for e in outcome.entries if e.interval == entry.interval}
        after = audited(rig, start - YEAR)
        assert {m.at for m in after.missing} == lost
        event(f"{entry.run is not None=}")


CHOICE = st.integers(0, 10_000)
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""An example takes long: none is shrunk."""
ON_SQLITE = settings(max_examples=25, deadline=None, phases=PHASES)
ON_POSTGRES = settings(max_examples=4, deadline=None, phases=PHASES)


@pytest.mark.hypothesis
def test_every_history_of_the_real_loop_is_complete_and_every_loss_is_named(
    on_sqlite: Fresh,
) -> None:
    @ON_SQLITE
    @given(st.sampled_from(STARTS), triggers(), policies(), EVENTS, CHOICE)
    def story(
        start: datetime, trigger: Document, spec: Document, events: list[Any], choice: int
    ) -> None:
        tell(on_sqlite, start, trigger, spec, events, lambda count: choice % count)

    story()


@pytest.mark.hypothesis
@pytest.mark.postgres
def test_every_history_is_complete_on_postgresql(on_postgres: Fresh) -> None:
    @ON_POSTGRES
    @given(st.sampled_from(STARTS), triggers(), policies(), EVENTS, CHOICE)
    def story(
        start: datetime, trigger: Document, spec: Document, events: list[Any], choice: int
    ) -> None:
        tell(on_postgres, start, trigger, spec, events, lambda count: choice % count)

    story()
