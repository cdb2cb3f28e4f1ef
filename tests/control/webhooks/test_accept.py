"""Verified deliveries in one transaction: keys, runs and records together, in order of arrival."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from reconciler.control.runs.switches import pause
from reconciler.control.webhooks.accept import (
    Accepted,
    AcceptResult,
    Declined,
    Duplicate,
    KeyReused,
    Stale,
    Verified,
    accept_all,
)
from reconciler.store.engine.database import Tx
from reconciler.store.runs.occupancy import lock_autopilots
from reconciler.store.webhooks.deliveries import list_deliveries
from tests.support.rig import COOLDOWN, Rig, agent, autopilot, id_of, webhook
from tests.support.verified import verified


def accept(rig: Rig, *deliveries: Verified) -> list[AcceptResult]:
    """Take them in one transaction."""
    clock = rig.database.now
    return rig.database.write(lambda tx: accept_all(tx, deliveries, clock, COOLDOWN))


def kinds(results: list[AcceptResult]) -> list[type]:
    """What became of each."""
    return [type(one) for one in results]


def kept(rig: Rig) -> dict[str, tuple[str, int]]:
    """Each delivery that is recorded: its verdict and how often it came."""
    found = rig.database.read(lambda tx: list_deliveries(tx, limit=200))
    return {one.id: (one.verdict, one.attempts) for one in found}


@pytest.fixture
def hook(rig: Rig) -> Rig:
    """An autopilot with a webhook and one run at a time."""
    rig.apply(agent(), autopilot("triage", webhook()), autopilot("other", webhook()))
    return rig


def test_a_group_is_answered_in_order(hook: Rig) -> None:
    group = [verified(hook, key="a"), verified(hook, name="other"), verified(hook, key="b")]
    results = accept(hook, *group)
    assert kinds(results) == [Accepted, Accepted, Accepted]
    assert [one.run_id for one in results if isinstance(one, Accepted)] == [
        one.firing.id for one in group
    ]
    assert [run.reason for run in hook.runs()] == [None, "overlap"]
    assert kept(hook) == {
        group[0].delivery.id: ("accepted", 1),
        group[1].delivery.id: ("accepted", 1),
        group[2].delivery.id: ("skipped", 1),
    }


@pytest.mark.parametrize("together", [True, False], ids=["in one group", "one after the other"])
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param({"key": "k"}, {"key": "k"}, Duplicate, id="the same key"),
        pytest.param({"key": "k"}, {"key": "K"}, Accepted, id="another key"),
        pytest.param({"key": "k"}, {"key": "k", "body": b"1"}, KeyReused, id="another body"),
        pytest.param({"key": "k", "explicit": False},
                     {"key": "k", "explicit": False, "body": b"1"}, Duplicate,
                     id="the provider's id with another body"),
        pytest.param({"replay": "r"}, {"replay": "r"}, Duplicate, id="the same signature"),
        pytest.param({"key": "a", "replay": "r"}, {"key": "b", "replay": "r"}, Duplicate,
                     id="the same signature under another key"),
        pytest.param({"key": "r"}, {"replay": "r"}, Accepted, id="a key is no signature"),
        pytest.param({}, {}, Accepted, id="nothing to know it by"),
        pytest.param({"key": "k"}, {"key": "k", "name": "other"}, Accepted, id="another trigger"),
    ],
)  # fmt: skip
def test_what_is_known_again(
    hook: Rig, first: dict[str, Any], second: dict[str, Any], expected: type, together: bool
) -> None:
    one, other = verified(hook, **first), verified(hook, **second)
    results = accept(hook, one, other) if together else accept(hook, one) + accept(hook, other)
    assert kinds(results) == [Accepted, expected]
    match results[1]:
        case Duplicate(run_id, delivery_id):
            assert (run_id, delivery_id) == (one.firing.id, one.delivery.id)
            assert kept(hook) == {one.delivery.id: ("accepted", 2)}
        case KeyReused():
            assert [*kept(hook)] == [one.delivery.id]
        case _:
            assert {*kept(hook)} == {one.delivery.id, other.delivery.id}


def test_a_replay_is_known_for_its_window_only(hook: Rig) -> None:
    accept(hook, verified(hook, replay="r"))
    hook.clock.advance(minutes=10)
    assert kinds(accept(hook, verified(hook, replay="r"))) == [Accepted]


def test_not_in_force_is_recorded_and_uses_up_no_key(hook: Rig) -> None:
    now = hook.clock.now()
    hook.database.write(lambda tx: pause(tx, id_of("triage"), "ada", "holiday", now))
    one = verified(hook, key="k")
    (result,) = accept(hook, one)
    assert isinstance(result, Declined)
    assert "holiday" in result.reason
    assert kept(hook) == {one.delivery.id: ("ignored", 1)}
    hook.apply(agent(), autopilot("triage", webhook()), autopilot("other", webhook()))
    assert hook.runs() == []


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(autopilot("triage", webhook(maxBody="2KiB")), id="the trigger"),
        pytest.param(autopilot("triage", webhook(), title="Edited"), id="the autopilot"),
        pytest.param(autopilot("triage"), id="the trigger is gone"),
    ],
)
def test_what_was_changed_meanwhile_is_looked_at_again(hook: Rig, edit: dict[str, Any]) -> None:
    one, neighbour = verified(hook), verified(hook, name="other")
    hook.clock.advance(seconds=1)
    hook.apply(agent(), edit, autopilot("other", webhook()))
    assert kinds(accept(hook, one, neighbour)) == [Stale, Accepted]
    assert hook.runs() == []
    assert [*kept(hook)] == [neighbour.delivery.id]


def test_a_group_that_cannot_be_written_leaves_nothing(hook: Rig) -> None:
    taken = verified(hook, key="a")
    accept(hook, taken)
    fresh, poisoned = verified(hook, key="b"), verified(hook)
    with pytest.raises(IntegrityError):
        accept(hook, fresh, poisoned, poisoned)
    assert {*kept(hook)} == {taken.delivery.id}
    assert kinds(accept(hook, fresh)) == [Accepted]


def test_a_key_that_expires_while_the_autopilot_is_locked_counts_no_more(hook: Rig) -> None:
    """The moment that decides is that of the lock, not that at which the transaction began."""
    accept(hook, verified(hook, replay="r"))
    again, locked, began = verified(hook, replay="r"), Event(), Event()

    def hold() -> None:
        def body(tx: Tx) -> None:
            lock_autopilots(tx, [id_of("triage")])
            locked.set()
            assert began.wait(60)
            hook.clock.advance(minutes=11)

        hook.database.write(body)

    with ThreadPoolExecutor(2) as pool:
        holder = pool.submit(hold)
        assert locked.wait(60)
        taker = pool.submit(accept, hook, again)
        began.set()
        holder.result(20)
        assert kinds(taker.result(20)) == [Accepted]
