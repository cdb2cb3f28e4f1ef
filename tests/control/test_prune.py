"""Retention: what is old goes, what is needed stays."""

from datetime import timedelta

from reconciler.control.prune import Retention, prune_once
from reconciler.core.run import Completed
from tests.support.rig import Rig, agent, autopilot, schedule

KEPT = Retention(
    runs=timedelta(days=90),
    deliveries=timedelta(days=30),
    bodies=timedelta(days=7),
    revisions=timedelta(days=365),
)


def test_old_runs_go_and_those_that_have_not_ended_stay(rig: Rig) -> None:
    rig.apply(agent(), autopilot(maxConcurrency=5))
    old, open_ = rig.launch(), rig.launch()
    rig.end(old, Completed("ok"))
    rig.clock.advance(days=89)
    young = rig.launch()
    rig.end(young, Completed("ok"))
    assert prune_once(rig.database, KEPT) == {}
    rig.clock.advance(days=2)
    assert prune_once(rig.database, KEPT) == {"runs": 1}
    assert [run.id for run in rig.runs()] == [open_.id, young.id]


def test_old_intervals_go(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("0 * * * *"), status="paused"))
    rig.tick(hours=5)
    rig.clock.advance(days=91)
    assert prune_once(rig.database, KEPT) == {"intervals": 1}


def test_the_revision_in_force_is_never_forgotten(rig: Rig) -> None:
    rig.apply(agent(), autopilot())
    rig.apply(agent(), autopilot(title="Other"))
    rig.clock.advance(days=366)
    assert prune_once(rig.database, KEPT) == {"revisions": 1}
    assert prune_once(rig.database, KEPT) == {}
    assert rig.apply(agent(), autopilot(title="Other")).plan.is_empty


def test_a_key_that_ran_out_goes(rig: Rig) -> None:
    rig.apply(agent(), autopilot(maxConcurrency=5))
    first = rig.launch(idempotency_key="k")
    assert rig.launch(idempotency_key="k").id == first.id
    rig.clock.advance(hours=73)
    assert prune_once(rig.database, KEPT) == {"keys": 1}
    assert rig.launch(idempotency_key="k").id != first.id
