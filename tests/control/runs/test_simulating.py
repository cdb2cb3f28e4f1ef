"""A simulation decides as the real loop does, and says which deliveries would fare otherwise."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from reconciler.control.runs.simulating import MOST, Past, simulate_manifests
from reconciler.core.manifest.state import Current
from reconciler.core.runs.run import Completed
from reconciler.core.schedule.audit import Period
from reconciler.core.schedule.simulation_report import (
    Simulation,
    simulation_document,
    summary_sentence,
)
from reconciler.store.objects.current import read_current
from tests.control.conftest import Fresh
from tests.support.receiver import Receiver
from tests.support.rig import Document, Rig, agent, autopilot, declare, schedule, webhook


def simulated(
    rig: Rig,
    *documents: Document,
    since: datetime,
    until: datetime | None = None,
    most: int = MOST,
    seconds: float = 60,
) -> Simulation:
    """What these manifests would have done from a moment until now."""
    desired = {row.key: row for row in map(declare, documents)}
    current: Current = rig.database.read(lambda tx: read_current(tx, "default"))
    return simulate_manifests(
        Past(rig.database, rig.evaluator, seconds),
        desired,
        current.objects,
        "default",
        Period(since, until or rig.clock.now()),
        most=most,
    )


def live(rig: Rig, minutes: int, work: int) -> None:
    """A server that is always running, for an agent whose runs take `work` minutes."""
    for _ in range(minutes):
        now = rig.clock.advance(minutes=1)
        for run in rig.runs():
            if run.active and run.admitted_at and now - run.admitted_at >= timedelta(minutes=work):
                rig.end(run, Completed("done"))
        rig.tick()


_KINDS: list[Document] = [
    {"concurrencyPolicy": "skip"},
    {"concurrencyPolicy": "queue"},
    {"concurrencyPolicy": "queue", "queueKeep": "newest"},
]
_BOUNDS = st.fixed_dictionaries(
    {
        "maxConcurrency": st.integers(1, 3),
        "queueLimit": st.integers(1, 3),
        "limits": st.sampled_from([{}, {"perHour": 5}]),
    }
)
POLICIES = st.builds(lambda kind, bounds: kind | bounds, st.sampled_from(_KINDS), _BOUNDS)
SCHEDULES = st.lists(
    st.sampled_from(["*/2 * * * *", "*/5 * * * *", "3-59/7 * * * *", "0 * * * *"]),
    min_size=1,
    max_size=2,
    unique=True,
)
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


def as_it_happened(rig: Rig, crons: list[str], spec: Document, work: int) -> None:
    """The manifests that were in force would have done what they did."""
    triggers = [schedule(cron, f"t{number}") for number, cron in enumerate(crons)]
    documents = (agent(), autopilot("triage", *triggers, **spec))
    rig.apply(*documents)
    began = rig.clock.now() + timedelta(microseconds=1)
    live(rig, 45, work)
    rig.clock.advance(seconds=30)
    simulation = simulated(rig, *documents, since=began)
    (compared,) = simulation.autopilots
    assert compared.would.started == compared.happened.started
    assert dict(+compared.would.not_started) == dict(+compared.happened.not_started)


@pytest.mark.hypothesis
def test_what_was_in_force_would_have_done_what_it_did(on_sqlite: Fresh) -> None:
    @settings(max_examples=15, deadline=None, phases=PHASES)
    @given(SCHEDULES, POLICIES, st.sampled_from([1, 4, 11]))
    def story(crons: list[str], spec: Document, work: int) -> None:
        with on_sqlite(datetime.fromisoformat("2026-11-02T08:00:00+00:00")) as rig:
            as_it_happened(rig, crons, spec, work)

    story()


def test_the_same_on_both_databases(rig: Rig) -> None:
    as_it_happened(rig, ["*/5 * * * *"], {"concurrencyPolicy": "queue"}, 11)


def hook(rig: Rig, when: str | None) -> tuple[Document, Document]:
    """An agent, and an autopilot with a webhook under this condition."""
    condition = {} if when is None else {"when": when}
    return agent(), autopilot("triage", webhook(**condition), maxConcurrency=100, maxActive=1000)


def deliver(rig: Rig, *payloads: Any) -> datetime:
    """These deliveries, a minute between them; return when they began."""
    began, receiver = rig.clock.now(), Receiver(rig)
    for payload in payloads:
        receiver.send(json.dumps(payload).encode())
        rig.clock.advance(minutes=1)
    return began


def test_deliveries_that_a_new_condition_would_have_missed_are_named(rig: Rig) -> None:
    rig.apply(*hook(rig, None))
    began = deliver(rig, {"n": 1}, {"n": 2}, {"n": 3})
    simulation = simulated(rig, *hook(rig, "payload.n == 2"), since=began)
    assert summary_sentence(simulation) == (
        "Would have started 1 run instead of 3; 2 would not have started (2 ignored)."
    )
    assert [(d.place, d.why) for d in simulation.missed] == [
        ("default/triage/hook", "the condition 'when' is false")
    ] * 2
    assert simulation.evaluated == 3


def test_deliveries_that_were_ignored_and_would_be_taken_are_named(rig: Rig) -> None:
    rig.apply(*hook(rig, "payload.n == 2"))
    began = deliver(rig, {"n": 1}, {"n": 2})
    simulation = simulated(rig, *hook(rig, "payload.n < 3"), since=began)
    assert [d.why for d in simulation.gained] == ["it was ignored: the condition 'when' is false"]
    assert (simulation.would.started, simulation.happened.started) == (2, 1)


def test_a_body_that_is_gone_is_said_and_counts_as_it_was(rig: Rig) -> None:
    rig.apply(*hook(rig, "payload.n == 2"))
    began = deliver(rig, {"n": 1}, {"n": 2})
    rig.database.write(lambda tx: tx.execute(text("UPDATE delivery SET body = NULL")))
    simulation = simulated(rig, *hook(rig, "payload.n == 1"), since=began)
    assert (simulation.evaluated, simulation.unevaluated) == (0, 2)
    assert (simulation.missed, simulation.gained) == ([], [])
    assert simulation.would.started == simulation.happened.started == 1
    plain = simulated(rig, *hook(rig, None), since=began)
    assert plain.evaluated == 2, "without expressions nobody needs the body"
    assert plain.would.started == 2


def test_when_the_time_is_up_deliveries_count_as_they_were(rig: Rig) -> None:
    rig.apply(*hook(rig, None))
    began = deliver(rig, {"n": 1}, {"n": 2})
    simulation = simulated(rig, *hook(rig, "payload.n == 1"), since=began, seconds=-1)
    assert (simulation.evaluated, simulation.unevaluated) == (0, 2)
    assert simulation.would.started == 2


def test_the_deliveries_of_another_source_answer_no_questions(rig: Rig) -> None:
    rig.apply(*hook(rig, None), source="other")
    began = deliver(rig, {"n": 1})
    simulation = simulated(rig, *hook(rig, "payload.n == 1"), since=began)
    assert simulation.evaluated == 0
    assert simulation.autopilots == []
    assert "1 autopilots of other sources are left out" in simulation.assumptions


def test_a_time_at_the_ends_of_the_calendar_has_an_answer(rig: Rig) -> None:
    first = datetime(1, 1, 1, tzinfo=UTC)
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    documents = (agent(), autopilot("triage", schedule()))
    all_of_it = simulated(rig, *documents, since=first, until=last, most=100)
    (comparison,) = all_of_it.autopilots
    assert comparison.would.started
    beyond = simulated(rig, *documents, since=last - timedelta(days=1), until=last)
    assert not beyond.autopilots[0].would.started


def test_an_autopilot_that_is_gone_would_have_started_nothing(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")))
    began = rig.clock.now()
    rig.tick(minutes=10)
    rig.clock.advance(minutes=1)
    simulation = simulated(rig, agent(), since=began)
    (compared,) = simulation.autopilots
    assert (compared.name, compared.planned) == ("triage", False)
    assert (compared.would.started, compared.happened.started) == (0, 1)


def test_a_paused_manifest_starts_nothing(rig: Rig) -> None:
    began = rig.clock.now()
    until = began + timedelta(days=30)
    documents = (agent(), autopilot("triage", schedule("0 * * * *"), status="paused"))
    simulation = simulated(rig, *documents, since=began, until=until)
    assert simulation.would.started == 0
    assert simulation.would.not_started == {"paused": 30 * 24, "ignored": 0}


def test_a_replaced_run_makes_room_at_once(rig: Rig) -> None:
    began = rig.clock.now()
    documents = (agent(), autopilot("triage", schedule("* * * * *"), concurrencyPolicy="replace"))
    simulation = simulated(rig, *documents, since=began, until=began + timedelta(minutes=10))
    assert simulation.would.started == 10
    assert "5 minutes for each run of 1 autopilots without past runs" in str(simulation.assumptions)


def test_a_long_time_is_cut_and_that_is_said(rig: Rig) -> None:
    began = rig.clock.now()
    documents = (agent(), autopilot("triage", schedule("* * * * *")))
    until = began + timedelta(days=300)
    simulation = simulated(rig, *documents, since=began, until=until, most=100)
    assert simulation.cut is not None
    assert "default/triage up to" in simulation.cut
    assert simulation_document(simulation)["cut"] == simulation.cut


def test_a_simulation_writes_nothing(rig: Rig) -> None:
    rig.apply(*hook(rig, None))
    began = deliver(rig, {"n": 1})
    before = rig.runs(), rig.missed(), rig.triggers()
    simulated(rig, *hook(rig, "payload.n == 2"), since=began)
    assert (rig.runs(), rig.missed(), rig.triggers()) == before


def test_the_when_of_a_schedule_is_asked_at_each_moment_over_what_is_recorded(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule()))
    since = rig.clock.now()
    live(rig, 9, 1)
    (first, *_) = rig.runs()
    assert first.completed_at is not None
    none_yet = autopilot("triage", schedule(when="lastRun == null"))
    unread = autopilot("triage", schedule(when="lastRun.result.n > 1"))
    before = simulated(rig, agent(), none_yet, since=since).would
    assert before.started == 2
    assert before.not_started["nothing_to_do"] == 7
    broken = simulated(rig, agent(), unread, since=since)
    assert broken.would.not_started["precheck_failed"] == 9
    assert any("lastRun" in assumption for assumption in broken.assumptions)
