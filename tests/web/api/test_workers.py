"""Workers over HTTP: claim, heartbeat, complete."""

from pathlib import Path
from typing import Any

import pytest

from reconciler.control.access.tokens import Tokens
from reconciler.control.dispatching.jobs import run_token
from reconciler.control.evaluation.evaluator import Evaluator
from reconciler.core.access.token_hash import token_hash
from reconciler.store.runs.runs import change_run
from tests.support.rig import KEY, Rig, agent, autopilot
from tests.support.web import Web
from tests.web.conftest import Ask

EVERY = {"agents": ["bot"], "max": 5}


@pytest.fixture
def waiting(rig: Rig) -> str:
    """A run that waits for a worker; its id."""
    rig.apply(agent(), autopilot("triage", description="Do it."))
    run = rig.launch(payload={"pr": 7})
    rig.round()
    return run.id


def _claim(ask: Ask, **headers: str) -> dict[str, Any]:
    (found,) = ask("POST", "/v1/runs/claim", json=EVERY, headers=headers).json()["items"]
    assert isinstance(found, dict)
    return found


def test_claim_heartbeat_complete(rig: Rig, waiting: str, ask: Ask) -> None:
    claimed = _claim(ask)
    assert claimed["run"]["id"] == waiting
    assert claimed["prompt"].startswith("Do it.")
    lease = {"leaseToken": claimed["leaseToken"]}
    rig.clock.advance(seconds=30)
    beat = ask("POST", f"/v1/runs/{waiting}/heartbeat", json=lease).json()
    assert beat == {"cancel": False, "leaseUntil": "2026-11-02T08:01:30Z", "approval": None}
    end = {**lease, "status": "completed", "result": {"done": True}}
    run = ask("POST", f"/v1/runs/{waiting}/complete", json=end).json()
    assert (run["status"], run["result"]) == ("completed", {"done": True})
    again = ask("POST", f"/v1/runs/{waiting}/complete", json=end)
    assert (again.status_code, again.json()["code"]) == (409, "lease-lost")


def test_an_end_wakes_the_runner_and_a_refusal_does_not(
    rig: Rig, waiting: str, web: Web, ask: Ask
) -> None:
    notified: list[str] = []
    web.more["notify"] = lambda: notified.append(rig.run_of(waiting).status)
    lease = {"leaseToken": _claim(ask)["leaseToken"]}
    wrong = {"leaseToken": "lease_x", "status": "completed"}
    assert ask("POST", f"/v1/runs/{waiting}/complete", json=wrong).status_code == 409
    assert notified == []
    ask("POST", f"/v1/runs/{waiting}/complete", json={**lease, "status": "completed"})
    assert notified == ["completed"]


def test_a_run_is_claimed_once(waiting: str, ask: Ask) -> None:
    _claim(ask)
    assert ask("POST", "/v1/runs/claim", json=EVERY).json() == {"items": []}


def test_a_heartbeat_says_that_the_run_was_cancelled(waiting: str, ask: Ask) -> None:
    lease = {"leaseToken": _claim(ask)["leaseToken"]}
    ask("POST", f"/v1/runs/{waiting}/cancel")
    assert ask("POST", f"/v1/runs/{waiting}/heartbeat", json=lease).json()["cancel"] is True


@pytest.mark.parametrize("tail", ["heartbeat", "complete"])
def test_another_lease_opens_nothing(waiting: str, ask: Ask, tail: str) -> None:
    _claim(ask)
    body = {"leaseToken": "guessed"} | ({"status": "failed"} if tail == "complete" else {})
    answer = ask("POST", f"/v1/runs/{waiting}/{tail}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "lease-lost")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"status": "completed"}, id="no lease"),
        pytest.param({"leaseToken": "x", "status": "running"}, id="no end"),
        pytest.param({"leaseToken": "x"}, id="no status"),
    ],
)
def test_ends_that_do_not_do(waiting: str, ask: Ask, body: dict[str, str]) -> None:
    assert ask("POST", f"/v1/runs/{waiting}/complete", json=body).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="no agents"),
        pytest.param({"agents": []}, id="none"),
        pytest.param({"agents": ["bot"], "max": 101}, id="too many"),
        pytest.param({"agents": ["bot"], "leaseSeconds": 0}, id="no time"),
        pytest.param({"agents": ["bot\0"]}, id="a NUL"),
    ],
)
def test_claims_that_do_not_do(ask: Ask, body: dict[str, Any]) -> None:
    assert ask("POST", "/v1/runs/claim", json=body).status_code == 422


# With a tokens file


@pytest.fixture
def guarded(rig: Rig, tmp_path: Path, web: Web) -> Web:
    """The same server with one worker's token, limited to another workspace."""
    path = tmp_path / "tokens.toml"
    path.write_text(
        f'[[token]]\nname = "w"\nrole = "worker"\nsha256 = "{token_hash("rct_w")}"\n'
        f'[[token]]\nname = "o"\nrole = "worker"\nworkspaces = ["other"]\n'
        f'sha256 = "{token_hash("rct_o")}"\n'
    )
    web.authority = Tokens(path, rig.clock)
    return web


def test_a_worker_needs_its_token_and_the_lease(guarded: Web, waiting: str, ask: Ask) -> None:
    mine, other = ({"Authorization": f"Bearer {token}"} for token in ("rct_w", "rct_o"))
    assert ask("POST", "/v1/runs/claim", json=EVERY).status_code == 401
    assert ask("POST", "/v1/runs/claim", json=EVERY, headers=other).json()["items"] == []
    lease = {"leaseToken": _claim(ask, **mine)["leaseToken"]}
    path = f"/v1/runs/{waiting}/heartbeat"
    assert ask("POST", path, json=lease).status_code == 401
    assert ask("POST", path, json=lease, headers=other).status_code == 404
    assert ask("POST", path, json=lease, headers=mine).status_code == 200


def test_a_runs_own_token_ends_that_run_only(
    rig: Rig, guarded: Web, waiting: str, ask: Ask
) -> None:
    token = run_token(KEY, rig.run_of(waiting))
    kept = {"run_token": token_hash(token)}
    rig.database.write(lambda tx: change_run(tx, waiting, kept))
    other = rig.launch(force=True)
    own = {"Authorization": f"Bearer {token}"}
    end = {"status": "failed", "result": "could not"}
    assert ask("POST", f"/v1/runs/{other.id}/complete", json=end, headers=own).status_code == 409
    assert ask("GET", f"/v1/runs/{waiting}", headers=own).status_code == 401
    answer = ask("POST", f"/v1/runs/{waiting}/complete", json=end, headers=own)
    assert (answer.json()["status"], answer.json()["failureReason"]) == ("failed", "could not")


USAGE = {"costUsd": 0.1 + 0.2, "inputTokens": 1200, "outputTokens": 80, "model": "a model"}


def test_a_worker_reports_what_the_work_used(rig: Rig, waiting: str, ask: Ask) -> None:
    lease = {"leaseToken": _claim(ask)["leaseToken"]}
    end = {**lease, "status": "failed", "result": "broke", "usage": USAGE}
    assert ask("POST", f"/v1/runs/{waiting}/complete", json=end).status_code == 200
    usage = ask("GET", f"/v1/runs/{waiting}").json()["usage"]
    assert usage == {**USAGE, "costUsd": 0.3, "cachedTokens": None, "turns": None}
    assert rig.run_of(waiting).cost_micros == 300_000


def test_the_usage_of_a_run_that_was_asked_to_stop_is_kept(
    rig: Rig, waiting: str, ask: Ask
) -> None:
    lease = {"leaseToken": _claim(ask)["leaseToken"]}
    ask("POST", f"/v1/runs/{waiting}/cancel")
    end = {**lease, "status": "completed", "usage": {"costUsd": 2}}
    run = ask("POST", f"/v1/runs/{waiting}/complete", json=end).json()
    assert (run["reason"], run["usage"]["costUsd"]) == ("cancelled", 2)


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param('{"costUsd": -0.01}', id="negative"),
        pytest.param('{"costUsd": NaN}', id="NaN"),
        pytest.param('{"costUsd": 1e999}', id="infinite"),
        pytest.param('{"costUsd": 1000001}', id="more than any run costs"),
        pytest.param('{"costUsd": "0.5"}', id="a text"),
        pytest.param('{"costUsd": true}', id="a boolean"),
        pytest.param('{"inputTokens": 1.5}', id="half a token"),
        pytest.param('{"outputTokens": 1000000000001}', id="too many tokens"),
        pytest.param('{"outputTokens": -1}', id="less than nothing"),
        pytest.param('{"tokens": 5}', id="a name that is unknown"),
        pytest.param('{"model": ["a"]}', id="a model that is no text"),
        pytest.param("[]", id="no object"),
    ],
)
def test_usage_that_cannot_be_is_refused_and_the_run_goes_on(
    rig: Rig, waiting: str, ask: Ask, usage: str
) -> None:
    lease = _claim(ask)["leaseToken"]
    body = f'{{"leaseToken": "{lease}", "status": "completed", "usage": {usage}}}'
    headers = {"Content-Type": "application/json"}
    answer = ask("POST", f"/v1/runs/{waiting}/complete", content=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert not rig.run_of(waiting).ended


def test_what_an_agent_asks_is_answered_with_a_heartbeat(
    rig: Rig, waiting: str, web: Web, ask: Ask
) -> None:
    notified: list[str] = []
    web.more["notify"] = lambda: notified.append("now")
    rig.apply(agent(), autopilot("triage", onApproval="wait"))
    run = ask("POST", f"/v1/autopilots/{rig.live().id}/run", json={"force": True}).json()["id"]
    ask("POST", f"/v1/runs/{waiting}/cancel")
    rig.round()
    claimed = _claim(ask)
    assert claimed["run"]["id"] == run
    beat = {"leaseToken": claimed["leaseToken"], "approval": "may I push?"}
    assert ask("POST", f"/v1/runs/{run}/heartbeat", json=beat).json()["approval"] is None
    shown = ask("GET", f"/v1/runs/{run}/approval").json()
    assert (shown["question"], shown["answerAt"], shown["decision"]) == ("may I push?", None, None)
    switched = ask("POST", f"/v1/runs/{run}/approve", json={"question": "may I read?"})
    assert (switched.status_code, switched.json()["code"]) == (409, "question-changed")
    assert switched.json()["detail"].endswith("asks something else now: may I push?")
    notified.clear()
    answered = ask("POST", f"/v1/runs/{run}/approve", json={"question": shown["question"]})
    assert (answered.status_code, answered.json()["waitingFor"]) == (202, "approval")
    assert notified == ["now"]
    assert ask("POST", f"/v1/runs/{run}/heartbeat", json=beat).json()["approval"] == "approved"
    other = ask("POST", f"/v1/runs/{run}/reject")
    assert (other.status_code, other.json()["code"]) == (409, "already-decided")
    still = {"leaseToken": claimed["leaseToken"]}
    assert ask("POST", f"/v1/runs/{run}/heartbeat", json=still).json()["approval"] is None
    late = ask("POST", f"/v1/runs/{run}/approve")
    assert (late.status_code, late.json()["code"]) == (409, "nothing-asked")
    late = ask("GET", f"/v1/runs/{run}/approval")
    assert (late.status_code, late.json()["code"]) == (404, "not-found")
    assert late.json()["detail"].endswith("asks for nothing now")


def test_a_heartbeat_without_a_lease_says_what_is_missing(waiting: str, ask: Ask) -> None:
    answer = ask("POST", f"/v1/runs/{waiting}/heartbeat", json={})
    assert (answer.status_code, answer.json()["code"]) == (422, "lease-token-missing")


def test_a_report_that_cannot_be_judged_now_is_kept_and_the_first_one_stands(
    rig: Rig, ask: Ask
) -> None:
    rig.apply(agent(), autopilot(resultSchema='{"type": "object"}'))
    run = rig.launch()
    rig.round()
    (held,) = rig.claim()
    rig.evaluator.close()
    lease = {"leaseToken": held.lease_token}
    for result in ({"n": 1}, {"n": 2}):
        report = {**lease, "status": "completed", "result": result}
        answer = ask("POST", f"/v1/runs/{run.id}/complete", json=report)
        assert (answer.status_code, answer.json()["status"]) == (202, "running")
    until = rig.run_of(run.id).lease_until
    beat = ask("POST", f"/v1/runs/{run.id}/heartbeat", json=lease).json()
    assert (beat["cancel"], rig.run_of(run.id).lease_until) == (False, until)
    rig.evaluator = Evaluator()
    rig.round(seconds=9)
    assert rig.run_of(run.id).active  # whoever took the report may still judge it
    rig.round(seconds=1)
    ended = rig.run_of(run.id)
    assert (ended.status, ended.result) == ("completed", {"n": 1})
    again = ask("POST", f"/v1/runs/{run.id}/complete", json={**lease, "status": "completed"})
    assert (again.status_code, again.json()["code"]) == (409, "lease-lost")


MANY = b'{"result": [' + b"[]," * 250_000 + b"[]]}"


def test_a_body_of_more_values_than_are_parsed_at_once_is_refused_and_changes_nothing(
    rig: Rig, waiting: str, ask: Ask
) -> None:
    """By counting: parsed they would hold up every other request."""
    _claim(ask)
    run = rig.run_of(waiting)
    json = {"content-type": "application/json"}
    for path in (
        f"/v1/runs/{waiting}/complete",
        f"/v1/runs/{waiting}/heartbeat",
        f"/v1/autopilots/{run.autopilot_id}/run",
        "/v1/plan",
        "/v1/apply",
    ):
        answer = ask("POST", path, content=MANY, headers=json)
        assert (answer.status_code, answer.json()["code"]) == (400, "json-too-many"), path
    assert rig.run_of(waiting) == run
