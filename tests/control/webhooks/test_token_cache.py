"""What a token opened is remembered, and never decides: an edit counts for the next delivery."""

from typing import Any

import pytest

from tests.support.receiver import SECRET, VARIABLE, Receiver
from tests.support.rig import Rig, agent, autopilot, webhook
from tests.support.signing import sign


def hook(**more: Any) -> dict[str, Any]:
    """A trigger signed as GitHub does."""
    return webhook(**more) | {"signature": {"scheme": "github", "secrets": [{"env": VARIABLE}]}}


@pytest.fixture
def warm(rig: Rig) -> Receiver:
    """A receiver whose token was looked up just now."""
    rig.apply(agent(), autopilot("triage", hook()))
    receiver = Receiver(rig)
    assert post(receiver, b'{"n": 0}') == 202
    return receiver


def post(receiver: Receiver, body: bytes, secret: str = SECRET, **more: Any) -> int:
    """One signed delivery under an id of its own."""
    now = receiver.rig.clock.now()
    headers = sign("github", secret, body, now, msg_id=body.hex()[:64])
    return receiver.send(body, headers, **more).status


def test_a_busy_token_is_looked_up_once(warm: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: object) -> None:
        raise AssertionError("looked up")

    token = warm.token()
    monkeypatch.setattr(type(warm.intake.token_cache), "look_up", nobody)
    assert post(warm, b'{"n": 1}', token=token) == 202
    warm.rig.clock.advance(seconds=1)
    with pytest.raises(AssertionError, match="looked up"):
        post(warm, b'{"n": 2}', token=token)


def test_a_title_is_made_from_the_new_manifest(rig: Rig, warm: Receiver) -> None:
    rig.apply(agent(), autopilot("triage", hook(), title="Renamed"))
    assert post(warm, b'{"n": 1}') == 202
    assert rig.runs()[-1].title == "Renamed"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(hook(), hook(enabled=False), id="disabled"),
        pytest.param(hook(), hook(when="payload.n > 5"), id="filtered"),
    ],
)
def test_an_edited_trigger_counts_both_ways(
    rig: Rig, warm: Receiver, before: dict[str, Any], after: dict[str, Any]
) -> None:
    for number, (trigger, status) in enumerate([(after, 200), (before, 202), (after, 200)], 1):
        rig.clock.advance(milliseconds=1)
        rig.apply(agent(), autopilot("triage", trigger))
        assert post(warm, f'{{"n": {number}}}'.encode()) == status


def test_a_removed_trigger_is_unknown_at_once(rig: Rig, warm: Receiver) -> None:
    token = warm.token()
    rig.clock.advance(milliseconds=1)
    rig.apply(agent(), autopilot("triage"))
    assert post(warm, b'{"n": 1}', token=token) == 404


def test_a_larger_limit_counts_at_once(rig: Rig) -> None:
    """The body was half read under the old limit, and is read on under the new one."""
    rig.apply(agent(), autopilot("triage", hook(maxBody="1KiB")))
    receiver, large = Receiver(rig), b'{"n": "' + b"x" * 3000 + b'"}'
    assert post(receiver, b"{}") == 202
    assert post(receiver, large) == 413
    rig.clock.advance(milliseconds=1)
    rig.apply(agent(), autopilot("triage", hook(maxBody="4KiB")))
    assert post(receiver, large) == 202


def test_a_bad_signature_is_counted_once(warm: Receiver) -> None:
    answers = [post(warm, b"{}", secret="wrong") for _ in range(21)]
    assert answers == [401] * 20 + [429]
