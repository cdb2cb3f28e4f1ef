"""A row that somebody made unreadable is left alone until it is put back, and holds up nobody."""

from typing import Any

import pytest

from reconciler.control.runs.explain import explain
from reconciler.core.base.errors import Conflict
from reconciler.core.runs.run import Completed, Status
from tests.control.runs.test_explain import TERMS
from tests.support.receiver import Receiver
from tests.support.rig import Document, Rig, agent, autopilot, id_of, schedule, webhook
from tests.support.vandal import SPECS, scribble, tear

QUEUE = {"concurrencyPolicy": "queue", "maxConcurrency": 1}


def manifests() -> list[Document]:
    """The autopilot that is edited by hand, and its neighbour."""
    triggers = (schedule(), webhook())
    return [agent(), autopilot("triage", *triggers, **QUEUE), autopilot("other", *triggers)]


@pytest.fixture(params=[*SPECS, pytest.param("torn", id="half of its JSON")])
def broken(request: pytest.FixtureRequest, rig: Rig) -> Rig:
    """`triage` has an active and a waiting run when its spec is made unreadable."""
    rig.apply(*manifests())
    rig.launch("triage")
    rig.launch("triage")
    if request.param == "torn" and rig.database.name == "sqlite":
        tear(rig, "autopilot", "spec", "triage")  # PostgreSQL would keep no such JSON
    else:
        scribble(rig, "autopilot", "spec", request.param, "triage")
    return rig


def test_its_active_run_ends_and_nothing_else_begins(broken: Rig) -> None:
    active, waiting = broken.runs()
    broken.round()
    (held,) = broken.claim()
    assert held.run.id == active.id
    assert broken.complete(held).status is Status.COMPLETED
    assert broken.run_of(waiting.id).waiting


def test_its_neighbour_does_all_that_it_should(broken: Rig) -> None:
    receiver = Receiver(broken)
    broken.tick(minutes=1)
    broken.round()
    held = {one.run.autopilot: one for one in broken.claim()}
    assert broken.complete(held["other"]).source == "schedule"
    assert receiver.send(token=receiver.token("other")).status == 202
    assert broken.launch("other", force=True).active
    broken.tick(minutes=1)


def test_it_starts_nothing_and_says_why(broken: Rig) -> None:
    receiver = Receiver(broken)
    before = len(broken.runs())
    with pytest.raises(Conflict, match=r"default/triage was edited by hand") as error:
        broken.launch("triage")
    assert error.value.reason == "row-unreadable"
    answer = receiver.send()
    assert (answer.status, answer.body["code"]) == (503, "row-unreadable")
    assert answer.headers["Retry-After"]
    broken.tick(minutes=1)
    assert len(broken.runs()) == before
    now = broken.clock.now()
    steps = broken.database.read(lambda tx: explain(tx, id_of("triage"), now, now, TERMS))
    assert [step.verdict for step in steps[:2]] == ["in force", "unreadable"]


def test_once_it_is_put_back_what_waited_goes_on(broken: Rig) -> None:
    active, waiting = broken.runs()
    broken.end(active, Completed())
    broken.tick(minutes=1)
    broken.apply(*manifests())
    broken.tick()
    assert broken.run_of(waiting.id).active
    assert Receiver(broken).send().status == 202


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("spec", [], id="a list"),
        pytest.param("spec", {}, id="nothing in it"),
        pytest.param("webhook_secret", 5, id="secrets that are none"),
    ],
)
def test_a_webhook_trigger_that_cannot_be_read_is_not_taken_for_unknown(
    rig: Rig, column: str, value: Any
) -> None:
    rig.apply(*manifests())
    receiver = Receiver(rig)
    scribble(rig, "trigger", column, value, "hook")
    answer = receiver.send()
    assert (answer.status, answer.body["code"]) == (503, "row-unreadable")


def test_a_run_whose_agent_cannot_be_read_waits_for_it(rig: Rig) -> None:
    rig.apply(*manifests(), agent("second"), autopilot("fine", assignee=assigned("second")))
    scribble(rig, "agent", "spec", [], "bot")
    held_up, fine = rig.launch("triage"), rig.launch("fine")
    rig.round()
    assert rig.run_of(held_up.id).waiting_for == "agent"
    assert rig.run_of(fine.id).waiting_for == "claim"


def assigned(name: str) -> Document:
    """An agent as assignee."""
    return {"type": "agent", "id": name}
