"""Every failure is problem details with a stable code, and says nothing that it should not."""

from typing import Any

import pytest

from tests.support.rig import Rig, agent, autopilot, id_of
from tests.support.web import Web
from tests.web.conftest import Ask

UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        pytest.param("GET", "/v1/nothing", 404, "not-found", id="no such address"),
        pytest.param("GET", "/v1/autopilots/", 404, "not-found", id="no slash is added or removed"),
        pytest.param("GET", f"/v1/runs/{UNKNOWN}", 404, "not-found", id="no such run"),
        pytest.param("GET", "/v1/runs/%00", 404, "not-found", id="an id that can be none"),
        pytest.param("PATCH", "/v1/runs", 405, "method-not-allowed", id="another method"),
        pytest.param("GET", "/v1/runs?limit=0", 400, "parameter-invalid", id="too few"),
        pytest.param("GET", "/v1/runs?limit=201", 400, "parameter-invalid", id="too many"),
        pytest.param("GET", "/v1/runs?status=done", 400, "parameter-invalid", id="no such status"),
        pytest.param("GET", "/v1/runs?statsu=failed", 400, "parameter-invalid", id="a typo"),
        pytest.param("GET", "/v1/runs?limit=1&limit=2", 400, "parameter-invalid", id="twice"),
        pytest.param("GET", "/v1/runs?since=monday", 400, "parameter-invalid", id="no moment"),
        pytest.param("GET", "/v1/runs?workspace=a%00b", 400, "parameter-invalid", id="a NUL"),
        pytest.param("GET", "/v1/runs?cursor=zzz", 400, "cursor-invalid", id="no cursor"),
        pytest.param(
            "GET", "/v1/runs?cursor=WzEsInJ1bnMiLDVd", 400, "cursor-invalid", id="doctored"
        ),
        pytest.param("GET", "/v1/runs?cursor=%ff", 400, "cursor-invalid", id="no text"),
    ],
)
def test_problems(ask: Ask, method: str, path: str, status: int, code: str) -> None:
    answer = ask(method, path)
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body["type"] == f"urn:reconciler:problem:{code}"
    assert body["title"]
    assert body["detail"]


def test_a_typo_in_a_parameter_is_answered_with_the_near_miss(ask: Ask) -> None:
    (error,) = ask("GET", "/v1/runs?statsu=failed").json()["errors"]
    assert error == {"field": "statsu", "message": "is not known, did you mean 'status'?"}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        pytest.param("/v1/runs?status=complete", "must be 'pending', 'session_created', 'running', "
                     "'skipped', 'completed' or 'failed', did you mean 'completed'?", id="a word"),
        pytest.param("/v1/deliveries?verdict=refuse", "must be 'accepted', 'skipped', 'duplicate', "
                     "'ignored', 'pong' or 'refused', did you mean 'refused'?", id="a verdict"),
        pytest.param("/v1/runs?limit=1000", "must be at most 200", id="too much"),
        pytest.param("/v1/runs?limit=0", "must be at least 1", id="too little"),
        pytest.param("/v1/runs?limit=ten", "must be a whole number", id="no number"),
        pytest.param("/v1/runs?workspace=", "must not be empty", id="nothing"),
        pytest.param("/v1/runs?workspace=%00", "must hold no control characters", id="a NUL"),
        pytest.param("/v1/runs?workspace=" + "x" * 257, "must have at most 256 characters",
                     id="too long"),
        pytest.param("/v1/autopilots?assignee=bot", "must be agent:NAME or squad:NAME", id="form"),
        pytest.param("/v1/deliveries?triggerId=1", "must be an id", id="no id"),
        pytest.param("/v1/preview", "is missing", id="not given"),
    ],
)  # fmt: skip
def test_a_fault_is_said_in_words(ask: Ask, query: str, message: str) -> None:
    (error,) = ask("GET", query).json()["errors"]
    assert error["message"] == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({"leaseToken": 7, "status": "completed"}, "must be a text", id="a number"),
        pytest.param({"status": "complete"}, "must be 'completed' or 'failed', "
                     "did you mean 'completed'?", id="a word"),
        pytest.param({"status": 7}, "must be 'completed' or 'failed'", id="no word"),
        pytest.param({"status": "rct_secret"}, "must be 'completed' or 'failed'", id="a secret"),
    ],
)  # fmt: skip
def test_a_body_is_never_repeated(ask: Ask, body: dict[str, Any], message: str) -> None:
    answer = ask("POST", f"/v1/runs/{UNKNOWN}/complete", json=body)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["message"]) == (422, message)
    assert "rct_" not in answer.text


def test_405_lists_every_method_of_the_path(ask: Ask) -> None:
    assert ask("PATCH", f"/v1/autopilots/{UNKNOWN}").headers["allow"] == "DELETE, GET, HEAD, PUT"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        pytest.param(b"{", "application/json", 400, "json-invalid", id="broken JSON"),
        pytest.param(b'{"payload": NaN}', "application/json", 400, "json-invalid", id="NaN"),
        pytest.param(b"[]", "application/json", 422, "body-invalid", id="no object"),
        pytest.param(b'{"force": "perhaps"}', "application/json", 422, "body-invalid", id="type"),
        pytest.param(b'{"forse": true}', "application/json", 422, "body-invalid", id="unknown"),
        pytest.param(
            b"force=true", "application/x-www-form-urlencoded", 415, "content-type", id="form"
        ),
        pytest.param(b"{}", "", 415, "content-type", id="no type"),
        pytest.param(b"[" * 100_000, "application/json", 400, "json-invalid", id="a deep one"),
        pytest.param(b" " * 3_000_000, "application/json", 413, "body-too-large", id="a large one"),
    ],
)
def test_bodies(rig: Rig, ask: Ask, body: bytes, content_type: str, status: int, code: str) -> None:
    rig.apply(agent(), autopilot())
    headers = {"content-type": content_type} if content_type else {}
    answer = ask("POST", f"/v1/autopilots/{id_of('triage')}/run", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    if code != "json-invalid":
        assert answer.json()["code"] == code
    assert rig.runs() == []


def test_what_nobody_foresaw_is_a_500_without_details(
    web: Web, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        titles = web.rig.titles

        def launch(self, order: Any) -> Any:
            raise ValueError("the password is hunter2")

    web.rig.apply(agent(), autopilot())
    web.more["launcher"] = Broken()
    answer = ask("POST", f"/v1/autopilots/{id_of('triage')}/run")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "hunter2" not in answer.text
    logged = capsys.readouterr()
    assert "a request failed unexpectedly" in logged.out + logged.err


def test_every_answer_has_the_same_guarding_headers(ask: Ask) -> None:
    for path in ("/healthz", "/v1/runs", "/v1/nothing"):
        headers = ask("GET", path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers
