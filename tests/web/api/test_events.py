"""Server-sent events over a socket: what happens comes, and after a break what was missed."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from reconciler.control.access.tokens import Tokens
from reconciler.core.access.roles import LOCAL
from reconciler.core.access.token_hash import token_hash
from reconciler.web.hub import MOST_EACH, Happened
from tests.support import patient
from tests.support.eventually import eventually
from tests.support.rig import Rig, agent, autopilot
from tests.support.web import Web

PATIENCE = 20.0


@dataclass
class Message:
    """One event as it came."""

    event: str = ""
    id: str = ""
    data: Any = None


@dataclass
class Stream:
    """Reads messages one by one."""

    lines: Iterator[str]
    seen: list[Message] = field(default_factory=list)

    def until(self, event: str) -> Message:
        """The next message of this kind; those before it are kept in `seen`."""
        message = Message()
        for line in self.lines:
            name, _, value = line.partition(": ")
            if not line and message.event:
                self.seen.append(message)
                if message.event == event:
                    return message
                message = Message()
            elif name in ("event", "id"):
                setattr(message, name, value)
            elif name == "data":
                message.data = json.loads(value)
        raise AssertionError(f"the stream ended without a {event}")

    def greeted(self) -> "Stream":
        """Wait until the server listens."""
        for line in self.lines:
            if line.startswith("retry"):
                return self
        raise AssertionError("the stream ended at once")


@contextmanager
def following(url: str, **headers: str) -> Iterator[Stream]:
    """A stream of events."""
    timeout = httpx.Timeout(PATIENCE)
    with patient.stream("GET", f"{url}/v1/events", headers=headers, timeout=timeout) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer.iter_lines()).greeted()


@pytest.fixture
def url(web: Web) -> Iterator[str]:
    """The server's address."""
    with web.served() as url:
        yield url


def _started(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", maxConcurrency=9))


def test_runs_autopilots_and_revisions_are_told(rig: Rig, url: str) -> None:
    with following(url) as stream:
        _started(rig)
        assert stream.until("revision").data["result"] == "applied"
        assert stream.until("autopilot").data["name"] == "triage"
        run = rig.launch()
        told = stream.until("run").data
        assert (told["id"], told["status"]) == (run.id, "pending")
        rig.clock.advance(minutes=5)
        rig.round()
        assert stream.until("run").data["waitingFor"] == "claim"
    assert [one.event for one in stream.seen] == ["revision", "autopilot", "run", "run"]


def test_who_comes_back_gets_what_was_missed(rig: Rig, url: str) -> None:
    _started(rig)
    with following(url) as first:
        rig.launch()
        last = first.until("run")
        missed = rig.launch()
        first.until("run")
    with following(url, **{"Last-Event-ID": last.id}) as second:
        assert second.until("run").data["id"] == missed.id
    assert [one.event for one in second.seen] == ["run"]


@pytest.mark.parametrize("last_id", ["elsewhere-7", "7", "x", "-", "0-9" * 40])
def test_who_was_away_too_long_is_told_to_look_again(rig: Rig, url: str, last_id: str) -> None:
    with following(url, **{"Last-Event-ID": last_id}) as stream:
        assert stream.until("reset").data == {}
    assert len(stream.seen) == 1


def test_a_limited_token_is_told_of_its_workspaces_only(rig: Rig, tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(
        f'[[token]]\nname = "v"\nrole = "viewer"\nworkspaces = ["red"]\n'
        f'sha256 = "{token_hash("rct_v")}"\n'
    )
    with Web(rig, authority=Tokens(path, rig.clock)).served() as url:
        assert patient.get(f"{url}/v1/events").status_code == 401
        with following(url, Authorization="Bearer rct_v") as stream:
            for colour in ("blue", "red"):
                pair = [agent(), autopilot(f"{colour}-one")]
                for one in pair:
                    one["metadata"]["workspace"] = colour
                rig.apply(*pair, source=colour)
            assert stream.until("autopilot").data["name"] == "red-one"
            revision = stream.seen[0]
    assert revision.data["sourceId"] == "red"
    names = [one.id.partition("-")[2] for one in stream.seen]
    assert all(re.fullmatch(r"[0-9a-f]{16}", name) for name in names), "no number to count by"


async def _always() -> bool:
    """A credential that never ends."""
    return True


TOKEN = f"rct_{'v' * 43}"


@pytest.fixture
def guarded(rig: Rig, tmp_path: Path) -> Web:
    """A server with one token, of a viewer."""
    path = tmp_path / "tokens.toml"
    path.write_text(f'[[token]]\nname = "v"\nrole = "viewer"\nsha256 = "{token_hash(TOKEN)}"\n')
    return Web(rig, authority=Tokens(path, rig.clock))


def ends(stream: Stream) -> bool:
    """Whether the stream ends without another event."""
    return not [line for line in stream.lines if line.startswith("event")]


def test_a_removed_token_ends_its_streams(rig: Rig, guarded: Web) -> None:
    assert isinstance(guarded.authority, Tokens)
    with (
        guarded.served() as url,
        following(url, Authorization=f"Bearer {TOKEN}") as stream,
    ):
        guarded.authority.path.write_text("")
        guarded.authority.reload()
        guarded.soon(guarded.context.hub.recheck)
        assert ends(stream)
        rig.apply(agent())


def test_logging_out_ends_the_session_and_its_streams_on_every_server(
    rig: Rig, guarded: Web
) -> None:
    other = Web(rig, authority=guarded.authority)
    with guarded.served() as url, other.served() as there, patient.Client(base_url=url) as browser:
        page = browser.get("/login").text
        field = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
        answer = browser.post("/login", data={"token": TOKEN, "form_token": field})
        cookie = answer.headers["set-cookie"].partition(";")[0]
        with following(url, Cookie=cookie) as stream:
            page = browser.get("/", headers={"Cookie": cookie}).text
            field = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
            for server in (url, there):
                answer = patient.get(f"{server}/v1/runs", headers={"Cookie": cookie})
                assert answer.status_code == 200
            answer = browser.post("/logout", data={"form_token": field})
            assert answer.headers["location"] == "/login"
            assert ends(stream)
        for server in (url, there):
            assert patient.get(f"{server}/v1/runs", headers={"Cookie": cookie}).status_code == 401
            again = patient.get(f"{server}/", headers={"Cookie": cookie})
            assert (again.status_code, again.headers["location"]) == (303, "/login")


def test_one_token_does_not_take_every_stream(guarded: Web) -> None:
    with guarded.served() as url, ExitStack() as stack:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        held = [stack.enter_context(following(url, **headers)) for _ in range(MOST_EACH)]
        eventually(lambda: guarded.context.hub.listeners == len(held))
        answer = patient.get(f"{url}/v1/events", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "too-many-streams")
        assert guarded.context.hub.has_room(LOCAL)


def test_closing_ends_every_stream(web: Web, url: str) -> None:
    with following(url) as stream:
        web.soon(web.context.hub.close)
        with pytest.raises(AssertionError, match="ended"):
            stream.until("run")


def test_who_asks_for_the_head_does_not_listen(web: Web, url: str) -> None:
    answer = patient.request("HEAD", f"{url}/v1/events")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert web.context.hub.listeners == 0


def test_nothing_is_missed_between_the_greeting_and_the_first_event(rig: Rig, web: Web) -> None:
    _started(rig)
    hub = web.context.hub

    async def first() -> Any:
        position = await hub.join(None)
        run = await asyncio.to_thread(rig.launch)
        # The hub has seen it before anybody asks for events.
        await asyncio.to_thread(eventually, lambda: hub.last)
        async with asyncio.timeout(PATIENCE):
            event = await anext(hub.listen(LOCAL, position, _always))
        hub.close()
        return run.id, event

    made, event = asyncio.run(first())
    assert isinstance(event, Happened)
    assert event.subject.id == made
