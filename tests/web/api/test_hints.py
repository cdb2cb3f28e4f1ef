"""Push notifications of A2A agents: a hint that a run has news, and nothing else."""

import pytest

from reconciler.control.dispatching.jobs import hint_token, run_token
from reconciler.core.runs.run import Completed
from tests.support.rig import KEY, Rig, agent, autopilot
from tests.support.web import Web
from tests.web.conftest import Ask

HEADER = "X-A2A-Notification-Token"
BODIES = [
    pytest.param(b'{"statusUpdate":{"status":{"state":"TASK_STATE_COMPLETED"}}}', id="an end"),
    pytest.param(b'{"kind":"task","status":{"state":"failed"}}', id="of protocol 0.3"),
    pytest.param(b"", id="nothing"),
    pytest.param(b"[" * 100_000, id="too deep"),
    pytest.param(b"\xff\x00" * 2_000_000, id="4 MB of rubbish"),
]


class Hinted:
    """Follows every run, and remembers which were said to have news."""

    def __init__(self) -> None:
        self.runs: list[str] = []

    def take(self, run_id: str) -> bool:
        self.runs.append(run_id)
        return True


@pytest.fixture
def working(rig: Rig) -> str:
    """A run in progress; its id."""
    rig.apply(agent(), autopilot("triage"))
    run = rig.launch()
    rig.round()
    return run.id


@pytest.mark.parametrize("body", BODIES)
def test_a_hint_has_the_agent_asked_and_its_body_is_not_believed(
    rig: Rig, working: str, web: Web, ask: Ask, body: bytes
) -> None:
    hinted = Hinted()
    web.more["hint"] = hinted.take
    headers = {HEADER: hint_token(KEY, working), "Content-Encoding": "gzip"}
    before = rig.run_of(working)
    answer = ask("POST", f"/v1/runs/{working}/hint", content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (202, {"followed": True})
    assert hinted.runs == [working]
    assert rig.run_of(working) == before


def test_a_hint_is_known_by_its_token_alone(rig: Rig, working: str, web: Web, ask: Ask) -> None:
    hinted = Hinted()
    web.more["hint"] = hinted.take
    token, other = hint_token(KEY, working), rig.launch(force=True).id
    own = run_token(KEY, rig.run_of(working))
    wrong = [
        {},
        {HEADER: ""},
        {HEADER: token[:-1]},
        {HEADER: token + "x"},
        {HEADER: hint_token(KEY, other)},
        {HEADER: own},
        {HEADER: "\u00e9"},
        {"Authorization": f"Bearer {own}"},
        {HEADER: "wrong", "Authorization": f"Bearer {token}"},
    ]
    for headers in wrong:
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        answer = ask("POST", f"/v1/runs/{working}/hint", headers=raw)
        assert (answer.status_code, answer.json()["code"]) == (401, "hint-token-invalid"), headers
        unknown = ask("POST", "/v1/runs/00000000-0000-7000-8000-000000000000/hint", headers=raw)
        assert (unknown.status_code, unknown.content) == (401, answer.content), "whatever exists"
    assert hinted.runs == []
    bearer = {"Authorization": f"Bearer {token}"}
    assert ask("POST", f"/v1/runs/{working.upper()}/hint", headers=bearer).status_code == 202
    assert hinted.runs == [working]
    for verb in ("complete", "heartbeat"):
        body = {"status": "completed"} if verb == "complete" else {}
        refused = ask("POST", f"/v1/runs/{working}/{verb}", json=body, headers=bearer)
        assert refused.status_code in (401, 403, 409, 422), "it opens nothing else"
    assert not rig.run_of(working).ended


def test_hints_of_runs_that_ended_or_never_were_are_refused(
    rig: Rig, working: str, ask: Ask
) -> None:
    unknown = "00000000-0000-7000-8000-000000000000"
    missing = ask("POST", f"/v1/runs/{unknown}/hint", headers={HEADER: hint_token(KEY, unknown)})
    assert missing.status_code == 404
    headers = {HEADER: hint_token(KEY, working)}
    elsewhere = ask("POST", f"/v1/runs/{working}/hint", headers=headers)
    assert (elsewhere.status_code, elsewhere.json()) == (202, {"followed": False})
    rig.end(rig.run_of(working), Completed("done"))
    late = ask("POST", f"/v1/runs/{working}/hint", headers=headers)
    assert (late.status_code, late.json()["code"]) == (409, "run-ended")
    assert ask("POST", "/v1/runs/rubbish/hint", headers=headers).status_code == 404
