"""Retention: what is old goes, what is needed stays."""

from dataclasses import replace
from datetime import timedelta

from reconciler.control.prune import Retention, prune_once
from reconciler.core.runs.run import Completed
from reconciler.store.engine.database import Tx
from reconciler.store.webhooks.deliveries import (
    Delivery,
    get_delivery,
    insert_deliveries,
    list_deliveries,
)
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


def test_what_another_rule_counts_stays_however_short_runs_are_kept(rig: Rig) -> None:
    """A limit of a day, and the answer to a repeated request, are those of the manifest."""
    rig.apply(agent(), autopilot(limits={"perDay": 1}))
    first = rig.launch(idempotency_key="k")
    rig.end(first, Completed("ok"))
    rig.clock.advance(hours=23)
    assert prune_once(rig.database, replace(KEPT, runs=timedelta(hours=1))) == {}
    assert rig.launch().reason == "rate_limited"
    rig.clock.advance(hours=48)
    prune_once(rig.database, replace(KEPT, runs=timedelta(hours=1)))
    assert rig.launch(idempotency_key="k").id == first.id
    rig.clock.advance(hours=2)
    assert prune_once(rig.database, replace(KEPT, runs=timedelta(hours=1)))["runs"] == 1


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


def received(rig: Rig, verdict: str = "accepted", body: bytes | None = b"{}") -> str:
    """A delivery of this moment."""
    one = Delivery(
        headers={},
        id=rig.ids.new(rig.clock.now()),
        received_at=rig.clock.now(),
        verdict=verdict,
        status_code=202,
        verified=True,
        body=body,
    )
    rig.database.write(lambda tx: insert_deliveries(tx, [one]))
    return one.id


def kept(rig: Rig) -> dict[str, bytes | None]:
    """The deliveries that are there, with their bodies, oldest first."""

    def read(tx: Tx) -> dict[str, bytes | None]:
        ids = [one.id for one in list_deliveries(tx, limit=2000)]
        found = [get_delivery(tx, id_) for id_ in reversed(ids)]
        return {one.id: one.body for one in found if one is not None}

    return rig.database.read(read)


def test_bodies_go_before_their_deliveries(rig: Rig) -> None:
    old = received(rig)
    sample = received(rig, "refused", None)
    rig.clock.advance(days=1)
    young = received(rig)
    rig.clock.advance(days=6, seconds=-1)
    assert prune_once(rig.database, KEPT) == {}
    rig.clock.advance(seconds=2)
    assert prune_once(rig.database, KEPT) == {"bodies": 1}
    assert kept(rig) == {old: None, sample: None, young: b"{}"}
    rig.clock.advance(days=1)
    assert prune_once(rig.database, KEPT) == {"bodies": 1}
    rig.clock.advance(days=22)
    assert prune_once(rig.database, KEPT) == {"deliveries": 2}
    assert kept(rig) == {young: None}


def test_more_bodies_than_fit_one_round_go_oldest_first(rig: Rig) -> None:
    ids = []
    for number in range(1203):
        if number % 100 == 0:
            rig.clock.advance(seconds=1)
            received(rig, "refused", None)
        ids.append(received(rig))
    rig.clock.advance(days=8)
    assert prune_once(rig.database, KEPT, most=1) == {"bodies": 500}
    bodies = kept(rig)
    assert [bodies[id_] is None for id_ in ids] == [True] * 500 + [False] * 703
    assert prune_once(rig.database, KEPT) == {"bodies": 703}
    assert prune_once(rig.database, KEPT) == {}


def test_a_run_that_ends_late_stays_for_its_time(rig: Rig) -> None:
    rig.apply(agent(), autopilot())
    run = rig.launch()
    rig.clock.advance(days=60)
    rig.end(run, Completed("at last"))
    rig.clock.advance(days=89)
    assert prune_once(rig.database, KEPT) == {}
    rig.clock.advance(days=2)
    assert prune_once(rig.database, KEPT) == {"runs": 1}
