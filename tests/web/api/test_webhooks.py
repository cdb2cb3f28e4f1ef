"""The door for webhooks: every method and token reaches the intake, bodies are streamed to it."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence

import pytest

from reconciler.control.webhooks.accept import AcceptResult, Verified
from reconciler.core.base.errors import Locked
from reconciler.core.webhooks.token import webhook_token
from tests.support.rig import KEY, Rig, agent, autopilot, webhook
from tests.support.web import Web
from tests.web.conftest import Ask

SECRET = "s3cret"
GITHUB = {
    "scheme": "github",
    "secrets": [{"env": "AUTOPILOT_SECRET_DEFAULT__CI"}],
}


@pytest.fixture
def web(rig: Rig) -> Web:
    """A server that knows the secret of the webhook."""
    rig.apply(agent(), autopilot("triage", webhook() | {"signature": GITHUB}))
    return Web(rig, secrets={"AUTOPILOT_SECRET_DEFAULT__CI": SECRET})


@pytest.fixture
def url(rig: Rig, web: Web) -> str:
    """The webhook's address."""
    return f"/v1/webhooks/{webhook_token(KEY, rig.triggers()['hook'].id, 1)}"


def _signed(body: bytes) -> dict[str, str]:
    mac = hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    return {"x-hub-signature-256": f"sha256={mac}", "content-type": "application/json"}


def test_a_signed_delivery_becomes_a_run(rig: Rig, url: str, ask: Ask) -> None:
    body = b'{"ref": "main"}'
    answer = ask("POST", url, content=body, headers=_signed(body))
    assert answer.status_code == 202, answer.text
    (run,) = rig.runs()
    assert answer.json()["runId"] == run.id
    assert answer.headers["location"] == f"/v1/runs/{run.id}"
    assert ask("GET", answer.headers["location"]).json()["payload"] == {"ref": "main"}


def test_a_body_in_chunks_is_one_body(url: str, ask: Ask) -> None:
    body = b'{"ref": "main"}'

    async def chunks() -> AsyncIterator[bytes]:
        for byte in body:
            yield bytes([byte])

    assert ask("POST", url, content=chunks(), headers=_signed(body)).status_code == 202


def test_a_database_that_does_not_answer_is_no_fault_of_the_sender(
    rig: Rig, web: Web, url: str, ask: Ask
) -> None:
    async def locked(group: Sequence[Verified]) -> Sequence[AcceptResult]:
        raise Locked("another process kept writing")

    web.intake.writer.write = locked
    answer = ask("POST", url, content=b"{}", headers=_signed(b"{}"))
    assert answer.status_code == 503
    assert answer.json()["code"] == "locked"
    assert answer.headers["content-type"] == "application/problem+json"
    assert rig.runs() == []


def test_an_error_that_nobody_foresaw_tells_nothing(web: Web, url: str, ask: Ask) -> None:
    async def broken(group: Sequence[Verified]) -> Sequence[AcceptResult]:
        raise ZeroDivisionError("s3cret")

    web.intake.writer.write = broken
    answer = ask("POST", url, content=b"{}", headers=_signed(b"{}"))
    assert answer.status_code == 500
    assert "s3cret" not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("token", ["x", "whk_short", "whk_" + "a" * 43, "a/b", "%2e%2e", ""])
def test_every_guess_gets_the_same_answer(ask: Ask, token: str) -> None:
    answer = ask("POST", f"/v1/webhooks/{token}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "webhook-unknown"
    assert "location" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PROPFIND"])
def test_other_methods_are_refused(url: str, ask: Ask, method: str) -> None:
    answer = ask(method, url)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_wrong_signature_is_401_and_leaves_nothing(rig: Rig, url: str, ask: Ask) -> None:
    answer = ask("POST", url, content=b"{}", headers=_signed(b"[]"))
    assert (answer.status_code, answer.json()["code"]) == (401, "signature-invalid")
    assert rig.runs() == []
