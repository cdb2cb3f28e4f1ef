"""Sums of what runs used, on both databases, read off one index."""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.core.runs.usage import Usage
from reconciler.store.engine.database import Database
from reconciler.store.runs.usage import UsageSum, sum_usage, sum_usage_by, usage_of
from tests.support.plans import plan_of
from tests.support.rig import Rig, agent, autopilot, id_of

COST = Usage(cost_micros=250_001, input_tokens=1000, output_tokens=10, cached_tokens=400)


def ended(rig: Rig, usage: Usage | None, name: str = "triage", **where: Any) -> None:
    """One run that ends now."""
    rig.end(rig.launch(name, **where), Completed("x", usage))


@pytest.fixture
def used(rig: Rig) -> Rig:
    """Three runs: two that say what they cost, a minute apart, and one that does not."""
    rig.apply(agent(), autopilot("triage"), autopilot("digest"))
    ended(rig, COST)
    rig.clock.advance(minutes=1)
    ended(rig, COST)
    ended(rig, None, "digest")
    rig.launch("digest")
    return rig


def test_sums_are_exact_and_say_how_many_runs_have_no_known_cost(used: Rig) -> None:
    now = used.clock.now()
    start, end = now - timedelta(hours=1), now + timedelta(seconds=1)
    total = used.database.read(lambda tx: sum_usage(tx, start, end, None))
    assert total == UsageSum(
        runs=3,
        without_cost=1,
        cost_micros=500_002,
        input_tokens=2000,
        output_tokens=20,
        cached_tokens=800,
    )
    by = used.database.read(lambda tx: sum_usage_by(tx, "autopilot", start, end, None))
    assert {key: (sum_.runs, sum_.cost_micros) for key, sum_ in by.items()} == {
        ("default", id_of("triage")): (2, 500_002),
        ("default", id_of("digest")): (1, 0),
    }


def test_the_end_of_the_stretch_is_not_included(used: Rig) -> None:
    now = used.clock.now()
    early = used.database.read(lambda tx: sum_usage(tx, now - timedelta(hours=1), now, None))
    assert (early.runs, early.cost_micros) == (1, 250_001)


def test_other_workspaces_are_not_summed(used: Rig) -> None:
    now = used.clock.now()
    nothing = used.database.read(
        lambda tx: sum_usage(tx, now - timedelta(hours=1), now, frozenset({"other"}))
    )
    assert nothing == UsageSum()


def test_a_run_that_failed_has_cost_something_too(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage"))
    run = rig.launch()
    rig.round()
    (held,) = rig.claim()
    assert held.run.id == run.id
    rig.beat(held)
    rig.end(run, Failed(Reason.AGENT_FAILED, "broke", usage=COST))
    now = rig.clock.now()
    total = rig.database.read(
        lambda tx: sum_usage(tx, now - timedelta(1), now + timedelta(1), None)
    )
    assert (total.runs, total.cost_micros) == (1, 250_001)


@pytest.mark.parametrize("by", [None, "autopilot", "agent", "workspace"])
def test_only_the_index_is_read(empty: Database, by: Any) -> None:
    now = empty.read(empty.now)

    def read(tx: Any) -> object:
        start = now - timedelta(days=1)
        return (
            sum_usage(tx, start, now, None)
            if by is None
            else sum_usage_by(tx, by, start, now, None)
        )

    plan = plan_of(empty, read)
    assert any("USING COVERING INDEX ix_run_usage (completed_at>" in line for line in plan), plan


def test_what_autopilots_used_lately_is_summed_for_each(used: Rig) -> None:
    now, ids = used.clock.now(), [id_of("triage"), id_of("digest"), id_of("unknown")]
    hour = used.database.read(lambda tx: usage_of(tx, ids, now - timedelta(hours=1)))
    late = used.database.read(lambda tx: usage_of(tx, ids, now))
    assert {id_: (sum_.runs, sum_.cost_micros) for id_, sum_ in hour.items()} == {
        ids[0]: (2, 500_002),
        ids[1]: (1, 0),
    }
    assert late[ids[0]].cost_micros == 250_001
