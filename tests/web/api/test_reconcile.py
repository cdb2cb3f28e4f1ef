"""POST /v1/reconcile: who may have the followed sources read now, and what a hint does."""

import hashlib
import hmac
from pathlib import Path

import pytest
from pydantic import SecretStr

from reconciler.control.access.tokens import Tokens
from reconciler.control.apply.follow_source import Place, Position
from reconciler.core.access.roles import Role
from reconciler.core.access.token_hash import token_hash
from reconciler.settings import Settings
from reconciler.web.api.reconcile import LARGEST
from tests.support.forms import form_of
from tests.support.rig import Rig, agent
from tests.support.web import BASE, Web
from tests.web.conftest import Ask

SECRET = "a secret of sixteen or more"
TOKENS = {role: f"rct_{role.value}{'x' * 40}" for role in Role}
MAY = {Role.OPERATOR, Role.ADMIN}


@pytest.fixture
def polled() -> list[str | None]:
    """What was asked to be read."""
    return []


@pytest.fixture
def web(rig: Rig, tmp_path: Path, polled: list[str | None]) -> Web:
    """A server with tokens that follows the sources `default` and `team`."""
    tokens = tmp_path / "tokens.toml"
    tokens.write_text(
        '[[token]]\nname = "ann"\nrole = "operator"\nworkspaces = ["default"]\n'
        f'sha256 = "{token_hash("rct_ann")}"\n'
        + "\n".join(
            f'[[token]]\nname = "{role.value}"\nrole = "{role.value}"\n'
            f'sha256 = "{token_hash(token)}"\n'
            for role, token in TOKENS.items()
        )
    )
    return following(rig, polled, Tokens(tokens, rig.clock))


def following(rig: Rig, polled: list[str | None], authority: Tokens | None) -> Web:
    """A server that notes what it is asked to read."""
    names = ("default", "team")

    def poll(name: str | None) -> tuple[str, ...]:
        polled.append(name)
        return names if name is None else tuple({name} & set(names))

    settings = Settings(
        reconcile_secret=SecretStr(SECRET), public_url="https://autopilots.example.org"
    )
    more = {"followed": lambda: {name: Position(Place("")) for name in names}, "poll": poll}
    return Web(rig, authority=authority, settings=settings, more=more)


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """The headers that GitHub sends."""
    mac = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={mac}", "X-GitHub-Event": "push"}


def test_a_signed_push_is_accepted_at_once(ask: Ask, polled: list[str | None]) -> None:
    for body in (b'{"ref": "refs/heads/main"}', b"payload=%7B%7D", b""):
        answer = ask("POST", "/v1/reconcile", content=body, headers=signed(body))
        assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
    assert polled == [None, None, None]


def test_a_push_webhook_may_name_its_source(ask: Ask, polled: list[str | None]) -> None:
    answer = ask("POST", "/v1/reconcile?source=team", content=b"{}", headers=signed(b"{}"))
    assert (answer.status_code, polled) == (202, ["team"])
    answer = ask("POST", "/v1/reconcile?source=other", content=b"{}", headers=signed(b"{}"))
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(signed(b"{}", "another secret of sixteen"), id="another secret"),
        pytest.param(signed(b"{ }"), id="another body"),
        pytest.param({"X-Gitlab-Token": "guess"}, id="a wrong token"),
        pytest.param({"X-Hub-Signature-256": ""}, id="an empty signature"),
    ],
)
def test_a_signature_that_is_wrong_is_refused_even_beside_a_token(
    ask: Ask, polled: list[str | None], headers: dict[str, str]
) -> None:
    for more in ({}, {"Authorization": f"Bearer {TOKENS[Role.ADMIN]}"}):
        answer = ask("POST", "/v1/reconcile", content=b"{}", headers={**headers, **more})
        assert (answer.status_code, answer.json()["code"]) == (401, "signature-invalid")
    assert polled == []


def test_who_guesses_is_told_to_wait_and_a_genuine_push_never_is(
    ask: Ask, polled: list[str | None]
) -> None:
    wrong = signed(b"{}", "another secret of sixteen")
    codes = [
        ask("POST", "/v1/reconcile", content=b"{}", headers=wrong).status_code for _ in range(30)
    ]
    assert codes[0] == 401
    answer = ask("POST", "/v1/reconcile", content=b"{}", headers=wrong)
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-attempts")
    assert int(answer.headers["retry-after"]) > 0
    assert ask("POST", "/v1/reconcile", content=b"{}", headers=signed(b"{}")).status_code == 202
    assert polled == [None]


def test_who_may_not_know_a_source_is_not_told_that_it_is_followed(
    rig: Rig, ask: Ask, polled: list[str | None]
) -> None:
    """Neither by the API nor by the page; a source about their workspace they may name."""
    headers = {"Authorization": "Bearer rct_ann", "Origin": BASE}
    rig.apply(agent())

    login = form_of(ask("GET", "/login").text, "/login").fields
    signed_in = ask("POST", "/login", data={**login, "token": "rct_ann"}, headers=headers)
    session = {"Cookie": signed_in.headers["set-cookie"].partition(";")[0], "Origin": BASE}
    token = form_of(ask("GET", "/", headers=session).text, "/logout").fields

    def answers(name: str) -> list[tuple[int, str]]:
        api = ask("POST", f"/v1/reconcile?source={name}", headers=headers)
        page = ask("POST", "/sources/poll", data={**token, "source": name}, headers=session)
        return [(answer.status_code, answer.text.replace(name, "NAME")) for answer in (api, page)]

    assert answers("team") == answers("no-such")
    assert polled == []
    assert [status for status, _ in answers("default")] == [202, 303]
    assert polled == ["default", "default"]


@pytest.mark.parametrize("role", list(Role))
def test_operators_may_and_nobody_below(ask: Ask, polled: list[str | None], role: Role) -> None:
    headers = {"Authorization": f"Bearer {TOKENS[role]}"}
    answer = ask("POST", "/v1/reconcile", headers=headers)
    assert answer.status_code == (202 if role in MAY else 403)
    assert polled == ([None] if role in MAY else [])


def test_strangers_may_not(ask: Ask, polled: list[str | None]) -> None:
    assert ask("POST", "/v1/reconcile").status_code == 401
    assert polled == []


def test_a_push_that_is_too_large_is_refused(ask: Ask) -> None:
    body = b"x" * (LARGEST + 1)
    answer = ask("POST", "/v1/reconcile", content=body, headers=signed(body))
    assert answer.status_code == 413


def test_without_a_secret_no_signature_is_good(rig: Rig, ask: Ask, web: Web) -> None:
    web.settings = Settings()
    answer = ask("POST", "/v1/reconcile", content=b"{}", headers=signed(b"{}"))
    assert (answer.status_code, answer.json()["code"]) == (401, "signature-invalid")


class TestWithoutTokens:
    """On loopback everybody is an admin, but not the pages of other sites, nor the internet."""

    @pytest.fixture
    def web(self, rig: Rig, polled: list[str | None]) -> Web:
        """A server without tokens."""
        return following(rig, polled, None)

    def test_whoever_is_on_this_machine_may(self, ask: Ask) -> None:
        assert ask("POST", "/v1/reconcile").status_code == 202

    def test_a_page_of_another_site_may_not(self, ask: Ask, polled: list[str | None]) -> None:
        headers = {"Origin": "https://elsewhere.example"}
        assert ask("POST", "/v1/reconcile", headers=headers).status_code == 403
        assert polled == []

    def test_under_the_public_name_a_signature_is_needed(self, ask: Ask) -> None:
        host = {"Host": "autopilots.example.org"}
        assert ask("POST", "/v1/reconcile", headers=host).status_code == 401
        headers = {**host, **signed(b"{}")}
        assert ask("POST", "/v1/reconcile", content=b"{}", headers=headers).status_code == 202


def test_a_server_that_follows_nothing_says_so(rig: Rig, ask: Ask, web: Web) -> None:
    web.more = {}
    answer = ask("POST", "/v1/reconcile", content=b"{}", headers=signed(b"{}"))
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing-followed")
