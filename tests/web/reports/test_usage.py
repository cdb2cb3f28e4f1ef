"""`GET /v1/usage`: sums within what the caller may see, by what was asked for."""

from pathlib import Path
from typing import Any

import pytest

from reconciler.control.access.tokens import Tokens
from reconciler.control.runs.launch import Order
from reconciler.core.access.token_hash import token_hash
from reconciler.core.runs.run import Completed
from reconciler.core.runs.usage import Usage
from reconciler.settings import Settings
from tests.support.rig import Rig, agent, autopilot, id_of
from tests.support.web import Web
from tests.web.conftest import Ask

TOKEN = f"rct_{'x' * 40}"


def _ended(rig: Rig, name: str, micros: int | None, workspace: str = "default") -> None:
    run = rig.launcher.launch(Order(autopilot_id=id_of(name, workspace)))
    rig.end(run, Completed("x", None if micros is None else Usage(cost_micros=micros)))


@pytest.fixture
def used(rig: Rig) -> Rig:
    """Two workspaces, and two days."""
    rig.apply(
        agent(),
        autopilot("triage"),
        autopilot("digest"),
        agent("bot") | {"metadata": {"name": "bot", "workspace": "red"}},
        autopilot("audit") | {"metadata": {"name": "audit", "workspace": "red"}},
    )
    _ended(rig, "triage", 100_000)
    _ended(rig, "audit", 700_000, "red")
    rig.clock.advance(hours=16)
    _ended(rig, "triage", 200_000)
    _ended(rig, "digest", None)
    rig.clock.advance(seconds=1)
    return rig


def _items(answer: dict[str, Any], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(item[name] for name in names) for item in answer["items"]]


def test_the_dearest_first_and_the_total_of_all(used: Rig, ask: Ask) -> None:
    answer = ask("GET", "/v1/usage").json()
    assert _items(answer, "autopilot", "costUsd", "runs", "runsWithoutCost") == [
        ("audit", 0.7, 1, 0),
        ("triage", 0.3, 2, 0),
        ("digest", 0, 1, 1),
    ]
    assert (answer["total"]["costUsd"], answer["total"]["runs"]) == (1.0, 4)
    assert answer["from"] == "2026-11-01T00:00:00Z"
    assert answer["items"][0]["autopilotId"] == id_of("audit", "red")


@pytest.mark.parametrize(
    ("by", "name", "expected"),
    [
        pytest.param("workspace", "workspace", [("red", 0.7), ("default", 0.3)], id="workspace"),
        pytest.param("agent", "agent", [(None, 0.7), (None, 0.3)], id="agent"),
        pytest.param("day", "day", [("2026-11-02", 0.8), ("2026-11-03", 0.2)], id="day"),
    ],
)
def test_groups(used: Rig, ask: Ask, by: str, name: str, expected: list[tuple[str, float]]) -> None:
    answer = ask("GET", "/v1/usage", params={"by": by}).json()
    assert _items(answer, name, "costUsd") == expected


def test_of_what_costs_the_same_who_used_most_comes_first(rig: Rig, ask: Ask) -> None:
    names = ("idle", "busy", "talker")
    rig.apply(agent(), *(autopilot(name, maxConcurrency=5) for name in names))
    for name, tokens in (("idle", 0), ("busy", 0), ("busy", 0), ("talker", 900)):
        rig.end(rig.launch(name), Completed("ok", Usage(input_tokens=tokens)))
    rig.clock.advance(minutes=1)
    items = ask("GET", "/v1/usage?by=autopilot").json()["items"]
    assert [item["autopilot"] for item in items] == ["talker", "busy", "idle"]


def test_days_are_those_of_the_time_zone_that_is_set(used: Rig, web: Web, ask: Ask) -> None:
    web.settings = Settings(timezone="Asia/Tokyo")
    answer = ask("GET", "/v1/usage", params={"by": "day"}).json()
    assert answer["timezone"] == "Asia/Tokyo"
    assert answer["from"] == "2026-10-31T15:00:00Z"
    assert _items(answer, "day", "costUsd") == [("2026-11-02", 0.8), ("2026-11-03", 0.2)]


def test_pages_follow_each_other(used: Rig, ask: Ask) -> None:
    names, cursor = [], None
    while True:
        params = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = ask("GET", "/v1/usage", params=params).json()
        names += [item["autopilot"] for item in page["items"]]
        assert page["total"]["runs"] == 4
        if (cursor := page["nextCursor"]) is None:
            break
    assert names == ["audit", "triage", "digest"]


def test_a_limited_token_sees_nothing_of_others(
    rig: Rig, used: Rig, tmp_path: Path, web: Web, ask: Ask
) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(
        f'[[token]]\nname = "red"\nrole = "viewer"\nworkspaces = ["red"]\n'
        f'sha256 = "{token_hash(TOKEN)}"\n'
    )
    web.authority = Tokens(path, rig.clock)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for by in ("autopilot", "agent", "workspace", "day"):
        answer = ask("GET", "/v1/usage", params={"by": by}, headers=headers).json()
        assert (answer["total"]["costUsd"], len(answer["items"])) == (0.7, 1), by


@pytest.mark.parametrize(
    "params",
    [
        pytest.param({"from": "2026-11-02T08:00:00Z", "to": "2026-11-01T00:00:00Z"}, id="turned"),
        pytest.param({"from": "2020-01-01T00:00:00Z"}, id="years"),
        pytest.param({"from": "9999-12-31T23:59:59Z"}, id="ahead"),
        pytest.param({"from": "0001-01-01T00:00:00Z", "to": "0001-01-02T00:00:00Z"}, id="long ago"),
        pytest.param({"by": "model"}, id="another group"),
    ],
)
def test_what_cannot_be_asked(used: Rig, ask: Ask, params: dict[str, str]) -> None:
    assert ask("GET", "/v1/usage", params=params).status_code == 400
