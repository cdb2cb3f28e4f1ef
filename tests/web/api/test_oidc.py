"""Jobs of a CI at a server that trusts a certified OIDC provider: oidc-provider, as it is shipped.

What no provider would sign is forged in tests/control/access/test_oidc.py.
"""

import asyncio
import base64
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reconciler.control.access.tokens import Tokens
from reconciler.core.access.roles import Role
from reconciler.core.base.errors import Unavailable
from tests.support import patient
from tests.support.clock import FakeClock
from tests.support.oidc.provider import (
    GITHUB,
    GITLAB,
    KEYS,
    RSA,
    Provider,
    provider,
)
from tests.support.rig import Rig, agent
from tests.support.web import Web
from tests.web.conftest import Ask

RULES = """
[[oidc]]
issuer = "{github}"
audience = "reconciler"
role = "planner"
repository = "acme/automations"

[[oidc]]
issuer = "{github}"
audience = "reconciler"
role = "admin"
repository = "acme/automations"
ref = "refs/heads/main"
event = "push"

[[oidc]]
issuer = "{gitlab}"
audience = "reconciler"
role = "planner"
repository = "acme/automations"
names = {{repository = "project_path"}}

[[oidc]]
issuer = "{gitlab}"
audience = "reconciler"
role = "admin"
repository = "acme/automations"
ref = "refs/heads/main"
event = "push"
names = {{repository = "project_path", ref = "ref_path", event = "pipeline_source"}}
"""
PULL_REQUEST = GITHUB | {"ref": "refs/pull/7/merge", "event_name": "pull_request"}
MERGE_REQUEST = GITLAB | {
    "ref_path": "refs/merge-requests/7/head",
    "pipeline_source": "merge_request_event",
}


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    """One process for all tests of this module."""
    with provider() as started:
        yield started


@pytest.fixture
def issuer(running: Provider) -> Iterator[Provider]:
    """The provider, which is up again after the test."""
    yield running
    running.change(down=False)


@pytest.fixture
def clock(rig: Rig) -> FakeClock:
    """The server's clock."""
    return rig.clock


@pytest.fixture
def tokens(issuer: Provider, clock: FakeClock, tmp_path: Path) -> Tokens:
    """Rules for both issuers; nothing was fetched yet."""
    path = tmp_path / "tokens.toml"
    path.write_text(RULES.format(github=issuer.url, gitlab=issuer.below))
    tokens = Tokens(path, clock)
    assert tokens.issuers is not None
    tokens.issuers.spacing = 0.0  # the clock stands still: whoever waits for it waits in vain
    return tokens


@pytest.fixture
def web(rig: Rig, tokens: Tokens) -> Web:
    return Web(rig, authority=tokens)


RoleOf = Callable[[str], Role | None]


@pytest.fixture
def role_of(tokens: Tokens, clock: FakeClock) -> RoleOf:
    """What a token opens at the moment at which it was issued."""

    def role(token: str) -> Role | None:
        clock.at = moment(token, "iat")
        caller = asyncio.run(tokens.identify(token))
        return caller.role if caller else None

    return role


def payload(token: str) -> dict[str, Any]:
    """What a token says, unverified."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def moment(token: str, claim: str) -> datetime:
    """A time of a token."""
    return datetime.fromtimestamp(payload(token)[claim], UTC)


def test_a_pull_request_plans_and_a_push_to_main_applies(
    ask: Ask, issuer: Provider, clock: FakeClock
) -> None:
    body = {
        "sourceId": "ci",
        "files": [{"path": "bot.yaml", "content": json.dumps(agent())}],
    }

    def send(path: str, token: str, **more: str) -> httpx.Response:
        clock.at = moment(token, "iat")
        return ask("POST", path, json=body | more, headers={"Authorization": f"Bearer {token}"})

    planned = send("/v1/plan", issuer.token(PULL_REQUEST))
    assert planned.status_code == 200, planned.text
    digest = planned.json()["digest"]
    assert send("/v1/apply", issuer.token(PULL_REQUEST), digest=digest).status_code == 403
    assert send("/v1/plan", issuer.token(PULL_REQUEST, audience="other")).status_code == 401
    main = issuer.token(GITHUB)
    assert send("/v1/apply", main, digest=digest).json()["summary"]["create"] == 1
    headers = {"Authorization": f"Bearer {main}"}
    (revision,) = ask("GET", "/v1/revisions", headers=headers).json()["items"]
    assert revision["actor"] == "acme/automations@refs/heads/main (ada)"


@pytest.mark.parametrize(
    ("changed", "role"),
    [
        pytest.param({}, Role.ADMIN, id="a push to main"),
        pytest.param(MERGE_REQUEST, Role.PLANNER, id="a merge request"),
        pytest.param(
            {"ref_type": "tag", "ref_path": "refs/tags/main"}, Role.PLANNER, id="a tag named main"
        ),
        pytest.param({"project_path": "evil/automations"}, None, id="another project"),
    ],
)
def test_an_issuer_whose_identifier_ends_in_a_slash_names_things_as_gitlab_does(
    issuer: Provider, role_of: RoleOf, changed: dict[str, str], role: Role | None
) -> None:
    token = issuer.token(GITLAB | changed, issuer=issuer.below)
    assert payload(token)["iss"] == issuer.below
    assert role_of(token) is role


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "PS512", "ES256", "EdDSA", "Ed25519"])
def test_a_key_that_names_no_algorithm_verifies_each_that_the_provider_signs_with_it(
    issuer: Provider, role_of: RoleOf, algorithm: str
) -> None:
    token = issuer.token(GITHUB, algorithm=algorithm)
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    assert role_of(token) is Role.ADMIN


def test_a_token_is_over_half_a_minute_after_it_says_so(
    issuer: Provider, tokens: Tokens, clock: FakeClock
) -> None:
    token = issuer.token(GITHUB)
    clock.at = moment(token, "exp")
    clock.advance(seconds=29)
    assert asyncio.run(tokens.identify(token)) is not None
    clock.advance(seconds=1)
    assert asyncio.run(tokens.identify(token)) is None


def encoded(part: Any) -> str:
    """A part of a JWT."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_token_that_was_changed_on_its_way_is_refused(issuer: Provider, role_of: RoleOf) -> None:
    token = issuer.token(PULL_REQUEST)
    header, _, signature = token.split(".")
    promoted = encoded(payload(token) | GITHUB)
    assert role_of(f"{header}.{promoted}.{signature}") is None
    unsigned = encoded({"alg": "none", "kid": "rsa"})
    assert role_of(f"{unsigned}.{promoted}.") is None
    assert role_of(f"{unsigned}.{promoted}.{signature}") is None


def test_what_the_provider_publishes_is_no_shared_secret(issuer: Provider, role_of: RoleOf) -> None:
    """Signed with HMAC, under the public key in each form in which libraries hold it."""
    published = patient.get(f"{issuer.url}/jwks").json()["keys"]
    (rsa,) = (key for key in published if key["kid"] == "rsa")
    key = jwt.PyJWK(rsa).key
    spki = PublicFormat.SubjectPublicKeyInfo
    secrets = [key.public_bytes(form, spki) for form in (Encoding.PEM, Encoding.DER)]
    secrets += [json.dumps(rsa).encode(), rsa["n"].encode()]
    claims = encoded(payload(issuer.token(GITHUB)))
    for name in ("HS256", "HS512"):
        signed = f"{encoded({'alg': name, 'kid': 'rsa'})}.{claims}"
        for secret in secrets:
            digest = hmac.digest(secret, signed.encode(), f"sha{name[2:]}")
            assert role_of(f"{signed}.{encoded(digest)}") is None


def test_keys_that_rotate_are_taken_at_once_and_those_before_are_over(
    issuer: Provider, role_of: RoleOf, clock: FakeClock
) -> None:
    before = issuer.token(GITHUB)
    assert role_of(before) is Role.ADMIN
    issuer.change(keys=[RSA | {"kid": "next"}])
    try:
        clock.advance(minutes=1)
        after = issuer.token(GITHUB)
        assert role_of(after) is Role.ADMIN
        assert role_of(before) is None
        # The same id with another key: what was signed with the one before stays refused.
        issuer.change(keys=[RSA | {"kid": "next"}])
        clock.advance(hours=2)
        assert role_of(issuer.token(GITHUB)) is Role.ADMIN
        assert role_of(after) is None
    finally:
        issuer.change(keys=KEYS)


def test_a_provider_that_is_down_is_said_and_known_keys_go_on(
    ask: Ask, issuer: Provider, role_of: RoleOf, clock: FakeClock
) -> None:
    token = issuer.token(GITHUB)
    issuer.change(down=True)
    with pytest.raises(Unavailable, match=r"the keys of .* are unavailable"):
        role_of(token)
    clock.advance(minutes=1)
    answer = ask("GET", "/v1/status", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    issuer.change(down=False)
    clock.advance(minutes=1)
    assert role_of(token) is Role.ADMIN
    issuer.change(down=True)
    clock.advance(hours=2)
    assert role_of(token) is Role.ADMIN
