"""Rows that were edited by hand into nonsense: every list and page is there, and says so."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text, update

from reconciler.control.notify.log_channel import LogChannel
from reconciler.core.runs.run import Completed
from reconciler.store.runs.approvals import ask_approval
from reconciler.store.tables import (
    approval,
    autopilot_run,
    autopilot_trigger,
    delivery,
    notification,
    notification_attempt,
    revision,
)
from tests.support.notifying import outbox, send, tells
from tests.support.rig import Rig, agent, autopilot, id_of, schedule, webhook
from tests.support.vandal import SPECS, break_column, scribble, tear
from tests.web.conftest import Ask

TRIAGE = id_of("triage")
API = [
    "/v1/autopilots", f"/v1/autopilots/{TRIAGE}", "/v1/autopilots?label=team", "/v1/agents",
    "/v1/autopilots?health=healthy", f"/v1/autopilots/{TRIAGE}/runs", "/v1/drift", "/v1/status",
    f"/v1/autopilots/{TRIAGE}/next", f"/v1/autopilots/{TRIAGE}/why",
    f"/v1/autopilots/{TRIAGE}/timeline", "/v1/squads", "/v1/runs", "/v1/export", "/metrics",
]  # fmt: skip
PAGES = ["/", f"/autopilots/{TRIAGE}", f"/autopilots/{id_of('other')}", "/runs", "/sources"]


@pytest.fixture
def applied(rig: Rig) -> Rig:
    """The autopilot that is edited by hand, and its neighbour; both have run."""
    triggers = (schedule(), webhook())
    rig.apply(agent(), autopilot("triage", *triggers, title="Mine"), autopilot("other", *triggers))
    rig.launch("triage")
    rig.launch("other")
    return rig


def assert_all_there(ask: Ask) -> None:
    """Nothing answers anything but 200."""
    answers = {path: ask("GET", path).status_code for path in (*API, *PAGES)}
    assert {path: status for path, status in answers.items() if status != 200} == {}


@pytest.mark.parametrize("spec", SPECS)
def test_a_spec(applied: Rig, ask: Ask, spec: Any) -> None:
    scribble(applied, "autopilot", "spec", spec, "triage")
    assert_all_there(ask)
    page = ask("GET", f"/autopilots/{TRIAGE}").text
    assert "Its row was edited by hand" in page
    assert "Mine" in page
    assert "Its row was" not in ask("GET", f"/autopilots/{id_of('other')}").text


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        pytest.param("autopilot", "labels", [1], id="labels are a list"),
        pytest.param("autopilot", "labels", "x", id="labels are a text"),
        pytest.param("autopilot", "former_names", 5, id="former names are a number"),
        pytest.param("trigger", "spec", [], id="triggers are lists"),
        pytest.param("trigger", "spec", {}, id="triggers say nothing"),
        pytest.param("trigger", "webhook_secret", 5, id="secrets are a number"),
        pytest.param("agent", "spec", [], id="an agent is a list"),
    ],
)
def test_another_column(applied: Rig, ask: Ask, table: str, column: str, value: Any) -> None:
    scribble(applied, table, column, value)
    assert_all_there(ask)


@pytest.mark.parametrize(
    ("table", "column", "name"),
    [
        ("autopilot", "spec", "triage"), ("autopilot", "labels", "triage"),
        ("trigger", "spec", "hook"), ("trigger", "spec", "clock"), ("agent", "spec", "bot"),
    ],
)  # fmt: skip
def test_half_of_the_json(applied: Rig, ask: Ask, table: str, column: str, name: str) -> None:
    tear(applied, table, column, name)
    assert_all_there(ask)


def test_a_run(applied: Rig, ask: Ask) -> None:
    (run,) = applied.runs("triage")
    break_column(applied, autopilot_run.c.cancel_reason, "'whim'", run.id)
    assert_all_there(ask)
    assert ask("GET", "/v1/runs?limit=1").json()["items"][0]["autopilotId"] == id_of("other")
    answer = ask("GET", f"/v1/runs/{run.id}")
    assert (answer.status_code, answer.json()["code"]) == (409, "row-unreadable")
    assert "its column cancel_reason holds 'whim'" in answer.json()["detail"]


def test_a_next_moment(applied: Rig, ask: Ask) -> None:
    clock = applied.triggers("triage")["clock"].id
    break_column(applied, autopilot_trigger.c.next_run_at, "'soon'", clock)
    assert_all_there(ask)
    assert ask("GET", f"/v1/autopilots/{TRIAGE}").json()["status"]["nextRunAt"] is None


def test_records_whose_moments_are_none(applied: Rig, ask: Ask) -> None:
    """Deliveries, revisions, notifications and questions: their lists and pages are there."""
    applied.apply(agent(), autopilot("triage", webhook(), notify=[tells("completed")]))
    applied.end(applied.runs("triage")[0], Completed("done"))
    run = applied.launch("triage")
    now, hook = applied.clock.now(), applied.triggers("triage")["hook"].id
    asked = applied.database.write(
        lambda tx: ask_approval(tx, run.id, "may I?", "", now, reported=True)
    )
    sender = ask("GET", f"/v1/autopilots/{TRIAGE}/triggers/{hook}/url").json()["url"]
    sent = [ask("POST", urlsplit(sender).path, json={"n": n}).json()["deliveryId"] for n in (1, 2)]
    applied.end(run, Completed("done"))
    send(applied, {"oncall": LogChannel()})
    (told,) = outbox(applied)
    newest, *_ = ask("GET", "/v1/revisions").json()["items"]
    for column, id_ in (
        (delivery.c.received_at, sent[0]),
        (revision.c.created_at, newest["id"]),
        (notification.c.created_at, told.id),
        (approval.c.asked_at, asked),
    ):
        break_column(applied, column, "'soon'", id_)
    pages = ["/deliveries", "/sources", "/notifications", "/usage", "/timeline", f"/runs/{run.id}"]
    lists = ["/v1/deliveries", "/v1/revisions", "/v1/notifications", "/v1/usage?by=day"]
    for path in (*pages, *lists, *API, *PAGES):
        assert ask("GET", path).status_code == 200, path
    assert [each["id"] for each in ask("GET", "/v1/deliveries").json()["items"]] == [sent[1]]
    for path in (f"/v1/deliveries/{sent[0]}", f"/v1/notifications/{told.id}"):
        answer = ask("GET", path)
        assert (answer.status_code, answer.json()["code"]) == (409, "row-unreadable")
    applied.database.write(lambda tx: tx.execute(update(notification).values(created_at=now)))
    rows = update(notification_attempt).values(at=text("'soon'"))
    applied.database.write(lambda tx: tx.execute(rows))
    assert ask("GET", f"/v1/notifications/{told.id}").json()["log"] == []


def test_what_cannot_be_done_is_a_conflict(applied: Rig, ask: Ask) -> None:
    hook = applied.triggers("triage")["hook"].id
    scribble(applied, "trigger", "spec", [], "hook")
    scribble(applied, "autopilot", "spec", [], "triage")
    for method, path in (
        ("GET", f"/v1/autopilots/{TRIAGE}/triggers/{hook}/url"),
        ("POST", f"/v1/autopilots/{TRIAGE}/run"),
    ):
        answer = ask(method, path)
        assert (answer.status_code, answer.json()["code"]) == (409, "row-unreadable")
    for word in ("pause", "resume"):
        assert ask("POST", f"/v1/autopilots/{TRIAGE}/{word}").status_code == 200


def test_a_row_without_a_source_has_nothing_to_show_instead(applied: Rig, ask: Ask) -> None:
    scribble(applied, "autopilot", "spec", [], "triage")
    scribble(applied, "autopilot", "applied_digest", None, "triage")
    assert ask("GET", f"/autopilots/{TRIAGE}").status_code == 409
    assert ask("GET", "/").status_code == 200
