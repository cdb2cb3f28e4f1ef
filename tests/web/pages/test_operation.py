"""Deliveries, agents, revisions, usage and the server itself, as pages."""

import asyncio
import re
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.control.apply.follow_source import Place, Position
from reconciler.control.doctor.check import Check, error, ok
from reconciler.core.runs.run import Completed
from reconciler.core.runs.usage import Usage
from reconciler.settings import Settings
from reconciler.store.objects.agents import mark_unavailable
from reconciler.web.pages.settings import EVERY, Examinations
from reconciler.web.pages.usage import _EMPTY, HEIGHT, WIDTH, chart
from tests.support.clock import FakeClock
from tests.support.rig import Rig, agent, autopilot, id_of, manifest, webhook
from tests.support.web import Web
from tests.web.conftest import Ask

EVIL = "<script>document.title='taken'</script>"


def posted(ask: Ask, path: str, **fields: str) -> Any:
    """A form of a page, as its button sends it."""
    field = re.findall(r'name="form_token" value="([^"]+)"', ask("GET", path).text)[0]
    return lambda target: ask("POST", target, data={"form_token": field, **fields})


@pytest.fixture
def delivery(rig: Rig, ask: Ask) -> str:
    """A delivery that was accepted; its id."""
    rig.apply(agent(), autopilot("triage", webhook(), maxConcurrency=5))
    trigger = rig.triggers()["hook"].id
    path = f"/v1/autopilots/{id_of('triage')}/triggers/{trigger}/url"
    url = ask("GET", path).json()["url"]
    answer = ask("POST", url.partition("8484")[2], json={"title": EVIL})
    return str(answer.json()["deliveryId"])


def test_deliveries_are_listed_with_their_webhook_and_verdict(delivery: str, ask: Ask) -> None:
    page = ask("GET", "/deliveries").text
    assert f'<a href="/deliveries/{delivery}">triage / hook</a>' in page
    assert "verdict-accepted" in page
    assert "1 delivery." in page
    assert "No deliveries" in ask("GET", "/deliveries?verdict=refused").text
    for query in ("autopilot=triage", "autopilot=default/triage", f"autopilotId={id_of('triage')}"):
        assert "1 delivery like this." in ask("GET", f"/deliveries?{query}").text
    assert "No deliveries like this" in ask("GET", "/deliveries?autopilot=nobody").text
    assert ask("GET", "/deliveries?verdict=nonsense").status_code == 400


def test_a_delivery_is_shown_with_its_body_as_text_and_replayed(
    rig: Rig, delivery: str, ask: Ask
) -> None:
    page = ask("GET", f"/deliveries/{delivery}").text
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    answer = posted(ask, f"/deliveries/{delivery}")(f"/deliveries/{delivery}/replay")
    assert answer.status_code == 303
    run = rig.runs()[-1]
    assert answer.headers["location"] == f"/runs/{run.id}"
    assert 'hook</small> <small><a href="/deliveries/' in ask("GET", f"/runs/{run.id}").text


def test_agents_that_cannot_take_work_come_first_with_the_reason(rig: Rig, ask: Ask) -> None:
    squad = manifest("Squad", "team", {"members": ["bot"]})
    rig.apply(
        agent(maxConcurrency=1),
        agent("aaa"),
        agent("free"),
        agent("zzz"),
        squad,
        autopilot(maxConcurrency=9),
    )
    for _ in range(3):
        rig.launch()
    rig.round()
    rig.claim(most=1)
    until = rig.clock.now() + timedelta(minutes=5)
    rig.database.write(lambda tx: mark_unavailable(tx, "default", "zzz", until, f"401 {EVIL}"))
    rig.database.write(
        lambda tx: mark_unavailable(tx, "default", "aaa", until, "429", out_of_quota=True)
    )
    page = ask("GET", "/agents").text
    assert re.findall(r"seat-(\w+)", page) == ["down", "quota", "full", "free"]
    assert f"401 {EVIL}" not in page
    assert "1 of 1" in page
    assert 'status=pending&workspace=default">2</a>' in page
    assert "team" in page


def test_who_begins_without_an_agent_is_told_to_write_one(rig: Rig, ask: Ask) -> None:
    assert "There is no agent yet" in ask("GET", "/autopilots/new").text
    rig.apply(agent())
    assert "There is no agent yet" not in ask("GET", "/autopilots/new").text


def test_a_revision_has_a_page_of_its_own(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot())
    sources = ask("GET", "/sources").text
    (address,) = re.findall(r'href="(/revision\?id=\d+)"', sources)
    page = ask("GET", address).text
    assert "<strong>2</strong> create" in page
    assert "tester" in page
    assert ask("GET", "/revision?id=999").status_code == 404
    assert ask("GET", "/revision?id=x").status_code == 400


def test_a_followed_source_is_read_now_and_what_drifted_put_back(
    rig: Rig, ask: Ask, web: Web
) -> None:
    rig.apply(agent(), autopilot())
    asked: list[str | None] = []

    def poll(source: str | None) -> tuple[str, ...]:
        asked.append(source)
        return ("default",)

    object.__setattr__(web.context, "poll", poll)
    object.__setattr__(web.context, "followed", lambda: {"default": Position(Place("."))})
    run = rig.launch()
    assert "Read now" in ask("GET", "/sources").text
    send = posted(ask, f"/runs/{run.id}", source="default")
    assert send("/sources/poll").headers["location"] == "/sources"
    assert asked == ["default"]


def test_a_cost_that_nobody_told_is_not_called_nothing(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage", maxConcurrency=5), autopilot("other"))
    rig.end(rig.launch(), Completed("ok"))
    rig.clock.advance(minutes=1)
    page = ask("GET", "/usage").text
    assert "$" not in page
    assert "No agent told what its runs cost" in page
    assert 'class="bar"' not in page
    rig.end(rig.launch(), Completed("ok", Usage(cost_micros=2_000_000)))
    rig.end(rig.launch("other"), Completed("ok"))
    rig.clock.advance(minutes=1)
    rows = " ".join(re.sub(r"<[^>]+>", " ", ask("GET", "/usage").text).split())
    assert "$2.00 and 2 runs of unknown cost" in rows
    assert "triage default $2.00 1 unknown 2" in rows
    assert "other default not known 1" in rows


def test_usage_is_summed_and_drawn_by_day(rig: Rig, ask: Ask) -> None:
    rig.apply(agent(), autopilot("triage"), autopilot("other"))
    for name, cost in (("triage", 2_500_000), ("other", 250_000)):
        rig.end(rig.launch(name), Completed("ok", Usage(cost_micros=cost, input_tokens=10)))
    rig.clock.advance(days=1)
    page = ask("GET", "/usage").text
    assert "$2.75" in page
    assert page.index(">triage</a>") < page.index(">other</a>")
    assert "2 Nov: $2.75, 2 runs, 20 tokens" in page
    assert len(re.findall(r'class="bar"', page)) == 30
    assert ">default</th>" in " ".join(ask("GET", "/usage?by=workspace&period=week").text.split())
    assert ask("GET", "/usage?by=day").status_code == 400


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 10**9)), max_size=90))
def test_bars_stand_within_the_picture_and_the_highest_fills_it(
    days: list[tuple[float, int]],
) -> None:
    items = [
        _EMPTY.model_copy(update={"cost_usd": cost, "input_tokens": tokens})
        for cost, tokens in days
    ]
    bars, _ = chart(items)
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH + 0.2 for bar in bars)
    assert all(0 <= bar.height <= HEIGHT for bar in bars)
    if any(cost for cost, _ in days) or any(tokens for _, tokens in days):
        assert max(bar.height for bar in bars) == HEIGHT


def test_settings_are_shown_without_their_secrets_and_the_server_is_examined(
    rig: Rig, database_path: Path
) -> None:
    settings = Settings(
        database=f"sqlite:///{database_path}",
        git="https://user:hunter2@example.com/a.git",
        forge_token="hunter2",
    )
    page = read(Web(rig, settings=settings), "/settings?examine=yes")
    assert "hunter2" not in page
    assert "https://***@example.com/a.git" in page
    assert "check-ok" in page
    assert "Examined <time" in page


def test_all_who_ask_share_an_examination_and_none_begins_beside_it() -> None:
    clock, begun, let_go = FakeClock(), list[int](), threading.Event()

    def slow() -> list[Check]:
        begun.append(1)
        assert let_go.wait(60)
        return [ok("agents", "fine"), error("clock", "wrong", "set it")]

    async def body() -> None:
        examinations = Examinations(clock)
        first, *others = [asyncio.ensure_future(examinations.latest(slow)) for _ in range(5)]
        await asyncio.sleep(0)
        first.cancel()
        let_go.set()
        (examined, *same) = await asyncio.gather(*others)
        assert all(other is examined for other in same)
        assert [check.subject for check in examined.checks] == ["clock", "agents"]
        clock.advance(seconds=EVERY - 1)
        assert (await examinations.latest(slow), len(begun)) == (examined, 1)
        clock.advance(seconds=1)
        again = await examinations.latest(slow)
        assert (again.at - examined.at, len(begun)) == (timedelta(seconds=EVERY), 2)

    asyncio.run(body())


@pytest.fixture
def database_path(tmp_path: Path) -> Path:
    """Where the rig's database is."""
    return tmp_path / "state.db"


def read(web: Web, path: str, **headers: str) -> str:
    """A page of another server than `ask`'s."""

    async def send() -> str:
        async with web.client() as client:
            return (await client.get(path, headers=headers)).text

    return asyncio.run(send())
