"""Without a tokens file only loopback names and our own pages are answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.settings import Settings
from reconciler.web.http.guard import host_name
from tests.support.rig import Rig
from tests.support.web import Web
from tests.web.conftest import Ask


@pytest.fixture
def web(rig: Rig) -> Web:
    """A server whose webhooks come in under a public name."""
    return Web(rig, settings=Settings(public_url="https://hooks.example.com"))


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param({"host": "127.0.0.1:8484"}, None, id="the address"),
        pytest.param({"host": "localhost"}, None, id="the name"),
        pytest.param({"host": "LOCALHOST:8484"}, None, id="in any case"),
        pytest.param({"host": "[::1]:8484"}, None, id="version 6"),
        pytest.param({"host": "evil.example"}, "host-refused", id="rebound"),
        pytest.param({"host": "localhost.evil.example"}, "host-refused", id="a subdomain"),
        pytest.param({"host": "evil@localhost"}, "host-refused", id="a user name"),
        pytest.param({"host": "localhost:x"}, "host-refused", id="no port"),
        pytest.param({"host": ""}, "host-refused", id="empty"),
        pytest.param({"host": "hooks.example.com"}, "tokens-required", id="the public name"),
        pytest.param({"origin": "http://127.0.0.1:8484"}, None, id="our own page"),
        pytest.param({"origin": "http://evil.example"}, "origin-refused", id="another site"),
        pytest.param({"origin": "http://127.0.0.1:9999"}, "origin-refused", id="another port"),
        pytest.param({"origin": "null"}, "origin-refused", id="a sandbox"),
    ],
)
def test_names_and_origins(ask: Ask, headers: dict[str, str], code: str | None) -> None:
    for method, path in (("GET", "/v1/autopilots"), ("POST", "/v1/autopilots")):
        answer = ask(method, path, headers={"host": "127.0.0.1:8484", **headers})
        if code is None:
            assert answer.status_code in (200, 422), answer.text
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, code)


@pytest.mark.parametrize("host", ["hooks.example.com", "hooks.example.com:443", "localhost"])
def test_webhooks_are_open_under_the_public_name(ask: Ask, host: str) -> None:
    headers = {"host": host, "origin": "https://elsewhere.example"}
    answer = ask("POST", f"/v1/webhooks/whk_{'a' * 43}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "webhook-unknown")


def test_webhooks_are_closed_under_other_names(ask: Ask) -> None:
    answer = ask("POST", f"/v1/webhooks/whk_{'a' * 43}", headers={"host": "evil.example"})
    assert answer.json()["code"] == "host-refused"


@given(st.text(max_size=40))
def test_no_host_header_raises(host: str) -> None:
    assert host_name(host) is None or host_name(host)
