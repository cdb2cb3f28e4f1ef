"""Writes of manifests under `reject`: what changes nothing is fine, all else belongs into git."""

from typing import Any

import httpx
import pytest

from tests.support.rig import Rig, agent, autopilot, id_of, manifest, schedule
from tests.web.conftest import Ask

TRIGGER = schedule("0 9 * * *")


@pytest.fixture
def path(rig: Rig) -> str:
    """The address of an autopilot with one trigger."""
    rig.apply(agent(), autopilot("triage", TRIGGER))
    return f"/v1/autopilots/{id_of('triage')}"


def _triggers(path: str, ask: Ask) -> str:
    found = ask("GET", path).json()["status"]["triggers"][0]["id"]
    return f"{path}/triggers/{found}"


def _refused(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 409, answer.text
    body: dict[str, Any] = answer.json()
    assert body["code"] == "yaml-is-the-source"
    return body


def test_what_was_read_can_be_put_back_and_changes_nothing(path: str, ask: Ask) -> None:
    before = ask("GET", path).json()
    answer = ask("PUT", path, json=before)
    assert (answer.status_code, answer.json()) == (200, before)


def test_an_explicit_default_changes_nothing(path: str, ask: Ask) -> None:
    manifest = autopilot("triage", {**TRIGGER, "enabled": True}, queueLimit=10)
    assert ask("POST", "/v1/autopilots", json=manifest).status_code == 200


def test_a_change_is_refused_with_its_place_and_plan(path: str, ask: Ask) -> None:
    before = ask("GET", path).json()
    manifest = {**before, "spec": {**before["spec"], "title": "Another title"}}
    body = _refused(ask("PUT", path, json=manifest))
    assert body["origin"]["path"] == "triage.yaml"
    (change,) = body["plan"]["changes"]
    assert (change["action"], change["name"]) == ("update", "triage")
    assert change["position"] == {"path": "triage.yaml", "line": 1, "column": 1}
    assert change["fields"] == [
        {"path": "spec.title", "before": "Triage", "after": "Another title"}
    ]
    assert ask("GET", path).json() == before


def test_the_plan_of_a_refusal_says_what_follows(rig: Rig, ask: Ask) -> None:
    """As `POST /v1/plan` does: fire times, runs and dollars a day, what is newly reached."""
    squad = manifest("Squad", "team", {"members": ["bot"]})
    rig.apply(agent(budget={"perRun": 2}), squad, autopilot("triage", TRIGGER))
    wanted = autopilot(
        "triage",
        schedule("0 8,20 * * *"),
        assignee={"type": "squad", "id": "team"},
        notify=[{"on": ["failed"], "to": "log"}],
    )
    body = _refused(ask("PUT", f"/v1/autopilots/{id_of('triage')}", json=wanted))
    (change,) = body["plan"]["changes"]
    follows = change["consequences"]
    assert follows["runsPerDay"] == {"before": 1, "after": 2}
    assert follows["dollarsPerDay"] == {"before": 2, "after": 4}
    assert follows["newlyReaches"]["channels"] == ["log"]
    assert [fire["utc"][11:16] for fire in follows["nextRuns"]["before"]] == ["09:00"] * 3
    assert {fire["utc"][11:16] for fire in follows["nextRuns"]["after"]} == {"08:00", "20:00"}
    removed = _refused(ask("DELETE", f"/v1/autopilots/{id_of('triage')}"))
    assert removed["plan"]["changes"][0]["consequences"]["runsPerDay"] == {"before": 1, "after": 0}


def test_a_creation_names_the_new_file(path: str, ask: Ask) -> None:
    body = _refused(ask("POST", "/v1/autopilots", json=autopilot("deploy")))
    assert body["origin"] is None
    assert "default/deploy.yaml" in body["detail"]
    (change,) = body["plan"]["changes"]
    assert (change["action"], change["position"]["path"]) == ("create", "default/deploy.yaml")


def test_a_removal_is_planned_as_archive(path: str, ask: Ask) -> None:
    body = _refused(ask("DELETE", path))
    assert [change["action"] for change in body["plan"]["changes"]] == ["archive"]


def test_removing_what_has_left_changes_nothing(rig: Rig, path: str, ask: Ask) -> None:
    rig.apply(agent(), autopilot("other"))
    assert ask("DELETE", path).status_code == 200


def test_triggers_are_written_one_by_one(path: str, ask: Ask) -> None:
    own = _triggers(path, ask)
    assert ask("POST", f"{path}/triggers", json=TRIGGER).status_code == 200
    assert ask("PUT", own, json=TRIGGER).status_code == 200
    added = _refused(ask("POST", f"{path}/triggers", json=schedule("@daily", "second")))
    assert added["plan"]["summary"]["update"] == 1
    changed = _refused(ask("PUT", own, json={**TRIGGER, "cron": "5 9 * * *"}))
    assert "5 9 * * *" in str(changed["plan"])
    assert "clock" in str(_refused(ask("DELETE", own))["plan"])


@pytest.mark.parametrize(
    ("method", "tail", "body", "status"),
    [
        pytest.param("POST", None, {"kind": "Autopilot"}, 422, id="not a manifest"),
        pytest.param("POST", None, agent("x"), 422, id="another kind"),
        pytest.param("POST", None, [], 422, id="no object"),
        pytest.param("POST", "/triggers", {"name": "x", "kind": "schedule"}, 422, id="no cron"),
        pytest.param(
            "PUT", "/triggers/00000000-0000-4000-8000-000000000000", TRIGGER, 404, id="no trigger"
        ),
        pytest.param("DELETE", "/triggers/zero", None, 404, id="an id that can be none"),
    ],
)
def test_refusals(
    path: str, ask: Ask, method: str, tail: str | None, body: Any, status: int
) -> None:
    url = "/v1/autopilots" if tail is None else f"{path}{tail}"
    answer = ask(method, url, json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_problems_of_a_body_are_told_at_once(path: str, ask: Ask) -> None:
    manifest = autopilot("triage", schedule("61 * * * *"), concurencyPolicy="queue")
    found = ask("PUT", path, json=manifest).json()["problems"]
    assert {problem["code"] for problem in found} >= {"cron-invalid", "field-unknown"}
    assert any("concurrencyPolicy" in problem["message"] for problem in found)
