"""What strangers send to the server: every answer is short, final, and leaves nothing behind."""

import asyncio
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from reconciler.control.webhooks.inbound import InboundRequest
from reconciler.core.webhooks.token import webhook_token
from reconciler.store.webhooks.deliveries import list_deliveries
from tests.support import patient
from tests.support.rig import KEY, Rig, agent, autopilot, webhook
from tests.support.signing import sign
from tests.support.sockets import connected, read_answer
from tests.support.web import Web
from tests.web.conftest import Ask

SECRET = "s3cret"
VARIABLE = "AUTOPILOT_SECRET_DEFAULT__CI"
JSON = [("content-type", "application/json")]
PUSH = b'{"ref": "main"}'
Headers = list[tuple[str, str | bytes]]


@pytest.fixture
def web(rig: Rig) -> Web:
    """A server with a webhook of each kind: signed, with a time, and open with expressions."""

    def hook(scheme: str) -> dict[str, Any]:
        return webhook() | {"signature": {"scheme": scheme, "secrets": [{"env": VARIABLE}]}}

    title = {"issueTitleTemplate": "Say {{ payload.text }}"}
    rig.apply(
        agent(),
        autopilot("triage", hook("github")),
        autopilot("slow", hook("slack")),
        autopilot("open", webhook(), **title),
    )
    return Web(rig, secrets={VARIABLE: SECRET})


def address(rig: Rig, name: str = "triage") -> str:
    """The path of an autopilot's webhook."""
    return f"/v1/webhooks/{webhook_token(KEY, rig.triggers(name)['hook'].id, 1)}"


def mac(body: bytes, secret: str = SECRET) -> str:
    """What GitHub puts into its header."""
    return "sha256=" + hmac.digest(secret.encode(), body, hashlib.sha256).hex()


def signed(body: bytes) -> Headers:
    """The headers of a genuine delivery."""
    return [*JSON, ("x-hub-signature-256", mac(body))]


def kept(rig: Rig) -> int:
    """Runs and deliveries of everybody, but for samples of what was refused, which hold no body."""
    names = ("triage", "slow", "open")
    deliveries = rig.database.read(lambda tx: list_deliveries(tx, limit=200))
    taken = [one for one in deliveries if one.verdict != "refused"]
    return len(taken) + sum(len(rig.runs(name)) for name in names)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="none at all"),
        pytest.param("", id="empty"),
        pytest.param("sha256=", id="no digits"),
        pytest.param(mac(PUSH).removeprefix("sha256="), id="no prefix"),
        pytest.param(mac(PUSH).replace("sha256", "sha1"), id="another algorithm"),
        pytest.param(mac(PUSH).upper(), id="upper case"),
        pytest.param(mac(PUSH)[:-1], id="a digit short"),
        pytest.param(mac(PUSH) + "0", id="a digit more"),
        pytest.param(f"{mac(PUSH, 'x')},{mac(PUSH)}", id="a list with the right one"),
        pytest.param(mac(PUSH, ""), id="made with an empty secret"),
        pytest.param("sha256=" + "é".encode().decode("latin-1") * 32, id="Latin-1"),
        pytest.param("sha256=" + "٣" * 64, id="digits of another script"),
        pytest.param("sha256=" + "0" * 60_000, id="very long"),
    ],
)
def test_no_forged_signature_passes(rig: Rig, web: Web, ask: Ask, value: str | None) -> None:
    given: Headers = [] if value is None else [("x-hub-signature-256", value.encode())]
    answer = ask("POST", address(rig), content=PUSH, headers=[*JSON, *given])
    assert (answer.status_code, answer.json()["code"]) == (401, "signature-invalid")
    assert kept(rig) == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(mac(PUSH), mac(PUSH, "x"), id="the right one first"),
        pytest.param(mac(PUSH, "x"), mac(PUSH), id="the right one last"),
    ],
)
def test_two_signatures_are_never_one_too_many(
    rig: Rig, web: Web, ask: Ask, first: str, second: str
) -> None:
    """A proxy may check one and the server the other: neither order is taken."""
    twice: Headers = [("x-hub-signature-256", first), ("X-Hub-Signature-256", second)]
    answer = ask("POST", address(rig), content=PUSH, headers=[*JSON, *twice])
    assert answer.status_code in (400, 401)
    assert kept(rig) == 0


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        pytest.param('{"a": 1}'.encode("utf-16"), "application/json", 400, id="UTF-16 unsaid"),
        pytest.param(b'\xff{"a": 1}', "application/json; charset=utf-8", 400, id="no UTF-8"),
        pytest.param(b"{}", "application/json; charset=utf-16", 415, id="UTF-16 said"),
        pytest.param(b"{}", "application/json; charset=latin-1", 415, id="another charset"),
        pytest.param(b"<html></html>", "text/html", 415, id="a page"),
        pytest.param(b"--x--", "multipart/form-data; boundary=x", 415, id="parts"),
        pytest.param(b'{"a": NaN}', "application/json", 400, id="NaN"),
        pytest.param(b'{"a": Infinity}', "application/json", 400, id="infinity"),
        pytest.param(b'{"a":' * 100_000 + b"}" * 100_000, "application/json", 400, id="deep"),
        pytest.param(b"{} {}", "application/json", 400, id="two documents"),
        pytest.param(b"", "application/json", 400, id="nothing"),
    ],
)
def test_hostile_bodies_that_are_signed(
    rig: Rig, web: Web, ask: Ask, body: bytes, content_type: str, status: int
) -> None:
    headers = [("content-type", content_type), ("x-hub-signature-256", mac(body))]
    answer = ask("POST", address(rig), content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert kept(rig) == 0


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(rb'{"a": "\ud800"}', id="a lone surrogate"),
        pytest.param(rb'{"a": "\u0000"}', id="a NUL"),
        pytest.param(rb'{"\u0000": 1}', id="a NUL in a name"),
        pytest.param(b'{"a": ' + b"9" * 10_000 + b"}", id="a number of ten thousand digits"),
        pytest.param(b'{"a": 1, "a": 2}', id="a name twice"),
    ],
)
def test_odd_json_is_answered_and_never_breaks_the_server(
    rig: Rig, web: Web, ask: Ask, body: bytes
) -> None:
    answer = ask("POST", address(rig), content=body, headers=signed(body))
    assert answer.status_code in (202, 400), answer.text
    if answer.status_code == 202:
        assert ask("GET", answer.headers["location"]).status_code == 200
        assert ask("GET", "/v1/runs").status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity", "zstd"])
def test_compressed_bodies_are_not_unpacked(rig: Rig, web: Web, ask: Ask, encoding: str) -> None:
    headers = [*signed(PUSH), ("content-encoding", encoding)]
    assert ask("POST", address(rig), content=PUSH, headers=headers).status_code == 415
    assert kept(rig) == 0


@pytest.mark.parametrize(
    "seconds", [pytest.param(-301, id="old"), pytest.param(301, id="of the future")]
)
def test_a_signature_of_another_time(rig: Rig, web: Web, ask: Ask, seconds: int) -> None:
    rig.clock.advance(seconds=1000)
    headers = sign("slack", SECRET, PUSH, rig.clock.now())
    rig.clock.advance(seconds=-seconds)
    answer = ask("POST", address(rig, "slow"), content=PUSH, headers=[*JSON, *headers.items()])
    assert (answer.status_code, kept(rig)) == (401, 0)


@pytest.mark.parametrize(
    "time",
    [
        pytest.param("NaN", id="no number"),
        pytest.param("inf", id="infinity"),
        pytest.param("+{now}", id="a plus"),
        pytest.param("-{now}", id="a minus"),
        pytest.param("{now}.0", id="a fraction"),
        pytest.param("{now}e0", id="an exponent"),
        pytest.param("{now},{now}", id="a list"),
        pytest.param("0x6907", id="another base"),
        pytest.param("1_793_606_400", id="underscores"),
        pytest.param("", id="nothing"),
        pytest.param("9" * 400, id="endless"),
    ],
)
def test_a_time_that_is_no_plain_number(rig: Rig, web: Web, ask: Ask, time: str) -> None:
    """Signed with the right secret all the same: the time alone makes it wrong."""
    text = time.replace("{now}", str(int(rig.clock.now().timestamp())))
    said = hmac.digest(SECRET.encode(), b"v0:" + text.encode() + b":" + PUSH, hashlib.sha256)
    headers: Headers = [
        *JSON, ("x-slack-request-timestamp", text), ("x-slack-signature", f"v0={said.hex()}")
    ]  # fmt: skip
    answer = ask("POST", address(rig, "slow"), content=PUSH, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "signature-invalid")
    assert kept(rig) == 0


@pytest.mark.parametrize("time", [" {now}", "{now} ", "\t{now}", "{now}\x0b"])
def test_spaces_around_a_time(rig: Rig, web: Web, time: str) -> None:
    """HTTP strips them from a header; nobody strips them from what is signed."""
    now = str(int(rig.clock.now().timestamp()))
    said = hmac.digest(
        SECRET.encode(), b"v0:" + time.replace("{now}", now).encode() + b":{}", hashlib.sha256
    ).hex()
    line = f"X-Slack-Request-Timestamp:{time.replace('{now}', now)}\r\nX-Slack-Signature: v0={said}"
    with web.served() as url:
        sent = request(address(rig, "slow"), f"{line}\r\nContent-Length: 2") + b"{}"
        assert spoken(url, sent) in (400, 401)
    assert kept(rig) == 0


def test_the_same_signed_body_under_a_new_id_makes_no_second_run(
    rig: Rig, web: Web, ask: Ask
) -> None:
    for number, status in enumerate((202, 200, 200)):
        headers = [*signed(PUSH), ("x-github-delivery", f"forged-{number}")]
        assert ask("POST", address(rig), content=PUSH, headers=headers).status_code == status
    assert len(rig.runs()) == 1


def test_many_wrong_tokens_are_slowed_down(web: Web, ask: Ask) -> None:
    answers = [ask("POST", f"/v1/webhooks/whk_{number:043}") for number in range(25)]
    assert [one.status_code for one in answers] == [404] * 20 + [429] * 5
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert len({one.content for one in answers[:20]}) == 1


def test_thousands_of_wrong_tokens_cost_next_to_nothing(rig: Rig, web: Web, ask: Ask) -> None:
    async def attack() -> Counter[int]:
        async def nothing() -> AsyncIterator[bytes]:
            raise AssertionError("no body is read")
            yield b""

        answers = [
            await web.intake.receive(
                InboundRequest("POST", f"whk_{n:043}", (), nothing(), "203.0.113.9")
            )
            for n in range(2_000)
        ]
        return Counter(answer.status for answer in answers)

    before = rig.database.read(lambda tx: list_deliveries(tx, limit=10))
    began = time.process_time()
    statuses = asyncio.run(attack())
    spent = time.process_time() - began
    assert set(statuses) == {404, 429}
    assert statuses[404] < 100
    assert spent / 2_000 < 0.005, "CPU seconds of one wrong token"
    assert rig.database.read(lambda tx: list_deliveries(tx, limit=10)) == before
    assert ask("POST", address(rig), content=PUSH, headers=signed(PUSH)).status_code == 202
    assert len(rig.runs()) == 1


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("//v1/webhooks/{token}", id="two slashes"),
        pytest.param("/v1//webhooks/{token}", id="two within"),
        pytest.param("/v1/webhooks/{token}/", id="one at the end"),
        pytest.param("/v1/webhooks/%2e%2e/webhooks/{token}", id="dots"),
        pytest.param("/v1/webhooks/..%2fwebhooks%2f{token}", id="an escaped slash"),
        pytest.param("/v1/webhooks/{token}%00", id="a NUL"),
        pytest.param("/v1/webhooks/{token}%0d%0aX-Evil:1", id="a line break"),
        pytest.param("/V1/WEBHOOKS/{token}", id="upper case"),
    ],
)
def test_paths_are_taken_as_they_are(rig: Rig, web: Web, ask: Ask, path: str) -> None:
    token = address(rig).rpartition("/")[2]
    url = httpx.URL("http://127.0.0.1:8484").copy_with(raw_path=path.format(token=token).encode())
    answer = ask("POST", str(url), content=PUSH, headers=signed(PUSH))
    assert answer.status_code == 404
    assert "location" not in answer.headers
    assert "x-evil" not in answer.headers
    assert token not in answer.text
    assert kept(rig) == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("POST", "/v1/autopilots/{id}/run", id="a run"),
        pytest.param("POST", "/v1/autopilots/{id}/pause", id="a pause"),
        pytest.param("POST", "/v1/reconcile", id="a reconcile"),
        pytest.param("GET", "/v1/autopilots", id="even reading"),
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"origin": "https://evil.example"}, id="from another site"),
        pytest.param({"host": "rebound.example"}, id="under another name"),
    ],
)
def test_pages_of_others_can_do_nothing(
    rig: Rig, web: Web, ask: Ask, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = ask(method, path.format(id=rig.live().id), headers=headers, json={})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert rig.runs() == []
    assert rig.live().switches.paused_at is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{{ 1+1 }}", id="a template"),
        pytest.param("{{ payload.secret }}", id="a template that reads"),
        pytest.param("' + now() + '", id="an expression"),
        pytest.param("${{ env.HOME }}", id="another language"),
    ],
)
def test_what_a_payload_says_is_never_evaluated(rig: Rig, web: Web, ask: Ask, text: str) -> None:
    answer = ask("POST", address(rig, "open"), json={"text": text, "secret": "hidden"})
    assert answer.status_code == 202
    (run,) = rig.runs("open")
    assert run.title == f"Say {text}"


def test_a_payload_cannot_write_lines_of_a_title_or_of_the_log(
    rig: Rig, web: Web, ask: Ask
) -> None:
    forged = 'a\n{"event": "forged"}\r\x1b[31m\u202e'
    with capture_logs() as lines:
        answer = ask("POST", address(rig, "open"), json={"text": forged})
        ask("POST", address(rig), content=b"x", headers=[*JSON, ("user-agent", "\x1b[31mforged")])
    assert answer.status_code == 202
    (run,) = rig.runs("open")
    assert not any(ord(char) < 32 or char == "\u202e" for char in run.title)
    token = address(rig).rpartition("/")[2]
    assert not any("forged" in str(line) or token in str(line) for line in lines)


def test_a_body_that_drips_is_given_up(rig: Rig, web: Web) -> None:
    with web.served() as url:
        web.intake.read_deadline = 0.2
        assert spoken(url, request(address(rig), "Content-Length: 100") + b"{") == 408
    assert kept(rig) == 0


@pytest.mark.parametrize(
    ("line", "status"),
    [
        pytest.param("Content-Length: 1073741824", (413,), id="a gigabyte, said"),
        pytest.param("Content-Length: 99999999999999999999999", (400, 413), id="beyond numbers"),
        pytest.param("Content-Length: -1", (400,), id="less than nothing"),
        pytest.param("Content-Length: 1, 2", (400,), id="two lengths"),
        pytest.param("Content-Length: 2\r\nContent-Length: 3", (400,), id="two headers"),
        pytest.param("Content-Length: 2\r\nTransfer-Encoding: chunked", (400,), id="smuggled"),
        pytest.param("Content-Length: 2\r\nX-A: \x00", (400,), id="a NUL in a header"),
    ],
)
def test_what_only_a_socket_can_say(rig: Rig, web: Web, line: str, status: tuple[int, ...]) -> None:
    with web.served() as url:
        answered = spoken(url, request(address(rig), line) + b"{}")
        assert patient.get(f"{url}/healthz").status_code == 200
    assert answered in status
    assert kept(rig) == 0


def request(path: str, line: str) -> bytes:
    """The head of a POST with one more line."""
    head = ["Host: 127.0.0.1", "Content-Type: application/json", line, "", ""]
    return "\r\n".join([f"POST {path} HTTP/1.1", *head]).encode("latin-1")


def spoken(url: str, sent: bytes) -> int:
    """The status with which a server answers these bytes."""
    with connected(url) as client:
        client.sendall(sent)
        return read_answer(client).status_code


def test_a_problem_repeats_nothing_of_the_sender(web: Web, ask: Ask) -> None:
    answer = ask("POST", "/v1/webhooks/<script>alert(1)</script>")
    assert "script" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert json.loads(answer.content)["status"] == 404
