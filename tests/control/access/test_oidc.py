"""JWTs against an issuer that runs: signatures, times, keys that rotate, answers that fail."""

import asyncio
import base64
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from reconciler.control.access.tokens import Tokens
from reconciler.core.access.roles import Caller, Role
from reconciler.core.base.errors import Unavailable
from tests.support.clock import FakeClock
from tests.support.eventually import eventually
from tests.support.issuer import AUDIENCE, Issuer, issuing

SPACING = 0.1
"""Seconds between two fetches: the clock of these tests stands still, their event loop does not."""
RULES = """
[[oidc]]
issuer = "{url}"
audience = "reconciler"
role = "planner"
repository = "acme/automations"

[[oidc]]
issuer = "{url}"
audience = "reconciler"
role = "admin"
repository = "acme/automations"
ref = "refs/heads/main"
event = ["push", "workflow_dispatch"]
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Issuer]:
    """One issuer for all tests of this module."""
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def issuer(running: Issuer) -> Issuer:
    """The issuer as it was in the beginning."""
    running.rotate("first")
    running.broken, running.asked = False, 0
    return running


@pytest.fixture
def clock() -> FakeClock:
    """Stands still."""
    return FakeClock()


@pytest.fixture
def tokens(issuer: Issuer, clock: FakeClock, tmp_path: Path) -> Tokens:
    """Rules for the issuer."""
    path = tmp_path / "tokens.toml"
    path.write_text(RULES.format(url=issuer.url))
    tokens = Tokens(path, clock)
    assert tokens.issuers is not None
    tokens.issuers.spacing = SPACING
    return tokens


def identify(tokens: Tokens, credential: str) -> Caller | None:
    """Whose credential it is."""
    return asyncio.run(tokens.identify(credential))


def test_a_push_to_main_is_admin_and_a_pull_request_plans(
    tokens: Tokens, issuer: Issuer, clock: FakeClock
) -> None:
    admin = identify(tokens, issuer.token(clock.now()))
    assert admin is not None
    assert admin.role is Role.ADMIN
    asked = issuer.token(clock.now(), ref="refs/pull/7/merge", event_name="pull_request")
    planner = identify(tokens, asked)
    assert planner is not None
    assert planner.role is Role.PLANNER


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"aud": "other"}, id="for somebody else"),
        pytest.param({"aud": [7]}, id="for a number"),
        pytest.param({"iss": "https://other.example"}, id="of another issuer"),
        pytest.param({"repository": "evil/automations"}, id="of another repository"),
        pytest.param({"exp": None}, id="never runs out"),
        pytest.param({"exp": 0}, id="ran out long ago"),
        pytest.param({"exp": True}, id="runs out at true"),
        pytest.param({"exp": "9999999999"}, id="runs out at a text"),
        pytest.param({"nbf": 99999999999}, id="not valid yet"),
        pytest.param({"iat": 99999999999}, id="made in the future"),
    ],
)
def test_claims_that_do_not_do(
    tokens: Tokens, issuer: Issuer, clock: FakeClock, claims: dict[str, Any]
) -> None:
    assert identify(tokens, issuer.token(clock.now(), **claims)) is None


def test_a_token_runs_out_by_our_own_clock(
    tokens: Tokens, issuer: Issuer, clock: FakeClock
) -> None:
    token = issuer.token(clock.now())
    clock.advance(minutes=5, seconds=29)
    assert identify(tokens, token) is not None
    clock.advance(seconds=1)
    assert identify(tokens, token) is None


def test_keys_are_fetched_once_and_again_when_they_rotate(
    tokens: Tokens, issuer: Issuer, clock: FakeClock
) -> None:
    for _ in range(3):
        assert identify(tokens, issuer.token(clock.now())) is not None
    assert issuer.asked == 2
    old = issuer.token(clock.now())
    issuer.rotate("second")
    clock.advance(minutes=1)
    assert identify(tokens, issuer.token(clock.now())) is not None
    assert identify(tokens, old) is None


def forged(issuer: Issuer, clock: FakeClock, number: int) -> str:
    """A token with a key that nobody publishes, each with another one."""
    published, issuer.keys = issuer.keys, {}
    issuer.rotate(f"made-up-{number}")
    try:
        return issuer.token(clock.now())
    finally:
        issuer.keys = published


def test_unknown_keys_do_not_make_us_ask_all_the_time(
    tokens: Tokens, issuer: Issuer, clock: FakeClock
) -> None:
    assert identify(tokens, issuer.token(clock.now())) is not None
    asked = issuer.asked
    made_up = [forged(issuer, clock, number) for number in range(50)]

    async def crowd() -> list[Caller | None]:
        return await asyncio.gather(*map(tokens.identify, made_up))

    assert asyncio.run(crowd()) == [None] * 50
    assert issuer.asked == asked + 2, "one fetch for all of them"


def test_a_new_key_is_found_at_once_however_many_are_made_up(
    tokens: Tokens, issuer: Issuer, clock: FakeClock
) -> None:
    """Between any two fetches lies the spacing; a token waits for one, and is not refused."""
    assert identify(tokens, issuer.token(clock.now())) is not None
    asked = issuer.asked
    made_up = iter([forged(issuer, clock, number) for number in range(60)])

    async def flood() -> None:
        async with asyncio.TaskGroup() as group:
            for fake in made_up:
                group.create_task(tokens.identify(fake))
                await asyncio.sleep(SPACING / 20)

    async def body() -> tuple[float, list[Caller | None]]:
        flooding = asyncio.create_task(flood())
        loop = asyncio.get_running_loop()
        callers: list[Caller | None] = []
        began = loop.time()
        for name in ("second", "third"):
            issuer.rotate(name)
            callers.append(await tokens.identify(issuer.token(clock.now())))
        await flooding
        return loop.time() - began, callers

    lasted, callers = asyncio.run(body())
    assert all(caller is not None and caller.role is Role.ADMIN for caller in callers)
    assert issuer.asked - asked <= 2 * (lasted / SPACING + 2)


def test_who_has_a_known_key_waits_for_no_fetch(
    tokens: Tokens, issuer: Issuer, clock: FakeClock
) -> None:
    known = issuer.token(clock.now())
    assert identify(tokens, known) is not None
    asked, made_up = issuer.asked, forged(issuer, clock, 0)

    async def body() -> None:
        issuer.hold.clear()
        asking = asyncio.create_task(tokens.identify(made_up))
        try:
            await asyncio.to_thread(eventually, lambda: issuer.asked > asked)
            assert await tokens.identify(known) is not None
            assert not asking.done()
        finally:
            issuer.hold.set()
        assert await asking is None

    asyncio.run(body())


def test_an_issuer_that_is_down_is_said_and_keys_of_before_go_on(
    tokens: Tokens, issuer: Issuer, clock: FakeClock
) -> None:
    issuer.broken = True
    with pytest.raises(Unavailable, match="keys"):
        identify(tokens, issuer.token(clock.now()))
    issuer.broken = False
    clock.advance(minutes=1)
    assert identify(tokens, issuer.token(clock.now())) is not None
    issuer.broken = True
    clock.advance(hours=2)
    assert identify(tokens, issuer.token(clock.now())) is not None


def test_a_signature_of_another_key_is_refused(
    tokens: Tokens, issuer: Issuer, clock: FakeClock
) -> None:
    assert identify(tokens, issuer.token(clock.now())) is not None
    issuer.rotate("first")
    assert identify(tokens, issuer.token(clock.now())) is None


def _unsigned(issuer: Issuer, clock: FakeClock, header: dict[str, Any]) -> str:
    body = jwt.decode(issuer.token(clock.now()), options={"verify_signature": False})
    parts = (json.dumps(part).encode() for part in (header, body))
    encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, ""])


@pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "none", "kid": "first"}])
def test_no_signature_is_no_signature(
    tokens: Tokens, issuer: Issuer, clock: FakeClock, header: dict[str, Any]
) -> None:
    assert identify(tokens, _unsigned(issuer, clock, header)) is None


def test_a_public_key_is_no_secret(tokens: Tokens, issuer: Issuer, clock: FakeClock) -> None:
    """Signed with HMAC, under what everybody can read."""
    (key,) = (issuer.answer("/keys") or {})["keys"]
    unsigned = _unsigned(issuer, clock, {"alg": "HS256", "kid": "first"}).rstrip(".")
    for secret in (json.dumps(key), json.dumps(key, separators=(",", ":")), key["x"]):
        mac = hmac.digest(secret.encode(), unsigned.encode(), "sha256")
        signature = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
        assert identify(tokens, f"{unsigned}.{signature}") is None


@pytest.mark.parametrize("text", ["..", "a.b.c", "e30.e30.", "é.é.é", ".".join(["A" * 5000] * 3)])
def test_what_is_no_jwt(tokens: Tokens, text: str) -> None:
    assert identify(tokens, text) is None


def test_the_audience_of_the_tests_is_the_rules() -> None:
    assert f'audience = "{AUDIENCE}"' in RULES
