"""Runs over HTTP: listed, shown, started by hand, cancelled."""

import pytest

from reconciler.core.runs.run import Failed, Reason
from tests.support.rig import Rig, agent, autopilot, id_of, schedule
from tests.web.conftest import Ask

NAMES = {
    "id", "autopilotId", "workspace", "autopilot", "triggerId", "trigger", "source", "status",
    "reason", "failureReason", "waitingFor", "note", "title", "scheduledFor", "triggeredAt",
    "admittedAt", "dispatchedAt", "sessionAt", "startedAt", "completedAt", "durationMs", "attempts",
    "sessionId", "agent", "payload", "result", "revision", "commit", "blockedBy", "replacedBy",
    "rerunOf", "key", "usage",
}  # fmt: skip
API = {"name": "call", "kind": "api"}


@pytest.fixture
def path(rig: Rig) -> str:
    """The address of an autopilot that takes one run at a time."""
    rig.apply(agent(), autopilot("triage", schedule(), API))
    return f"/v1/autopilots/{id_of('triage')}"


def test_a_run_by_hand(rig: Rig, path: str, ask: Ask) -> None:
    answer = ask("POST", f"{path}/run", json={"payload": {"pr": 7}})
    assert answer.status_code == 202
    run = answer.json()
    assert set(run) == NAMES
    assert (run["source"], run["status"], run["trigger"]) == ("manual", "pending", None)
    assert run["payload"] == {"pr": 7}
    assert run["dispatchedAt"] is run["sessionAt"] is None
    assert answer.headers["location"] == f"/v1/runs/{run['id']}"
    assert ask("GET", answer.headers["location"]).json() == run
    assert [one.id for one in rig.runs()] == [run["id"]]


def test_naming_an_api_trigger_is_its_source(path: str, ask: Ask) -> None:
    run = ask("POST", f"{path}/run", json={"trigger": "call"}).json()
    assert (run["source"], run["trigger"]) == ("api", "call")


def test_a_policy_holds_for_hands_too_unless_forced(path: str, ask: Ask) -> None:
    first = ask("POST", f"{path}/run").json()
    second = ask("POST", f"{path}/run").json()
    assert (second["status"], second["reason"]) == ("skipped", "overlap")
    assert second["blockedBy"] == first["id"]
    assert ask("POST", f"{path}/run", json={"force": True}).json()["status"] == "pending"


def test_a_run_once_more_has_the_same_trigger_and_payload_and_names_it(
    rig: Rig, path: str, ask: Ask
) -> None:
    first = ask("POST", f"{path}/run", json={"trigger": "call", "payload": {"pr": 7}}).json()
    rig.end(rig.run_of(first["id"]), Failed(Reason.AGENT_FAILED, "no"))
    headers = {"Idempotency-Key": "again"}
    answer = ask("POST", f"/v1/runs/{first['id']}/rerun", headers=headers)
    again = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"/v1/runs/{again['id']}")
    assert (again["trigger"], again["source"], again["payload"]) == ("call", "api", {"pr": 7})
    assert again["rerunOf"] == first["id"] != again["id"]
    assert ask("POST", f"/v1/runs/{first['id']}/rerun", headers=headers).json()["id"] == again["id"]
    assert ask("POST", f"/v1/runs/{again['id']}/rerun").json()["reason"] == "overlap"


def test_a_run_whose_trigger_is_gone_or_off_is_not_repeated(rig: Rig, path: str, ask: Ask) -> None:
    first = ask("POST", f"{path}/run", json={"trigger": "call"}).json()
    rig.apply(agent(), autopilot("triage", schedule(), {**API, "enabled": False}))
    again = ask("POST", f"/v1/runs/{first['id']}/rerun")
    assert (again.status_code, again.json()["code"]) == (409, "trigger-disabled")
    rig.apply(agent(), autopilot("triage", schedule()))
    again = ask("POST", f"/v1/runs/{first['id']}/rerun")
    assert (again.status_code, again.json()["code"]) == (404, "not-found")
    assert len(rig.runs()) == 1


def test_the_same_key_gives_the_same_run(path: str, ask: Ask) -> None:
    headers = {"Idempotency-Key": "build-7"}
    first = ask("POST", f"{path}/run", headers=headers).json()
    assert ask("POST", f"{path}/run", headers=headers).json() == first
    other = ask("POST", f"{path}/run", headers=headers, json={"payload": 1})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("key", ["", "two words", "x" * 256, "ü"])
def test_a_malformed_key_is_refused(rig: Rig, path: str, ask: Ask, key: str) -> None:
    answer = ask("POST", f"{path}/run", headers={"Idempotency-Key": key.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-invalid")
    assert rig.runs() == []


def test_what_is_not_in_force_answers_409(path: str, ask: Ask) -> None:
    ask("POST", f"{path}/pause", json={"reason": "holiday"})
    answer = ask("POST", f"{path}/run")
    assert (answer.status_code, answer.json()["code"]) == (409, "not-in-force")
    assert "holiday" in answer.json()["detail"]


def test_an_unknown_trigger_is_told_with_those_there_are(path: str, ask: Ask) -> None:
    answer = ask("POST", f"{path}/run", json={"trigger": "calls"})
    assert answer.status_code == 404
    assert "call, clock" in answer.json()["detail"]


def test_cancelling_ends_a_waiting_run_and_asks_an_active_one(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", concurrencyPolicy="queue"))
    active, waiting = rig.launch(), rig.launch()
    ended = ask("POST", f"/v1/runs/{waiting.id}/cancel")
    assert (ended.status_code, ended.json()["reason"]) == (200, "cancelled")
    asked = ask("POST", f"/v1/runs/{active.id}/cancel")
    assert (asked.status_code, asked.json()["status"]) == (202, "pending")
    again = ask("POST", f"/v1/runs/{waiting.id}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "run-ended")


def test_lists_are_newest_first_and_pages_meet(rig: Rig, path: str, ask: Ask) -> None:
    for _ in range(5):
        rig.tick(minutes=1)
    seen, cursor = [], None
    for _ in range(5):
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = ask("GET", f"{path}/runs", params=params).json()
        seen += [run["id"] for run in page["items"]]
        if (cursor := page["nextCursor"]) is None:
            break
    assert seen == [run.id for run in reversed(rig.runs())]


def test_runs_that_arrive_meanwhile_move_nothing(rig: Rig, path: str, ask: Ask) -> None:
    before = [ask("POST", f"{path}/run", json={"force": True}).json()["id"] for _ in range(6)]
    seen, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = ask("GET", "/v1/runs", params=params).json()
        seen += [run["id"] for run in page["items"]]
        ask("POST", f"{path}/run", json={"force": True})
        if (cursor := page["nextCursor"]) is None:
            break
    assert seen == before[::-1]
    assert len(rig.runs()) == 9


@pytest.mark.parametrize(
    ("params", "count"),
    [
        pytest.param({}, 3, id="all"),
        pytest.param({"status": "skipped"}, 1, id="by status"),
        pytest.param({"source": "schedule"}, 1, id="by source"),
        pytest.param({"reason": "agent_failed"}, 1, id="by reason"),
        pytest.param({"since": "2026-11-02T08:01:00Z"}, 1, id="since"),
        pytest.param({"until": "2026-11-02T09:00:30+01:00"}, 2, id="until, with an offset"),
        pytest.param({"workspace": "default"}, 3, id="by workspace"),
        pytest.param({"workspace": "other"}, 0, id="of another workspace"),
    ],
)
def test_filters(rig: Rig, path: str, ask: Ask, params: dict[str, str], count: int) -> None:
    rig.end(rig.launch(), Failed(Reason.AGENT_FAILED, "no"))
    rig.launch()
    rig.tick(minutes=1)
    assert len(ask("GET", "/v1/runs", params=params).json()["items"]) == count


def test_a_page_of_large_payloads_is_a_short_one(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", maxConcurrency=50, maxActive=50))
    for _ in range(25):
        rig.launch(payload="x" * 500_000)
    first = ask("GET", "/v1/runs").json()
    second = ask("GET", "/v1/runs", params={"cursor": first["nextCursor"]}).json()
    assert 1 <= len(first["items"]) < 25
    assert second["nextCursor"] is None
    ids = [run["id"] for page in (first, second) for run in page["items"]]
    assert ids == [run.id for run in reversed(rig.runs())]


def test_an_unchanged_answer_is_304(rig: Rig, path: str, ask: Ask) -> None:
    tag = ask("GET", "/v1/runs").headers["etag"]
    same = ask("GET", "/v1/runs", headers={"If-None-Match": f'"x", W/{tag}'})
    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == tag
    rig.launch()
    assert ask("GET", "/v1/runs", headers={"If-None-Match": tag}).status_code == 200
