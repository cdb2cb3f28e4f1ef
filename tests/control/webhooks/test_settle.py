"""A group whose writer ended before it answered: its results are found, or it is written now."""

import pytest

from reconciler.control.runs.switches import pause
from reconciler.control.webhooks.accept import (
    Accepted,
    AcceptResult,
    Declined,
    Duplicate,
    KeyReused,
    Verified,
    accept_all,
)
from reconciler.control.webhooks.settle import settle_all
from reconciler.store.webhooks.deliveries import list_deliveries
from tests.support.rig import COOLDOWN, Rig, agent, autopilot, id_of, webhook
from tests.support.verified import verified


@pytest.fixture
def hook(rig: Rig) -> Rig:
    """An autopilot with a webhook and one run at a time, and one that is paused."""
    rig.apply(agent(), autopilot("triage", webhook()), autopilot("other", webhook()))
    now = rig.clock.now()
    rig.database.write(lambda tx: pause(tx, id_of("other"), "ada", "holiday", now))
    return rig


def a_group(hook: Rig) -> list[Verified]:
    """One of each kind that leaves a trace."""
    return [
        verified(hook, key="a"),
        verified(hook),
        verified(hook, key="a"),
        verified(hook, key="a", body=b"1"),
        verified(hook, name="other"),
    ]


def accept(rig: Rig, group: list[Verified]) -> list[AcceptResult]:
    """What the writer does."""
    return rig.database.write(lambda tx: accept_all(tx, group, rig.database.now, COOLDOWN))


def settle(rig: Rig, group: list[Verified]) -> list[AcceptResult]:
    """What is done in its place."""
    return rig.database.write(lambda tx: settle_all(tx, group, rig.database.now, COOLDOWN))


KINDS = [Accepted, Accepted, Duplicate, KeyReused, Declined]


def test_what_was_committed_is_answered_as_it_was_and_not_written_again(hook: Rig) -> None:
    group = a_group(hook)
    written = accept(hook, group)
    runs, recorded = hook.runs(), hook.database.read(lambda tx: list_deliveries(tx, limit=200))
    assert settle(hook, group) == written
    assert [type(result) for result in written] == KINDS
    assert hook.runs() == runs
    assert len(hook.database.read(lambda tx: list_deliveries(tx, limit=200))) == len(recorded)


def test_what_was_not_committed_is_written(hook: Rig) -> None:
    group = a_group(hook)
    assert [type(result) for result in settle(hook, group)] == KINDS
    assert {run.id for run in hook.runs()} == {group[0].firing.id, group[1].firing.id}
