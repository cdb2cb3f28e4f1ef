"""Microsoft Graph: a subscription is confirmed, notifications are taken by their clientState."""

import asyncio
import json
from typing import Any

import pytest

from reconciler.control.webhooks.inbound import Answer
from tests.support.receiver import VARIABLE, Receiver
from tests.support.rig import Rig, agent, autopilot, webhook

SIGNATURE = {"scheme": "microsoft_graph", "secrets": [{"env": VARIABLE}]}


@pytest.fixture
def hook(rig: Rig) -> Receiver:
    """A webhook that Microsoft Graph sends to."""
    rig.apply(agent(), autopilot("triage", webhook() | {"signature": SIGNATURE}))
    return Receiver(rig)


def notifications(*states: Any) -> bytes:
    """A body as Graph sends it."""
    items = [{"changeType": "updated", "clientState": state} for state in states]
    return json.dumps({"value": items}).encode()


def asked(hook: Receiver, query: str) -> Answer:
    """The answer to a request with a query."""
    request = hook.request(b"", {"content-type": "text/plain; charset=utf-8"})
    request.query = query
    return asyncio.run(hook.intake.receive(request))


def test_the_validation_token_comes_back_decoded_as_text(rig: Rig, hook: Receiver) -> None:
    answer = asked(hook, "validationToken=Validation%3a+Testing+client%2f1")
    assert (answer.status, answer.text) == (200, "Validation: Testing client/1")
    assert rig.runs() == []


@pytest.mark.parametrize(
    "query", ["validationToken=", "validationToken=%00", "validationToken=" + "a" * 2000]
)
def test_a_validation_token_that_is_none_is_refused(hook: Receiver, query: str) -> None:
    assert asked(hook, query).status == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(notifications("s3cret"), 202, id="the secret"),
        pytest.param(notifications("s3cret", "s3cret"), 202, id="in each of two"),
        pytest.param(notifications("s3cret", "other"), 401, id="in one of two"),
        pytest.param(notifications("other"), 401, id="another one"),
        pytest.param(notifications(None), 401, id="null"),
        pytest.param(notifications(), 401, id="no notification"),
        pytest.param(b"{}", 401, id="no list"),
        pytest.param(b"[" * 1000, 401, id="no JSON"),
    ],
)
def test_notifications_are_taken_by_their_client_state(
    rig: Rig, hook: Receiver, body: bytes, status: int
) -> None:
    assert hook.send(body).status == status
    assert len(rig.runs()) == (status == 202)


def test_the_secret_is_not_in_the_runs_payload(rig: Rig, hook: Receiver) -> None:
    hook.send(notifications("s3cret"))
    assert rig.runs()[0].payload == {"value": [{"changeType": "updated"}]}


def test_nobody_else_is_given_back_what_they_ask(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", webhook()))
    answer = asked(Receiver(rig), "validationToken=abc")
    assert answer.text is None
