"""Badges: off by default, a health and nothing else, the same for every unknown name."""

import asyncio

import httpx
import pytest

from reconciler.core.runs.run import Failed, Reason
from reconciler.settings import Settings
from tests.support.rig import Rig, agent, autopilot
from tests.support.web import Web
from tests.web.conftest import Ask

ON = Settings(badges=True)


def read(rig: Rig, path: str, **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        async with Web(rig, settings=ON).client() as client:
            return await client.get(path, headers=headers)

    return asyncio.run(send())


def test_there_are_none_by_default(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    assert ask("GET", "/badge/default/triage.svg").status_code == 404


def test_a_badge_is_a_picture_of_the_health(rig: Rig) -> None:
    rig.apply(agent(), autopilot())
    answer = read(rig, "/badge/default/triage.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "cookie" not in answer.headers["vary"].lower()
    assert 'aria-label="autopilot: healthy"' in answer.text
    same = read(rig, "/badge/default/triage.svg", **{"If-None-Match": answer.headers["etag"]})
    assert same.status_code == 304
    rig.end(rig.launch(), Failed(Reason.AGENT_FAILED, "<b>no</b>"))
    text = read(rig, "/badge/default/triage.svg").text
    assert "degraded" in text
    assert "<b>" not in text


@pytest.mark.parametrize(
    "path",
    [
        "default/nobody",
        "elsewhere/triage",
        "default/left",
        "x%00/y",
        "a/%3Cscript%3E",
        f"a/{'b' * 900}",
    ],
)
def test_names_that_do_not_exist_are_all_the_same(rig: Rig, path: str) -> None:
    rig.apply(agent(), autopilot("triage"), autopilot("left"), autopilot("other"))
    rig.apply(agent(), autopilot("triage"), autopilot("other"))
    first, other = read(rig, "/badge/default/never.svg"), read(rig, f"/badge/{path}.svg")
    assert (first.status_code, first.text, first.headers["etag"]) == (
        other.status_code, other.text, other.headers["etag"],
    )  # fmt: skip
    assert "unknown" in first.text
