"""The budget of an agent, as its row holds it: applied, changed, removed, edited by hand."""

import json

import pytest
from sqlalchemy import text

from reconciler.core.money.budget import Budget
from reconciler.store.engine.database import Tx
from reconciler.store.money.budgets import read_terms
from tests.support.rig import Rig, agent, autopilot

AGENT = "agent/default/bot"


def limits(rig: Rig) -> dict[str, Budget]:
    return dict(rig.database.read(lambda tx: read_terms(tx).budgets))


def test_it_follows_the_manifest_and_is_no_change_once_applied(rig: Rig) -> None:
    objects = [agent(budget={"perDay": 2.5}), autopilot(budget={"perRun": 0.1, "perMonth": 7})]
    rig.apply(*objects)
    assert limits(rig) == {AGENT: Budget(per_day=2_500_000)}
    assert rig.apply(*objects).plan.changes == ()
    rig.apply(agent(budget={"perDay": 3}), objects[1])
    assert limits(rig) == {AGENT: Budget(per_day=3_000_000)}
    rig.apply(agent(), objects[1])
    assert limits(rig) == {}


def test_what_is_archived_limits_nothing(rig: Rig) -> None:
    rig.apply(agent("bot"), agent("old", budget={"perDay": 1}), agent("third"))
    rig.apply(agent("bot"), agent("third"))
    assert limits(rig) == {}


@pytest.mark.parametrize("written", [{"perDay": "x"}, [1], "text", {"perDay": {"a": 1}}])
def test_a_row_that_was_edited_by_hand_stops_no_run_and_is_put_back(
    rig: Rig, written: object
) -> None:
    objects = [agent(budget={"perDay": 2.5}), autopilot()]
    rig.apply(*objects)

    def edit(tx: Tx) -> None:
        tx.execute(text("UPDATE agent SET budget = :value"), {"value": json.dumps(written)})

    rig.database.write(edit)
    assert rig.launch().admitted_at is not None
    rig.apply(*objects)
    assert limits(rig) == {AGENT: Budget(per_day=2_500_000)}
