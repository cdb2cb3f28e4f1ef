"""What is kept of refused requests: enough to see why, never enough to fill a disk."""

import asyncio
from typing import Any

import pytest

from reconciler.control.webhooks.refusals import Budget
from reconciler.store.engine.database import Database
from reconciler.store.webhooks.deliveries import Delivery, get_delivery
from tests.support.receiver import JSON, SECRET, VARIABLE, Receiver
from tests.support.rig import Document, Rig, agent, autopilot, webhook
from tests.support.signing import lower, sign

PUSH = b'{"ref": "refs/heads/main"}'
UNKNOWN = "whk_" + "a" * 43


def github(**more: Any) -> Document:
    """A webhook that GitHub signs."""
    return webhook() | {
        "signature": {"scheme": "github", "secrets": [{"env": VARIABLE}]}, **more
    }  # fmt: skip


@pytest.fixture
def hook(rig: Rig) -> Receiver:
    """A webhook that GitHub signs."""
    rig.apply(agent(), autopilot("triage", github(), maxConcurrency=100, maxActive=1000))
    return Receiver(rig)


def signed(rig: Rig, body: bytes = PUSH, delivery: str = "d1") -> dict[str, str]:
    """What GitHub sends with a body."""
    return lower(sign("github", SECRET, body, rig.clock.now(), delivery))


def samples(hook: Receiver) -> list[Delivery]:
    """What was kept, oldest first."""
    return [one for one in hook.deliveries() if one.verdict in ("refused", "pong")]


@pytest.mark.parametrize(
    ("body", "headers", "status", "verified"),
    [
        pytest.param(b"[]", {}, 401, False, id="a wrong signature"),
        pytest.param(PUSH, {"content-encoding": "gzip"}, 415, False, id="compressed"),
        pytest.param(PUSH, {"content-type": "text/html"}, 415, False, id="a page"),
        pytest.param(PUSH, {"content-length": "99999999"}, 413, False, id="too large"),
        pytest.param(PUSH, {"idempotency-key": "a b"}, 400, True, id="a malformed key"),
    ],
)
def test_a_refusal_is_kept_with_its_reason_and_without_a_body(
    rig: Rig, hook: Receiver, body: bytes, headers: dict[str, str], status: int, verified: bool
) -> None:
    answer = hook.send(body, signed(rig) | headers)
    assert answer.status == status
    (sample,) = samples(hook)
    assert (sample.verdict, sample.status_code, sample.reason) == (
        "refused", status, answer.body["detail"],
    )  # fmt: skip
    assert (sample.verified, sample.attempts, sample.run_id) == (verified, 1, None)
    assert sample.headers["x-github-event"] == "push"
    whole = rig.database.read(lambda tx: get_delivery(tx, sample.id))
    assert whole is not None
    assert whole.body is None
    assert SECRET not in str(whole)
    assert signed(rig)["x-hub-signature-256"] not in str(whole)
    assert rig.runs() == []


def test_a_key_that_comes_with_another_body_is_kept_too(rig: Rig, hook: Receiver) -> None:
    key = {"idempotency-key": "k"}
    assert hook.send(PUSH, signed(rig) | key).status == 202
    assert hook.send(b"[1]", signed(rig, b"[1]") | key).status == 422
    (sample,) = samples(hook)
    assert (sample.status_code, sample.verified) == (422, True)


def test_hundreds_of_refusals_leave_a_few_samples_that_stand_for_the_rest(
    rig: Rig, hook: Receiver
) -> None:
    hook.intake.limiter.burst = 100_000
    requests = [hook.request(b"[]", signed(rig), client=str(n)) for n in range(300)]
    assert {one.status for one in hook.send_at_once(requests)} == {401}
    assert [one.attempts for one in samples(hook)] == [1] * 10
    rig.clock.advance(minutes=10)
    hook.send(b"[]", signed(rig))
    assert [one.attempts for one in samples(hook)] == [1] * 10 + [291]
    rig.clock.advance(hours=2)
    for _ in range(20):
        hook.send(b"[]", signed(rig))
    assert len(samples(hook)) == 21


def test_each_trigger_has_its_own_samples_and_all_share_a_budget(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", github()), autopilot("other", github()))
    hook = Receiver(rig)
    hook.intake.refusals.all = Budget(burst=12, refill=10)
    for name in ("triage", "other"):
        for _ in range(15):
            hook.send(b"[]", signed(rig), token=hook.token(name))
    kept = [one.autopilot_id for one in samples(hook)]
    assert [kept.count(rig.live(name).id) for name in ("triage", "other")] == [10, 2]


def test_few_triggers_are_remembered_and_the_least_recent_is_forgotten(rig: Rig) -> None:
    names = [f"a{number}" for number in range(4)]
    rig.apply(agent(), *(autopilot(name, github()) for name in names))
    hook = Receiver(rig)
    hook.intake.refusals.most = 2
    for name in (*names, *names):
        hook.send(b"[]", signed(rig), token=hook.token(name))
    assert len(samples(hook)) == 8


@pytest.mark.parametrize("token", [UNKNOWN, "x"])
def test_guesses_are_not_kept(rig: Rig, hook: Receiver, token: str) -> None:
    assert hook.send(PUSH, signed(rig), token=token).status == 404
    assert hook.deliveries() == []


def test_a_trigger_that_was_removed_keeps_nothing_more(rig: Rig, hook: Receiver) -> None:
    token = hook.token()
    hook.send(PUSH, signed(rig))
    rig.apply(agent(), autopilot("triage"))
    assert hook.send(b"[]", signed(rig), token=token).status == 404
    assert samples(hook) == []


def test_what_this_server_could_not_do_is_no_fault_of_the_sender(rig: Rig, hook: Receiver) -> None:
    hook.intake.writer.capacity = 0
    assert hook.send(PUSH, signed(rig)).status == 503
    assert samples(hook) == []


def test_a_secret_that_is_missing_is_kept_since_somebody_must_mend_it(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", github()))
    hook = Receiver(rig, secrets={})
    assert hook.send(PUSH, signed(rig)).status == 503
    (sample,) = samples(hook)
    assert (sample.status_code, sample.verified) == (503, False)


def test_a_ping_is_seen(rig: Rig, hook: Receiver) -> None:
    assert hook.send(PUSH, signed(rig) | {"x-github-event": "ping"}).body == {"status": "pong"}
    (sample,) = samples(hook)
    assert (sample.verdict, sample.status_code, sample.verified) == ("pong", 200, True)
    assert (sample.event, sample.reason) == ("ping", None)


def test_a_body_that_drips_says_how_much_came(rig: Rig, hook: Receiver) -> None:
    async def drip() -> Any:
        yield b"abc"
        await asyncio.sleep(60)

    hook.intake.read_deadline = 0.05
    assert hook.send(headers={**JSON, **signed(rig)}, chunks=drip()).status == 408
    (sample,) = samples(hook)
    assert (sample.status_code, sample.body_size) == (408, 3)


def test_a_sample_that_cannot_be_kept_changes_no_answer(
    rig: Rig, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_self: Database, _fn: object, **_options: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(Database, "awrite", full)
    assert hook.send(b"[]", signed(rig)).status == 401
