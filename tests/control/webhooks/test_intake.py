"""The receiver of webhooks: the table of answers row by row, and the order of its checks."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from reconciler.control.runs.switches import pause, resume
from reconciler.control.webhooks.inbound import Answer
from reconciler.core.runs.run import Completed, Failed, Reason
from tests.support.receiver import JSON, SECRET, VARIABLE, Receiver
from tests.support.rig import Document, Rig, agent, autopilot, id_of, webhook
from tests.support.signing import WHSEC, lower, sign

PUSH = b'{"ref": "refs/heads/main"}'
GITHUB = {"scheme": "github", "secrets": [{"env": VARIABLE}]}
MIB = 1024**2
UNKNOWN = "whk_" + "a" * 43


def github(**more: Any) -> Document:
    """A webhook that GitHub signs."""
    return webhook() | {"signature": GITHUB, **more}


def signed(rig: Rig, body: bytes = PUSH, delivery: str = "d1") -> dict[str, str]:
    """What GitHub sends with a body."""
    return lower(sign("github", SECRET, body, rig.clock.now(), delivery))


def said(answer: Answer) -> tuple[int, str]:
    """The status, and the word that a client looks at."""
    return answer.status, answer.body["status" if answer.status < 300 else "code"]


@pytest.fixture
def hook(rig: Rig) -> Receiver:
    """A webhook that GitHub signs, of an autopilot that takes any number of runs."""
    rig.apply(agent(), autopilot("triage", github(), maxConcurrency=100, maxActive=1000))
    return Receiver(rig)


@pytest.fixture
def open_hook(rig: Rig) -> Receiver:
    """A webhook that takes anybody, of an autopilot with one run at a time."""
    rig.apply(agent(), autopilot("triage", webhook()))
    return Receiver(rig)


class TestAccepted:
    def test_a_run_is_made_and_named(self, rig: Rig, hook: Receiver) -> None:
        answer = hook.send(PUSH, signed(rig))
        (run,), (delivery,) = rig.runs(), hook.deliveries()
        assert answer.status == 202
        assert answer.body == {"status": "accepted", "runId": run.id, "deliveryId": delivery.id}
        assert answer.headers == {"Location": f"/v1/runs/{run.id}"}
        assert (run.source, run.trigger, run.active) == ("webhook", "hook", True)
        assert (run.payload, run.delivery_id) == ({"ref": "refs/heads/main"}, delivery.id)

    def test_the_delivery_is_recorded(self, rig: Rig, hook: Receiver) -> None:
        answer = hook.send(PUSH, signed(rig))
        (delivery,) = hook.deliveries()
        assert (delivery.verdict, delivery.status_code, delivery.verified) == (
            "accepted", 202, True,
        )  # fmt: skip
        assert (delivery.scheme, delivery.event, delivery.provider_id) == ("github", "push", "d1")
        assert delivery.run_id == answer.body["runId"]
        assert (delivery.body_size, delivery.attempts) == (len(PUSH), 1)

    def test_a_refusal_by_the_policy_is_said(self, rig: Rig, open_hook: Receiver) -> None:
        open_hook.send(b"1")
        answer = open_hook.send(b"2")
        first, second = rig.runs()
        assert answer.status == 202
        assert answer.body == {
            "status": "skipped",
            "runId": second.id,
            "deliveryId": open_hook.deliveries()[1].id,
            "reason": "overlap",
        }
        assert second.blocked_by == first.id
        assert open_hook.deliveries()[1].verdict == "skipped"

    def test_a_large_body_is_read_as_well(self, rig: Rig, open_hook: Receiver) -> None:
        text = "x" * 200_000
        assert open_hook.send(f'{{"text": "{text}"}}'.encode()).status == 202
        assert rig.runs()[0].payload == {"text": text}

    @pytest.mark.parametrize(
        ("content_type", "body", "payload"),
        [
            pytest.param("application/json", b"null", None, id="null"),
            pytest.param("application/x-www-form-urlencoded", b"a=1&b=2", {"a": "1", "b": "2"},
                         id="a form"),
            pytest.param("text/plain", b"hello", {"raw": "hello"}, id="text"),
        ],
    )  # fmt: skip
    def test_payloads(
        self, rig: Rig, open_hook: Receiver, content_type: str, body: bytes, payload: object
    ) -> None:
        assert open_hook.send(body, {"content-type": content_type}).status == 202
        assert rig.runs()[0].payload == payload

    def test_title_and_key_come_from_the_payload(self, rig: Rig) -> None:
        spec = {"issueTitleTemplate": "On {{ payload.ref }}", "concurrencyKey": "payload.ref"}
        rig.apply(agent(), autopilot("triage", github(), **spec))
        assert Receiver(rig).send(PUSH, signed(rig)).status == 202
        assert [(run.title, run.key) for run in rig.runs()] == [
            ("On refs/heads/main", "refs/heads/main")
        ]


class TestDuplicates:
    def test_the_providers_id_again_is_a_duplicate(self, rig: Rig, hook: Receiver) -> None:
        first = hook.send(PUSH, signed(rig))
        again = hook.send(PUSH, signed(rig))
        assert again.status == 200
        assert again.body == {**first.body, "status": "duplicate"}
        assert len(rig.runs()) == 1
        assert [one.attempts for one in hook.deliveries()] == [2]

    def test_the_providers_id_with_another_body_is_one_too(self, rig: Rig, hook: Receiver) -> None:
        first = hook.send(PUSH, signed(rig))
        again = hook.send(b"{}", signed(rig, b"{}"))
        assert (said(again), again.body["runId"]) == ((200, "duplicate"), first.body["runId"])

    def test_the_same_signed_body_under_a_new_id_is_a_replay(
        self, rig: Rig, hook: Receiver
    ) -> None:
        first = hook.send(PUSH, signed(rig))
        replayed = hook.send(PUSH, signed(rig, delivery="d2"))
        assert replayed.body == {**first.body, "status": "duplicate"}

    def test_a_replay_cannot_hide_behind_an_idempotency_key(self, rig: Rig, hook: Receiver) -> None:
        hook.send(PUSH, signed(rig))
        headers = signed(rig, delivery="d2") | {"idempotency-key": "k"}
        assert said(hook.send(PUSH, headers)) == (200, "duplicate")

    def test_after_the_replay_window_the_same_body_is_news(self, rig: Rig, hook: Receiver) -> None:
        hook.send(PUSH, signed(rig))
        rig.clock.advance(minutes=10)
        assert said(hook.send(PUSH, signed(rig, delivery="d2"))) == (202, "accepted")

    def test_a_window_of_zero_looks_for_no_replays(self, rig: Rig) -> None:
        trigger = github(replayWindow="0s")
        rig.apply(agent(), autopilot("triage", trigger, maxConcurrency=2))
        hook = Receiver(rig)
        hook.send(PUSH, signed(rig))
        assert said(hook.send(PUSH, signed(rig, delivery="d2"))) == (202, "accepted")
        assert said(hook.send(PUSH, signed(rig, delivery="d2"))) == (200, "duplicate")

    def test_where_a_time_is_signed_a_new_id_is_news(self, rig: Rig) -> None:
        signature = {"scheme": "standard", "secrets": [{"env": VARIABLE}]}
        trigger = webhook() | {"signature": signature}
        rig.apply(agent(), autopilot("triage", trigger, maxConcurrency=2))
        hook = Receiver(rig, {VARIABLE: WHSEC})
        for number in (1, 2):
            headers = sign("standard", WHSEC, PUSH, rig.clock.now(), f"msg_{number}")
            assert said(hook.send(PUSH, headers)) == (202, "accepted")

    def test_the_key_again_is_a_duplicate_of_a_skipped_run_too(
        self, rig: Rig, open_hook: Receiver
    ) -> None:
        open_hook.send(b"1")
        skipped = open_hook.send(b"2", {"idempotency-key": "k"})
        again = open_hook.send(b"2", {"idempotency-key": "k"})
        assert (skipped.body["status"], again.body["status"]) == ("skipped", "duplicate")
        assert again.body["runId"] == skipped.body["runId"]

    def test_the_key_with_another_body_is_refused(self, rig: Rig, open_hook: Receiver) -> None:
        open_hook.send(b"1", {"idempotency-key": "k"})
        answer = open_hook.send(b"2", {"idempotency-key": "k"})
        assert said(answer) == (422, "idempotency-key-reused")
        assert len(rig.runs()) == 1

    def test_without_a_key_nothing_is_known_again(self, rig: Rig, open_hook: Receiver) -> None:
        assert [open_hook.send(b"1").status for _ in range(2)] == [202, 202]
        assert len(rig.runs()) == 2

    def test_keys_are_kept_for_72_hours(self, rig: Rig, open_hook: Receiver) -> None:
        first = open_hook.send(b"1", {"idempotency-key": "k"})
        rig.end(rig.runs()[0], Completed())
        rig.clock.advance(hours=72, seconds=-1)
        assert open_hook.send(b"1", {"idempotency-key": "k"}).body["runId"] == first.body["runId"]
        rig.clock.advance(seconds=1)
        anew = open_hook.send(b"2", {"idempotency-key": "k"})
        assert said(anew) == (202, "accepted")
        assert open_hook.send(b"2", {"idempotency-key": "k"}).body["runId"] == anew.body["runId"]

    def test_each_trigger_has_keys_of_its_own(self, rig: Rig) -> None:
        triggers = (webhook("one"), webhook("two"))
        rig.apply(agent(), autopilot("triage", *triggers, maxConcurrency=2))
        hook = Receiver(rig)
        answers = [
            hook.send(b"1", {"idempotency-key": "k"}, token=hook.token(trigger=name))
            for name in ("one", "two")
        ]
        assert [said(one) for one in answers] == [(202, "accepted")] * 2

    def test_a_thousand_at_once_are_one_run(self, rig: Rig, hook: Receiver) -> None:
        headers, token = signed(rig), hook.token()
        requests = [hook.request(PUSH, headers, token=token) for _ in range(1000)]
        answers = hook.send_at_once(requests)
        (run,), (delivery,) = rig.runs(), hook.deliveries()
        assert [said(one) for one in answers].count((202, "accepted")) == 1
        assert [said(one) for one in answers].count((200, "duplicate")) == 999
        assert {one.body["runId"] for one in answers} == {run.id}
        assert delivery.attempts == 1000

    def test_different_ones_at_once_are_all_taken(self, rig: Rig, hook: Receiver) -> None:
        token = hook.token()
        bodies = [f'{{"n": {number}}}'.encode() for number in range(60)]
        requests = [
            hook.request(body, signed(rig, body, f"d{number}"), token=token)
            for number, body in enumerate(bodies)
        ]
        answers = hook.send_at_once(requests)
        assert {said(one) for one in answers} == {(202, "accepted")}
        assert sorted(run.payload["n"] for run in rig.runs()) == list(range(60))


class TestIgnored:
    @pytest.mark.parametrize(
        ("spec", "trigger", "reason"),
        [
            pytest.param({"status": "paused"}, {}, "the manifest says spec.status: paused",
                         id="paused by its manifest"),
            pytest.param({"status": "archived"}, {}, "the autopilot is archived",
                         id="archived by its manifest"),
            pytest.param({}, {"enabled": False}, "the trigger is disabled", id="disabled"),
            pytest.param({}, {"when": "payload.n == 1"}, "the condition 'when' is false",
                         id="filtered"),
        ],
    )  # fmt: skip
    def test_it_says_why(self, rig: Rig, spec: Document, trigger: Document, reason: str) -> None:
        rig.apply(agent(), autopilot("triage", webhook(**trigger), **spec))
        answer = (hook := Receiver(rig)).send(b'{"n": 2}')
        assert (answer.status, answer.body) == (200, {"status": "ignored", "reason": reason})
        assert rig.runs() == []
        assert [(one.verdict, one.reason) for one in hook.deliveries()] == [("ignored", reason)]

    def test_a_condition_that_cannot_be_evaluated_says_so(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot("triage", webhook(when="payload.missing == 1")))
        answer = Receiver(rig).send(b"{}")
        assert said(answer) == (200, "ignored")
        assert "there is no 'missing'" in answer.body["reason"]

    def test_a_condition_that_is_true_lets_it_in(self, rig: Rig) -> None:
        when = 'headers["x-github-event"] == "push" && payload.ref == "refs/heads/main"'
        rig.apply(agent(), autopilot("triage", github(when=when)))
        assert said(Receiver(rig).send(PUSH, signed(rig))) == (202, "accepted")

    def test_while_paused_by_hand_and_no_key_is_used_up(
        self, rig: Rig, open_hook: Receiver
    ) -> None:
        now = rig.clock.now()
        rig.database.write(lambda tx: pause(tx, id_of("triage"), "ada", "holiday", now))
        ignored = open_hook.send(b"1", {"idempotency-key": "k"})
        assert said(ignored) == (200, "ignored")
        assert "by ada (holiday)" in ignored.body["reason"]
        rig.database.write(lambda tx: resume(tx, id_of("triage"), now))
        assert said(open_hook.send(b"1", {"idempotency-key": "k"})) == (202, "accepted")

    def test_while_the_breaker_is_open_and_then_one_probe(self, rig: Rig) -> None:
        spec = {"pauseAfterFailures": 1, "maxConcurrency": 5}
        rig.apply(agent(), autopilot("triage", webhook(), **spec))
        hook = Receiver(rig)
        hook.send(b"1")
        rig.end(rig.runs()[0], Failed(Reason.AGENT_FAILED, "exit 1"))
        assert "the breaker opened" in hook.send(b"2").body["reason"]
        rig.clock.advance(minutes=15)
        assert said(hook.send(b"3")) == (202, "accepted")
        assert "waits for its probe" in hook.send(b"4").body["reason"]

    def test_of_two_probes_at_once_one_passes(self, rig: Rig) -> None:
        spec = {"pauseAfterFailures": 1, "maxConcurrency": 5}
        rig.apply(agent(), autopilot("triage", webhook(), **spec))
        hook = Receiver(rig)
        hook.send(b"1")
        rig.end(rig.runs()[0], Failed(Reason.AGENT_FAILED, "exit 1"))
        rig.clock.advance(minutes=15)
        answers = hook.send_at_once([hook.request(b"%d" % number) for number in range(5)])
        assert [said(one) for one in answers].count((202, "accepted")) == 1

    def test_a_ping_is_answered_and_starts_nothing(self, rig: Rig, hook: Receiver) -> None:
        headers = signed(rig, b"not JSON") | {"x-github-event": "ping"}
        answer = hook.send(b"not JSON", headers)
        assert (answer.status, answer.body) == (200, {"status": "pong"})
        assert rig.runs() == []

    def test_a_challenge_is_echoed(self, rig: Rig) -> None:
        signature = {"scheme": "slack", "secrets": [{"env": VARIABLE}]}
        rig.apply(agent(), autopilot("triage", webhook() | {"signature": signature}))
        body = b'{"type": "url_verification", "challenge": "3eZbrw1a"}'
        headers = sign("slack", SECRET, body, rig.clock.now())
        answer = Receiver(rig).send(body, headers)
        assert (answer.status, answer.body) == (200, {"challenge": "3eZbrw1a"})


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "headers", "code"),
        [
            pytest.param(b"{", {}, 400, id="not JSON"),
            pytest.param(b'{"a": NaN}', {}, 400, id="NaN"),
            pytest.param(b'{"a": "\xff"}', {}, 400, id="not UTF-8"),
            pytest.param(b"[" * 100_000, {}, 400, id="a hundred thousand brackets"),
            pytest.param(b"[" * 65 + b"]" * 65, {}, 400, id="a level too deep"),
            pytest.param(b"1", {"idempotency-key": "a b"}, 400, id="a key with a space"),
            pytest.param(b"1", {"idempotency-key": "k" * 256}, 400, id="a key too long"),
            pytest.param(b"1", {"content-type": "image/png"}, 415, id="a picture"),
            pytest.param(b"1", {"content-encoding": "gzip"}, 415, id="compressed"),
            pytest.param(b"x" * (MIB + 1), {}, 413, id="too large"),
            pytest.param(
                b"1", {"content-length": f"{MIB + 1}"}, 413, id="says that it is too large"
            ),
        ],
    )
    def test_what_is_malformed(
        self, rig: Rig, body: bytes, headers: dict[str, str], code: int
    ) -> None:
        rig.apply(agent(), autopilot("triage", webhook()))
        answer = (hook := Receiver(rig)).send(body, headers)
        assert answer.status == code
        assert answer.body["detail"]
        assert rig.runs() == []
        assert all(one.verdict != "accepted" for one in hook.deliveries())

    @pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "post"])
    def test_methods(self, hook: Receiver, method: str) -> None:
        answer = hook.send(method=method)
        assert said(answer) == (405, "method-not-allowed")
        assert answer.headers["Allow"] == "POST"

    def test_a_body_that_never_ends_is_cut_off(self, rig: Rig, open_hook: Receiver) -> None:
        read = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal read
            while True:
                read += 65_536
                yield b"x" * 65_536

        assert said(open_hook.send(chunks=endless())) == (413, "body-too-large")
        assert read <= 2 * MIB

    def test_a_body_that_does_not_come_is_not_waited_for(self, open_hook: Receiver) -> None:
        async def slow() -> AsyncIterator[bytes]:
            yield b"{"
            await asyncio.Event().wait()

        open_hook.intake.read_deadline = 0.01
        assert said(open_hook.send(chunks=slow())) == (408, "body-too-slow")

    def test_signatures_are_refused_with_one_body(self, rig: Rig, hook: Receiver) -> None:
        wrong = signed(rig) | {"x-hub-signature-256": "sha256=" + "0" * 64}
        answers = [
            hook.send(PUSH),
            hook.send(PUSH, wrong),
            hook.send(b"{}", signed(rig)),
            hook.send(PUSH, signed(rig) | {"x-hub-signature-256": "sha256=é"}),
        ]
        assert {said(one) for one in answers} == {(401, "signature-invalid")}
        assert len({str(one.body) for one in answers}) == 1
        assert rig.runs() == []

    def test_a_signature_that_is_too_old_is_refused_alike(self, rig: Rig) -> None:
        signature = {"scheme": "standard", "secrets": [{"env": VARIABLE}]}
        rig.apply(agent(), autopilot("triage", webhook() | {"signature": signature}))
        hook = Receiver(rig, {VARIABLE: WHSEC})
        headers = sign("standard", WHSEC, PUSH, rig.clock.now())
        rig.clock.advance(minutes=5, seconds=1)
        assert said(hook.send(PUSH, headers)) == (401, "signature-invalid")

    def test_unknown_and_malformed_tokens_are_refused_with_one_body(self, hook: Receiver) -> None:
        tokens = [UNKNOWN, "whk_", "x", "whk_" + "a" * 44, "é" * 47, hook.token(generation=2)]
        answers = [hook.send(token=token) for token in tokens]
        assert {said(one) for one in answers} == {(404, "webhook-unknown")}
        assert len({str(one.body) for one in answers}) == 1

    def test_who_guesses_is_slowed_down(self, rig: Rig, hook: Receiver) -> None:
        while (answer := hook.send(token=UNKNOWN)).status == 404:
            pass
        assert said(answer) == (429, "too-many-attempts")
        assert int(answer.headers["Retry-After"]) >= 1
        assert hook.send(token=UNKNOWN, client="192.0.2.2").status == 404
        rig.clock.advance(seconds=int(answer.headers["Retry-After"]))
        assert hook.send(token=UNKNOWN).status == 404

    @pytest.mark.parametrize("token", [UNKNOWN, None], ids=["unknown URLs", "wrong signatures"])
    def test_a_genuine_delivery_is_taken_whatever_else_comes_from_its_address(
        self, rig: Rig, hook: Receiver, token: str | None
    ) -> None:
        for number in range(3):
            while hook.send(PUSH, token=token).status != 429:
                pass
            answer = hook.send(
                PUSH + b" " * number, signed(rig, PUSH + b" " * number, f"d{number}")
            )
            assert answer.status == 202

    def test_the_body_of_an_unknown_url_is_not_read(self, hook: Receiver) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            raise AssertionError("nobody asks for it")
            yield b""

        assert hook.send(token=UNKNOWN, chunks=chunks()).status == 404

    def test_what_is_refused_for_being_wrong_too_often_is_sampled(self, hook: Receiver) -> None:
        while hook.send(PUSH, client="192.0.2.7", token=UNKNOWN).status != 429:
            pass
        assert hook.send(PUSH, client="192.0.2.7").status == 429
        (sample,) = hook.deliveries()
        assert (sample.status_code, sample.verdict) == (429, "refused")
        assert sample.reason == "the signature is missing, wrong or too old"

    def test_wrong_signatures_are_guesses_too(self, hook: Receiver) -> None:
        assert [hook.send(PUSH).status for _ in range(21)] == [401] * 20 + [429]

    def test_malformed_bodies_of_a_known_sender_are_not(self, rig: Rig, hook: Receiver) -> None:
        body = b"{"
        assert {hook.send(body, signed(rig, body)).status for _ in range(30)} == {400}

    def test_no_secret_no_entry(self, rig: Rig, hook: Receiver) -> None:
        hook.secrets.clear()
        answer = hook.send(PUSH, signed(rig))
        assert said(answer) == (503, "secret-unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert VARIABLE not in str(answer.body)
        assert rig.runs() == []

    def test_a_secret_whose_time_is_over_is_not_used(self, rig: Rig) -> None:
        until = (rig.clock.now() + timedelta(hours=1)).isoformat()
        secrets = [{"env": VARIABLE, "notAfter": until}]
        trigger = webhook() | {"signature": {"scheme": "github", "secrets": secrets}}
        rig.apply(agent(), autopilot("triage", trigger))
        hook = Receiver(rig)
        assert hook.send(PUSH, signed(rig)).status == 202
        rig.clock.advance(hours=2)
        assert said(hook.send(PUSH, signed(rig, delivery="d2"))) == (503, "secret-unavailable")

    def test_while_secrets_rotate_both_are_taken(self, rig: Rig) -> None:
        secrets = [{"env": VARIABLE}, {"env": f"{VARIABLE}_OLD"}]
        trigger = webhook() | {"signature": {"scheme": "github", "secrets": secrets}}
        rig.apply(agent(), autopilot("triage", trigger, maxConcurrency=2))
        hook = Receiver(rig, {VARIABLE: "new", f"{VARIABLE}_OLD": "old"})
        for number, secret in enumerate(("new", "old")):
            body = b"%d" % number
            headers = lower(sign("github", secret, body, rig.clock.now(), f"d{number}"))
            assert hook.send(body, headers).status == 202

    def test_nothing_is_taken_while_shutting_down(self, rig: Rig, hook: Receiver) -> None:
        asyncio.run(hook.intake.close())
        answer = hook.send(PUSH, signed(rig))
        assert said(answer) == (503, "shutting-down")
        assert "Retry-After" in answer.headers

    def test_what_is_ignored_waits_together_too(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot("triage", webhook(enabled=False)))
        hook, sizes = Receiver(rig), list[int]()
        write = hook.intake.ignored.write

        async def noting(group: Any) -> Any:
            sizes.append(len(group))
            return await write(group)

        hook.intake.ignored.write = noting
        answers = hook.send_at_once([hook.request(b"%d" % number) for number in range(20)])
        assert {said(one) for one in answers} == {(200, "ignored")}
        assert [one.verdict for one in hook.deliveries()] == ["ignored"] * 20
        assert len(sizes) < 20
        hook.intake.ignored.capacity = 0
        assert said(hook.send()) == (503, "intake-full")

    def test_a_full_buffer_takes_nothing_unwritten(self, rig: Rig, hook: Receiver) -> None:
        hook.intake.writer.capacity = 0
        assert said(hook.send(PUSH, signed(rig))) == (503, "intake-full")
        assert (rig.runs(), hook.deliveries()) == ([], [])


class TestOrder:
    """Each step is final: of two things that are wrong, the earlier one is answered."""

    @pytest.mark.parametrize(
        ("request_", "status"),
        [
            pytest.param({"method": "GET", "token": "x"}, 405, id="method before token"),
            pytest.param(
                {"token": UNKNOWN, "headers": {"content-encoding": "gzip"}}, 404,
                id="token before encoding",
            ),
            pytest.param(
                {"headers": {"content-encoding": "gzip", "content-length": f"{MIB + 1}"}}, 415,
                id="encoding before length",
            ),
            pytest.param({"headers": {"content-length": f"{MIB + 1}"}}, 413,
                         id="length before signature"),
            pytest.param({"body": b"x" * (MIB + 1)}, 413, id="size before signature"),
            pytest.param({"body": b"{"}, 401, id="signature before JSON"),
            pytest.param({"headers": {"idempotency-key": "a b"}}, 401, id="signature before key"),
        ],
    )  # fmt: skip
    def test_of_two_faults_the_first(
        self, hook: Receiver, request_: dict[str, Any], status: int
    ) -> None:
        assert hook.send(**request_).status == status

    def test_json_before_the_pause(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot("triage", webhook(), status="paused"))
        assert Receiver(rig).send(b"{").status == 400

    def test_the_pause_before_the_key(self, rig: Rig, open_hook: Receiver) -> None:
        open_hook.send(b"1", {"idempotency-key": "k"})
        rig.apply(agent(), autopilot("triage", webhook(), status="paused"))
        assert said(open_hook.send(b"1", {"idempotency-key": "k"})) == (200, "ignored")

    def test_the_key_before_the_policy(self, open_hook: Receiver) -> None:
        open_hook.send(b"1", {"idempotency-key": "k"})
        assert said(open_hook.send(b"1", {"idempotency-key": "k"})) == (200, "duplicate")

    def test_a_refused_delivery_uses_up_no_key(self, rig: Rig, hook: Receiver) -> None:
        assert hook.send(b"{}", signed(rig)).status == 401
        assert hook.send(PUSH, signed(rig)).status == 202

    def test_a_secret_is_not_asked_for_by_strangers(self, hook: Receiver) -> None:
        hook.secrets.clear()
        assert hook.send(token=UNKNOWN).status == 404


class TestTokens:
    def test_a_new_generation_is_a_new_url_and_the_old_one_works_a_while(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot("triage", webhook(), maxConcurrency=9))
        hook = Receiver(rig)
        old = hook.token()
        rig.apply(agent(), autopilot("triage", webhook(tokenGeneration=2), maxConcurrency=9))
        new = hook.token(generation=2)
        assert [hook.send(token=one).status for one in (old, new)] == [202, 202]
        rig.clock.advance(hours=24)
        assert [hook.send(token=one).status for one in (old, new)] == [404, 202]

    def test_without_grace_the_old_url_ends_at_once(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot("triage", webhook()))
        hook = Receiver(rig)
        old = hook.token()
        rig.apply(agent(), autopilot("triage", webhook(tokenGeneration=2, tokenGrace="0s")))
        assert hook.send(token=old).status == 404

    def test_a_removed_trigger_has_no_url(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot("triage", webhook(), webhook("other")))
        hook = Receiver(rig)
        token = hook.token()
        rig.apply(agent(), autopilot("triage", webhook("other")))
        assert hook.send(token=token).status == 404
        rig.apply(agent(), autopilot("triage", webhook(), webhook("other")))
        assert hook.send(token=token).status == 202

    def test_a_trigger_that_has_just_changed_is_asked_again(self, rig: Rig, hook: Receiver) -> None:
        """Verified under the old signature: not written under the new one."""
        token, write = hook.token(), hook.intake.recorder.record

        async def edited_meanwhile(group: Any) -> Any:
            rig.clock.advance(seconds=1)
            rig.apply(agent(), autopilot("triage", github(maxBody="2KiB")))
            return await write(group)

        hook.intake.writer.write = edited_meanwhile
        answer = hook.send(PUSH, signed(rig), token=token)
        assert answer.status == 503
        assert rig.runs() == []
        hook.intake.writer.write = write
        assert hook.send(PUSH, signed(rig)).status == 202


def test_tokens_and_secrets_are_not_kept_with_a_delivery(rig: Rig) -> None:
    signature = {"scheme": "bearer", "secrets": [{"env": VARIABLE}]}
    rig.apply(agent(), autopilot("triage", webhook() | {"signature": signature}))
    hook = Receiver(rig)
    headers = {**JSON, "authorization": f"Bearer {SECRET}", "user-agent": "curl/8"}
    assert hook.send(b"1", headers).status == 202
    (delivery,) = hook.deliveries()
    assert SECRET not in str(delivery)
    assert delivery.headers["user-agent"] == "curl/8"
