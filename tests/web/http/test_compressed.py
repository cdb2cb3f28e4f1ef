"""Large answers are compressed for whoever takes it; secrets and streams never are."""

import pytest

from tests.support.rig import Rig, agent, autopilot, id_of, webhook
from tests.support.web import Web
from tests.web.conftest import Ask


def apply(rig: Rig) -> None:
    """An autopilot that is long to tell."""
    rig.apply(agent(), autopilot("triage", webhook(), description="words " * 15_000))


@pytest.mark.parametrize("path", ["/v1/autopilots", "/v1/export", "/openapi.json", "/docs", "/"])
def test_the_same_comes_in_fewer_bytes(rig: Rig, ask: Ask, path: str) -> None:
    apply(rig)
    plain = ask("GET", path, headers={"Accept-Encoding": "identity"})
    small = ask("GET", path, headers={"Accept-Encoding": "gzip"})
    assert small.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert small.content == plain.content
    assert int(small.headers["content-length"]) < len(plain.content) / 2
    assert small.headers["etag"] == plain.headers["etag"]
    for answer in (plain, small):
        assert "Accept-Encoding" in answer.headers["vary"]
        assert "Cookie" in answer.headers["vary"]


@pytest.mark.parametrize("accept", ["", "br", "gzip;q=0", "gzip; q=0.0", "identity"])
def test_who_does_not_take_it_gets_it_plain(ask: Ask, accept: str) -> None:
    answer = ask("GET", "/openapi.json", headers={"Accept-Encoding": accept})
    assert "content-encoding" not in answer.headers


def test_what_holds_a_secret_is_never_compressed(rig: Rig, web: Web, ask: Ask) -> None:
    apply(rig)
    id_, trigger = id_of("triage"), rig.triggers()["hook"].id
    for path in (f"/autopilots/{id_}", f"/v1/autopilots/{id_}/triggers/{trigger}/url"):
        answer = ask("GET", path, headers={"Accept-Encoding": "gzip"})
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers


def test_an_unchanged_answer_and_a_head_have_no_body(rig: Rig, ask: Ask) -> None:
    apply(rig)
    headers = {"Accept-Encoding": "gzip"}
    tag = ask("GET", "/v1/autopilots", headers=headers).headers["etag"]
    answer = ask("GET", "/v1/autopilots", headers={**headers, "If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert ask("HEAD", "/v1/autopilots", headers=headers).status_code == 200
