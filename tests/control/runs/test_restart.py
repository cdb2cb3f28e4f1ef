"""A stalled trigger goes on once its cause is gone, and holds up nobody meanwhile."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text, update

from reconciler.control.runs.restart import restart_once
from reconciler.control.runs.switches import resume
from reconciler.core.runs.run import MissedReason
from reconciler.store import tables
from tests.control.conftest import Fresh
from tests.control.runs.test_tick import break_cron
from tests.support.clock import START
from tests.support.rig import Rig, agent, autopilot, id_of, schedule


def fix_cron(rig: Rig, name: str) -> None:
    """Somebody puts the database right by hand."""
    statement = text("UPDATE autopilot_trigger SET cron_expression = '* * * * *' WHERE id = :id")
    trigger = rig.triggers(name)["clock"].id
    rig.database.write(lambda tx: tx.execute(statement, {"id": trigger}) and None)


@pytest.fixture
def stalled(rig: Rig) -> Rig:
    """An autopilot whose trigger is stalled, its cause gone."""
    rig.apply(agent(), autopilot("triage", schedule(), maxConcurrency=100))
    break_cron(rig, "triage")
    rig.tick(minutes=1)
    assert rig.triggers()["clock"].stalled_reason
    fix_cron(rig, "triage")
    return rig


@pytest.mark.parametrize("how", ["start", "resume", "apply"])
def test_a_stalled_trigger_goes_on_when_the_cause_is_gone(stalled: Rig, how: str) -> None:
    stalled.clock.advance(minutes=10)
    if how == "start":
        restart_once(stalled.database)
    elif how == "resume":
        now = stalled.clock.now()
        stalled.database.write(lambda tx: resume(tx, id_of("triage"), now))
    else:  # the manifests are as they were
        stalled.apply(agent(), autopilot("triage", schedule(), maxConcurrency=100))
    stalled.tick(minutes=1)
    (run,) = stalled.runs()
    assert run.scheduled_for == stalled.clock.now()
    (missed,) = stalled.missed()
    assert (missed.reason, missed.last) == (
        MissedReason.STALLED,
        missed.first + timedelta(minutes=10),
    )


def test_it_stays_stalled_while_the_cause_is_there(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule()))
    break_cron(rig, "triage")
    rig.tick(minutes=1)
    assert restart_once(rig.database) == []
    assert len(rig.missed()) == 1


def test_a_reason_that_was_cleared_by_hand_makes_no_round_fail(rig: Rig) -> None:
    """The cursor stands before the interval that is recorded already."""
    rig.apply(agent(), autopilot("triage", schedule()), autopilot("other", schedule()))
    break_cron(rig, "triage")
    rig.tick(minutes=1)
    due = {"stalled_at": None, "stalled_reason": None, "next_run_at": rig.clock.now()}
    trigger = tables.autopilot_trigger
    statement = update(trigger).where(trigger.c.id == rig.triggers()["clock"].id).values(due)
    rig.database.write(lambda tx: tx.execute(statement) and None)
    assert len(rig.tick(minutes=1).runs) == 1
    assert [one.reason for one in rig.missed()] == [MissedReason.STALLED]


def record_interval(rig: Rig, name: str, first: datetime) -> None:
    """An interval stands in the way of one that begins at the same moment."""
    values = {
        "trigger_id": rig.triggers(name)["clock"].id, "autopilot_id": id_of(name),
        "reason": MissedReason.PAUSED, "first_at": first, "last_at": first, "count": 1,
        "exact": True, "detail": "by hand", "created_at": first,
    }  # fmt: skip
    rig.database.write(
        lambda tx: tx.execute(insert(tables.missed_interval).values(values)) and None
    )


@pytest.mark.hypothesis
def test_one_trigger_s_failing_write_never_holds_up_its_neighbours(on_sqlite: Fresh) -> None:
    names = [f"a{number}" for number in range(9)]
    faults = st.dictionaries(st.sampled_from(names), st.sampled_from(["run", "interval", "cron"]))

    @settings(max_examples=15, deadline=None)
    @given(faults)
    def story(faulty: dict[str, str]) -> None:
        with on_sqlite(START) as rig:
            documents = [autopilot(name, schedule(catchUp="none")) for name in names]
            rig.apply(agent(), autopilot("donor", maxConcurrency=100), *documents)
            first, second = START + timedelta(minutes=1), START + timedelta(minutes=2)
            for name, fault in faulty.items():
                spoil(rig, name, fault, first, second)
            rig.tick(minutes=2)
            for name in set(names) - set(faulty):
                assert [run.scheduled_for for run in rig.runs(name)] == [second]
            rig.tick(minutes=1)
            for name in {name for name in names if faulty.get(name) != "cron"}:
                assert rig.triggers(name)["clock"].stalled_reason is None
                assert rig.triggers(name)["clock"].next_run_at == START + timedelta(minutes=4)

    story()


def spoil(rig: Rig, name: str, fault: str, first: datetime, second: datetime) -> None:
    """Put something in the way of what a trigger will write."""
    if fault == "run":
        run = rig.launch("donor")
        t = tables.autopilot_run
        values = {"trigger_id": rig.triggers(name)["clock"].id, "scheduled_for": second}
        statement = update(t).where(t.c.id == run.id).values(values)
        rig.database.write(lambda tx: tx.execute(statement) and None)
    elif fault == "interval":
        record_interval(rig, name, first)
    else:
        break_cron(rig, name)
