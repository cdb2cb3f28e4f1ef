"""Cancelling: a waiting run ends at once, an active one is asked to, an ended one is refused."""

import pytest

from reconciler.control.runs.cancel import cancel
from reconciler.core.base.errors import Conflict, NotFound
from reconciler.core.runs.run import Completed, Run, Status
from tests.support.rig import COOLDOWN, Rig, agent, autopilot


def cancelled(rig: Rig, run_id: str, actor: str = "ada") -> Run:
    """Ask for the end of a run."""
    now = rig.clock.now()
    return rig.database.write(lambda tx: cancel(tx, run_id, actor, now, COOLDOWN))


@pytest.fixture
def pair(rig: Rig) -> tuple[Run, Run]:
    """An active run and one that waits for it."""
    rig.apply(agent(), autopilot(concurrencyPolicy="queue"))
    return rig.launch(), rig.launch()


def test_a_waiting_run_ends_at_once(rig: Rig, pair: tuple[Run, Run]) -> None:
    found = cancelled(rig, pair[1].id)
    assert (found.status, found.reason) == (Status.FAILED, "cancelled")
    assert found.failure_reason == "cancelled by ada"
    assert rig.run_of(pair[0].id).active


def test_an_active_run_is_asked_and_stays_active(rig: Rig, pair: tuple[Run, Run]) -> None:
    found = cancelled(rig, pair[0].id)
    assert found.active
    assert (found.cancel_requested_at, found.cancel_note) == (rig.clock.now(), "cancelled by ada")
    assert rig.run_of(pair[1].id).waiting


def test_the_first_request_stands(rig: Rig, pair: tuple[Run, Run]) -> None:
    first = cancelled(rig, pair[0].id)
    rig.clock.advance(minutes=1)
    assert cancelled(rig, pair[0].id, "bob") == first


def test_what_has_ended_is_refused(rig: Rig, pair: tuple[Run, Run]) -> None:
    rig.end(pair[0], Completed())
    with pytest.raises(Conflict, match="has ended already") as error:
        cancelled(rig, pair[0].id)
    assert error.value.reason == "run-ended"


def test_there_is_no_such_run(rig: Rig) -> None:
    with pytest.raises(NotFound):
        cancelled(rig, "01a20571-6419-72bc-8651-839f439eda41")
