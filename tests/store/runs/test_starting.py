"""Steps of leased runs: written where the lease is held, each move once."""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.core.runs.run import Completed, Run, Status
from reconciler.store.engine.facts import RunStarted
from reconciler.store.runs.leases import Lease, requeue_expired, take
from reconciler.store.runs.starting import Step, take_steps
from tests.support.rig import Rig, agent, autopilot

HANDLE: dict[str, Any] = {"handle": {"task": "t"}}


@pytest.fixture
def leased(rig: Rig) -> list[Run]:
    """Three runs that `me` holds for 30 seconds."""
    rig.apply(agent(), autopilot(maxConcurrency=10))
    lease = Lease("me", rig.clock.now() + timedelta(seconds=30), "bot")
    queued = [(rig.launch(), lease) for _ in range(3)]
    taken = rig.database.write(lambda tx: take(tx, queued))
    return [run for run in taken if run is not None]


def write(rig: Rig, *steps: Step, owner: str = "me") -> list[bool]:
    """Write steps at this moment."""
    now = rig.clock.now()
    return rig.database.write(lambda tx: take_steps(tx, steps, owner, now))


def test_each_gets_its_own_values(rig: Rig, leased: list[Run]) -> None:
    first, second, third = leased
    assert write(rig, Step(first, {"session_id": "s1"}), Step(second, {"session_id": "s2"})) == [
        True,
        True,
    ]
    assert [rig.run_of(run.id).session_id for run in leased] == ["s1", "s2", None]
    assert rig.run_of(third.id) == third


def test_who_lost_the_lease_writes_nothing_and_the_others_do(rig: Rig, leased: list[Run]) -> None:
    ended, again, mine = leased
    rig.end(ended, Completed())
    stale = Step(again, HANDLE)
    assert write(rig, stale, owner="you") == [False]
    rig.clock.advance(seconds=31)
    assert write(rig, stale, Step(mine, HANDLE)) == [False, False], "expired"
    lease = Lease("me", rig.clock.now() + timedelta(seconds=30), "bot")
    rig.database.write(lambda tx: requeue_expired(tx, rig.clock.now()))
    queued = [(rig.run_of(run.id), lease) for run in (again, mine)]
    _, held = rig.database.write(lambda tx: take(tx, queued))
    assert held is not None
    steps = (Step(ended, HANDLE), stale, Step(held, HANDLE))
    assert write(rig, *steps) == [False, False, True], "the lease of an attempt before is lost"
    assert [rig.run_of(run.id).handle for run in leased] == [None, None, HANDLE["handle"]]


def test_a_move_is_made_once(rig: Rig, leased: list[Run]) -> None:
    run, other, _ = leased
    facts: list[object] = []
    rig.database.observe = facts.append
    running = Step(run, {}, Status.RUNNING, HANDLE)
    assert write(rig, running, Step(other, HANDLE, Status.SESSION_CREATED)) == [True, True]
    began = rig.clock.now()
    rig.clock.advance(seconds=5)
    assert write(rig, Step(run, {}, Status.RUNNING, {"handle": {"another": "one"}})) == [True]
    now = rig.run_of(run.id)
    assert (now.status, now.started_at, now.handle) == (Status.RUNNING, began, HANDLE["handle"])
    assert rig.run_of(other.id).status is Status.SESSION_CREATED
    assert facts == [RunStarted(0.0)]
