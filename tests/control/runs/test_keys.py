"""A concurrencyKey that cannot be evaluated: the run stands alone, and says why."""

from reconciler.core.runs.key import with_note
from reconciler.core.runs.view import run_document
from tests.support.rig import Document, Rig, agent, autopilot

REPLACE: Document = {
    "concurrencyPolicy": "replace",
    "concurrencyKey": "payload.pr",
    "maxActive": 10,
}


def test_under_replace_runs_without_a_key_do_not_stop_one_another(rig: Rig) -> None:
    rig.apply(agent(), autopilot(**REPLACE))
    first, second = rig.launch(payload={"other": 1}), rig.launch(payload={"other": 2})
    assert first.active
    assert second.active
    assert rig.run_of(first.id).cancel_requested_at is None
    assert first.key != second.key
    assert "concurrencyKey could not be evaluated" in (second.note or "")


def test_runs_show_their_key(rig: Rig) -> None:
    rig.apply(agent(), autopilot(**REPLACE), autopilot("plain"))
    assert run_document(rig.launch(payload={"pr": 7}))["key"] == "7"
    assert run_document(rig.launch("plain"))["key"] is None


def test_why_it_stands_alone_stays_whatever_else_is_to_be_said(rig: Rig) -> None:
    rig.apply(agent(), autopilot(**REPLACE))
    alone, keyed = rig.launch(payload={}), rig.launch(payload={"pr": 7})
    assert with_note(keyed, "waits for approval") == "waits for approval"
    both = with_note(alone, "waits for approval")
    assert both == f"{alone.note}\nwaits for approval"
    assert with_note(alone, None) == alone.note
