"""Autopilots over HTTP: listed, shown, paused and resumed."""

import pytest
import yaml

from reconciler.core.runs.run import Completed, Failed, Reason
from tests.support.rig import Rig, agent, autopilot, id_of, schedule
from tests.web.conftest import Ask


def test_an_object_is_its_manifest_with_id_origin_and_status(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", schedule("0 9 * * *")))
    found = ask("GET", f"/v1/autopilots/{id_of('triage')}").json()
    assert found["apiVersion"] == "autopilots/v1"
    assert found["metadata"]["name"] == "triage"
    assert found["spec"]["triggers"][0]["cron"] == "0 9 * * *"
    assert found["id"] == id_of("triage")
    assert found["origin"] == {
        "sourceId": "default",
        "path": "triage.yaml",
        "line": 1,
        "column": 1,
        "revision": "sha256:test",
    }
    status = found["status"]
    assert status["nextRunAt"] == "2026-11-02T09:00:00Z"
    assert status["health"] == "healthy"
    assert status["triggers"][0]["name"] == "clock"


def test_pages_are_by_name_and_meet_without_gap_or_overlap(rig: Rig, ask: Ask) -> None:
    names = [f"a{number:02}" for number in range(7)]
    rig.apply(agent(), *(autopilot(name) for name in reversed(names)))
    seen, cursor = [], None
    for _ in range(10):
        page = ask(
            "GET", "/v1/autopilots", params={"limit": 3} | ({"cursor": cursor} if cursor else {})
        )
        body = page.json()
        seen += [item["metadata"]["name"] for item in body["items"]]
        cursor = body["nextCursor"]
        if cursor is None:
            break
    assert seen == names


def test_autopilots_that_come_and_go_meanwhile_move_nothing(rig: Rig, ask: Ask) -> None:
    names = [f"b{number}" for number in range(6)]
    rig.apply(agent(), *(autopilot(name) for name in names))
    first = ask("GET", "/v1/autopilots", params={"limit": 2}).json()
    rig.apply(agent(), *(autopilot(name) for name in ["a0", *names[2:], "c0"]))
    params = {"limit": "9", "cursor": first["nextCursor"]}
    second = ask("GET", "/v1/autopilots", params=params).json()
    seen = [item["metadata"]["name"] for page in (first, second) for item in page["items"]]
    assert seen == [*names, "c0"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        pytest.param({}, ["deploy", "triage"], id="archived ones are not listed"),
        pytest.param({"status": "archived"}, ["old"], id="unless asked for"),
        pytest.param({"name": "triage"}, ["triage"], id="by name"),
        pytest.param({"workspace": "platform"}, [], id="by workspace"),
        pytest.param({"label": "team=core"}, ["deploy"], id="by label"),
        pytest.param({"label": "team"}, ["deploy", "triage"], id="by the label's name"),
        pytest.param({"label": ["team=core", "tier"]}, [], id="every label must fit"),
        pytest.param({"q": "SHIP"}, ["deploy"], id="by a part of the title, in any case"),
        pytest.param({"q": "%"}, [], id="a wildcard is a character"),
        pytest.param({"assignee": "agent:bot"}, ["deploy", "triage"], id="by assignee"),
        pytest.param({"assignee": "squad:bot"}, [], id="by the kind of assignee"),
        pytest.param({"health": "paused"}, [], id="by health, which nobody has"),
        pytest.param({"health": "healthy"}, ["deploy", "triage"], id="by health"),
    ],
)
def test_filters(rig: Rig, ask: Ask, params: dict[str, str], expected: list[str]) -> None:
    deploy = autopilot("deploy", title="Ship it")
    deploy["metadata"]["labels"] = {"team": "core"}
    triage = autopilot("triage")
    triage["metadata"]["labels"] = {"team": "web"}
    rig.apply(agent(), deploy, triage, autopilot("old"))
    rig.apply(agent(), deploy, triage)
    found = ask("GET", "/v1/autopilots", params=params)
    assert found.status_code == 200, found.text
    assert [item["metadata"]["name"] for item in found.json()["items"]] == expected


def test_pause_and_resume_are_seen_at_once(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    path = f"/v1/autopilots/{id_of('triage')}"
    paused = ask("POST", f"{path}/pause", json={"reason": "holiday"}).json()["status"]
    assert paused["health"] == "paused"
    assert paused["inForce"] is False
    assert paused["paused"] == {"at": "2026-11-02T08:00:00Z", "by": "local", "reason": "holiday"}
    assert ask("GET", "/v1/autopilots", params={"health": "paused"}).json()["items"] != []
    resumed = ask("POST", f"{path}/resume").json()["status"]
    assert (resumed["health"], resumed["inForce"], resumed["paused"]) == ("healthy", True, None)


def test_a_failed_run_degrades(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    path = f"/v1/autopilots/{id_of('triage')}"
    rig.end(rig.launch(), Failed(Reason.AGENT_FAILED, "it said no"))
    assert ask("GET", path).json()["status"]["health"] == "degraded"


def test_yaml_by_accept_says_the_same_as_json(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", schedule(), description="One.\nTwo: no\n  three\n"))
    path = f"/v1/autopilots/{id_of('triage')}"
    shown = ask("GET", path, headers={"Accept": "application/yaml"})
    assert shown.headers["content-type"].startswith("application/yaml")
    assert yaml.safe_load(shown.text) == ask("GET", path).json()
    assert "description: |" in shown.text


def test_a_page_of_a_rare_health_is_short_and_the_cursor_goes_on(
    rig: Rig, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.web.api.autopilots._MOST_JUDGED", 4)
    monkeypatch.setattr("reconciler.web.api.autopilots._BATCH", 2)
    names = [f"a{number:02}" for number in range(12)]
    rig.apply(agent(), *(autopilot(name) for name in names))
    for name in names:  # the newest run of each failed, or one before it did
        rig.end(rig.launch(name), Failed(Reason.AGENT_FAILED, "no"))
        if name not in ("a00", "a11"):
            rig.end(rig.launch(name), Completed("yes"))
    params = {"health": "degraded", "limit": "2"}
    seen, pages = [], 0
    while True:
        page = ask("GET", "/v1/autopilots", params=params).json()
        seen += [item["metadata"]["name"] for item in page["items"]]
        pages += 1
        if page["nextCursor"] is None:
            break
        params["cursor"] = page["nextCursor"]
    assert seen == ["a00", "a11"]
    assert pages > 2
