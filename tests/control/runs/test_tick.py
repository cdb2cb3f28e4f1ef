"""The round of the clock: occurrences become runs, or are recorded as not started."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, text

from reconciler.core.runs.run import Completed, MissedReason, Source, Status
from reconciler.store import tables
from tests.support.rig import Rig, agent, autopilot, id_of, schedule


def at(hour: int, minute: int = 0, day: int = 2) -> datetime:
    """A moment of the Monday on which the tests begin."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def test_a_due_occurrence_becomes_one_run(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("5 8 * * *")))
    assert rig.tick(minutes=4).runs == []
    rig.tick(minutes=1)
    rig.tick()
    (run,) = rig.runs()
    assert run.scheduled_for == at(8, 5)
    assert (run.source, run.status, run.active) == (Source.SCHEDULE, Status.PENDING, True)
    assert run.title == "Triage"


def test_next_run_moves_on(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("5 8 * * *")))
    assert rig.triggers()["clock"].next_run_at == at(8, 5)
    assert rig.tick(minutes=5).next_due == at(8, 5, day=3)
    assert rig.triggers()["clock"].last_fired_at == at(8, 5)


def test_a_new_trigger_never_fires_for_the_past(rig: Rig) -> None:
    rig.clock.advance(minutes=30)
    rig.apply(agent(), autopilot("triage", schedule("15 8 * * *")))
    rig.tick()
    assert rig.runs() == []
    assert rig.missed() == []


@pytest.mark.parametrize(
    ("catch_up", "started"),
    [
        pytest.param("latest", ["08:30"], id="latest starts the newest"),
        pytest.param("none", [], id="none starts nothing that is more than a minute late"),
        pytest.param("all", ["08:10", "08:20", "08:30"], id="all starts each, oldest first"),
    ],
)
def test_an_outage_is_caught_up(rig: Rig, catch_up: str, started: list[str]) -> None:
    trigger = schedule("*/10 * * * *", catchUp=catch_up, catchUpWindow="1h")
    rig.apply(agent(), autopilot("triage", trigger, concurrencyPolicy="queue"))
    rig.tick(minutes=32)
    moments = [f"{run.scheduled_for:%H:%M}" for run in rig.runs()]
    assert moments == started
    covered = sum(missed.count or 0 for missed in rig.missed())
    assert len(started) + covered == 3


def test_a_month_away_costs_a_row(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("* * * * *")))
    rig.tick(days=30)
    (run,) = rig.runs()
    (missed,) = rig.missed()
    assert missed.reason is MissedReason.MISSED
    assert missed.first == at(8, 1)
    assert missed.last is not None
    assert run.scheduled_for is not None
    assert missed.last < run.scheduled_for


def test_skip_uses_the_occurrence_up_and_names_the_run_in_the_way(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule()))
    rig.tick(minutes=1)
    rig.tick(minutes=1)
    first, second = rig.runs()
    assert (second.status, second.reason, second.blocked_by) == ("skipped", "overlap", first.id)
    assert first.id in (second.failure_reason or "")


def test_queue_admits_the_waiting_run_when_the_one_before_it_ends(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule(), concurrencyPolicy="queue"))
    rig.tick(minutes=1)
    rig.tick(minutes=1)
    rig.tick(minutes=1)
    first, second, third = rig.runs()
    assert (second.waiting, second.waiting_for) == (True, "queue")
    assert (third.reason, third.blocked_by) == ("coalesced", second.id)
    assert rig.end(first, Completed("done"))
    first, second, third = rig.runs()
    assert (first.status, second.active) == (Status.COMPLETED, True)
    assert second.deadline_at == rig.clock.now() + rig.live().timeout


def test_waiting_longer_than_the_queue_allows_fails_as_expired(rig: Rig) -> None:
    spec = {"concurrencyPolicy": "queue", "queueTtl": "10m"}
    rig.apply(agent(), autopilot("triage", schedule("*/1 8 * * *"), **spec))
    rig.tick(minutes=1)
    rig.tick(minutes=1)
    _, second = rig.runs()
    rig.tick(minutes=10)
    assert {run.id: run.reason for run in rig.runs()}[second.id] == "expired"


def test_while_paused_one_interval_is_recorded(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule(), status="paused"))
    for _ in range(5):
        rig.tick(minutes=1)
    rig.apply(agent(), autopilot("triage", schedule()))
    rig.tick(minutes=1)
    (missed,) = rig.missed()
    assert (missed.reason, missed.first, missed.last) == ("paused", at(8, 1), at(8, 5))
    assert missed.count == 5
    (run,) = rig.runs()
    assert run.scheduled_for == at(8, 6)


def test_a_clock_that_goes_back_fires_nothing_twice(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule()))
    rig.tick(minutes=3)
    before = len(rig.runs())
    rig.clock.jump(minutes=-2)
    rig.tick()
    rig.tick(minutes=2)
    assert len(rig.runs()) == before


def test_one_bad_trigger_is_stalled_and_its_neighbours_go_on(rig: Rig) -> None:
    rig.apply(
        agent(),
        autopilot("broken", schedule()),
        autopilot("triage", schedule()),
    )
    break_cron(rig, "broken")
    rig.tick(minutes=1)
    assert len(rig.runs("triage")) == 1
    assert rig.runs("broken") == []
    stalled = rig.triggers("broken")["clock"]
    assert stalled.next_run_at is None
    assert "cron" in (stalled.stalled_reason or "").lower()
    assert [one.reason for one in rig.missed("broken")] == [MissedReason.STALLED]


def test_mending_a_stalled_trigger_brings_it_back(rig: Rig) -> None:
    rig.apply(agent(), autopilot("broken", schedule()))
    break_cron(rig, "broken")
    rig.tick(minutes=1)
    rig.apply(agent(), autopilot("broken", schedule("*/2 * * * *")))
    rig.tick(minutes=2)
    assert len(rig.runs("broken")) == 1
    assert all(one.last is not None for one in rig.missed("broken"))


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param("[]", id="not an object"),
        pytest.param("{}", id="an object without its fields"),
        pytest.param('{"timeout": 5}', id="a field of the wrong type"),
        pytest.param('"text"', id="text"),
        pytest.param(None, id="a number that is none"),
    ],
)
def test_an_autopilot_that_was_broken_by_hand_stalls_alone_until_it_is_applied(
    rig: Rig, spec: str | None
) -> None:
    documents = (agent(), autopilot("broken", schedule()), autopilot("triage", schedule()))
    rig.apply(*documents)
    statement = text("UPDATE autopilot SET spec = :spec WHERE id = :id")
    broken = {"spec": spec or with_a_word_for_a_number(rig), "id": id_of("broken")}
    rig.database.write(lambda tx: tx.execute(statement, broken) and None)
    assert len(rig.tick(minutes=1).runs) == 1
    assert rig.runs("broken") == []
    assert "apply its manifest again" in (rig.triggers("broken")["clock"].stalled_reason or "")
    rig.apply(*documents)
    rig.tick(minutes=1)
    assert (len(rig.runs("broken")), len(rig.runs("triage"))) == (1, 2)
    assert all(one.last is not None for one in rig.missed("broken"))


def with_a_word_for_a_number(rig: Rig) -> str:
    """The spec of `broken` as JSON, but for one value."""
    query = select(tables.autopilot.c.spec).where(tables.autopilot.c.id == id_of("broken"))
    spec = rig.database.read(lambda tx: tx.execute(query).scalar_one())
    return json.dumps({**spec, "maxConcurrency": "many"})


def test_what_a_stalled_trigger_misses_begins_with_its_nominal_moment(rig: Rig) -> None:
    rig.apply(agent(), autopilot("broken", schedule("5 8 * * *", jitter="30m")))
    break_cron(rig, "broken")
    rig.tick(minutes=40)
    (missed,) = rig.missed("broken")
    assert (missed.reason, missed.first) == (MissedReason.STALLED, at(8, 5))


def break_cron(rig: Rig, name: str) -> None:
    """Somebody edits the database by hand."""
    statement = text("UPDATE autopilot_trigger SET cron_expression = 'nonsense' WHERE id = :id")
    trigger = rig.triggers(name)["clock"].id
    rig.database.write(lambda tx: tx.execute(statement, {"id": trigger}) and None)
