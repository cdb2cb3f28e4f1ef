"""What an agent writes, read over HTTP while it works and afterwards."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sse_starlette import EventSourceResponse
from starlette.requests import Request

from reconciler.control.access.secrets import SecretStore
from reconciler.control.access.tokens import Tokens
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.output import Outputs
from reconciler.control.prune import Retention, prune_once
from reconciler.core.access.roles import Caller, Role
from reconciler.core.access.token_hash import token_hash
from reconciler.core.manifest.reach import Grant
from reconciler.core.runs.run import Run, Status
from reconciler.dispatch.base import Written
from reconciler.dispatch.registry import Runtimes
from reconciler.store.engine.database import Database
from reconciler.store.runs.runs import change_run
from reconciler.web.http.operation import Call, NoBody
from reconciler.web.hub import MOST_EACH
from reconciler.web.streams.output import OutputQuery
from reconciler.web.streams.output import output as stream_output
from tests.dispatch.builders import script
from tests.support import patient
from tests.support.clock import FakeClock
from tests.support.eventually import eventually
from tests.support.rig import KEY, Rig, agent, autopilot
from tests.support.web import Web

CLAUDE = """#!/bin/sh
cat > /dev/null
say() { printf '%s\\n' "$1"; }
say '{"type":"system","subtype":"init","session_id":"s1"}'
say '{"type":"assistant","message":{"content":[{"type":"text","text":"Reading \\u001b[31m."}]}}'
while [ ! -e OPEN ]; do sleep 0.05; done
say '{"type":"result","is_error":false,"result":"Done.","session_id":"s1"}'
"""
PLAIN = "cat > /dev/null; echo begun; while [ ! -e OPEN ]; do sleep 0.05; done; echo over"


CALLER = Caller("ada", Role.OPERATOR)
KEPT = Retention(
    runs=timedelta(days=90),
    deliveries=timedelta(days=30),
    bodies=timedelta(days=7),
    revisions=timedelta(days=90),
)


@pytest.fixture
def rig(database_url: str) -> Iterator[Rig]:
    """A system whose clock stands still, on SQLite and on PostgreSQL."""
    clock = FakeClock()
    with Database.open(database_url, clock=clock.now) as database:
        made = Rig(database, clock)
        yield made
        made.close()


async def output(rig: Rig, run: Run, after: str | None) -> Any:
    """As a server tells it that has not started the run itself."""
    async with Runtimes(rig.clock, runs_dir=rig.runs_dir) as runtimes:
        runner = RunnerContext(rig.database, runtimes, SecretStore(Path("none"), {}), "me", KEY)
        return await Outputs(runner).read(run, after)


def web_of(rig: Rig, **more: Any) -> Web:
    async def told(run: Run, after: str | None) -> Any:
        return await output(rig, run, after)

    return Web(rig, more={"output": told}, **more)


def ask(web: Web, path: str, **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        async with web.client() as client:
            return await client.get(path, headers=headers)

    return asyncio.run(send())


def has_ended(rig: Rig, run: Run) -> bool:
    rig.round()
    return rig.run_of(run.id).ended


@contextmanager
def working(rig: Rig, tmp_path: Path, text: str, runtime: dict[str, Any]) -> Iterator[Run]:
    """A run whose program has begun, and ends once `tmp_path/open` is there."""
    opened = tmp_path / "open"
    rig.commands = {"agent": script(tmp_path, text.replace("OPEN", str(opened)))}
    rig.apply(agent(runtime=runtime), autopilot())
    run = rig.launch()
    rig.round()
    try:
        yield run
    finally:
        opened.touch()
        eventually(lambda: has_ended(rig, run))


@pytest.fixture
def command(rig: Rig, tmp_path: Path) -> Iterator[Run]:
    """A `command` at work."""
    with working(rig, tmp_path, PLAIN, {"type": "command", "program": "agent"}) as run:
        yield run


def finished(rig: Rig, tmp_path: Path, run: Run) -> Run:
    (tmp_path / "open").touch()
    eventually(lambda: has_ended(rig, run))
    return rig.run_of(run.id)


def test_what_is_new_is_told_while_it_works_and_all_of_it_afterwards(
    rig: Rig, command: Run, tmp_path: Path
) -> None:
    web, path = web_of(rig), f"/v1/runs/{command.id}/output"
    assert eventually(lambda: ask(web, path).text) == "begun\n"
    answer = ask(web, path)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    position = answer.headers["output-position"]
    assert ask(web, f"{path}?after={position}").text == ""
    assert finished(rig, tmp_path, command).status is Status.COMPLETED
    assert ask(web, path).text == "begun\nover\n"


def test_what_a_coding_agent_said_is_kept_beside_its_result(rig: Rig, tmp_path: Path) -> None:
    runtime = {"type": "cli", "agent": "claude", "program": "agent", "workDir": str(tmp_path)}
    rig.grants = {"agent": Grant(folders=(str(tmp_path),))}
    with working(rig, tmp_path, CLAUDE, runtime) as run:
        web, path = web_of(rig), f"/v1/runs/{run.id}/output"
        assert eventually(lambda: ask(web, path).text) == "Reading \x1b[31m.\n"
        ended = finished(rig, tmp_path, run)
        assert ended.result["text"] == "Done."
        assert ask(web, path).text == "Reading \x1b[31m.\n"
        rig.clock.advance(days=8)
        assert prune_once(rig.database, KEPT) == {"outputs": 1}
        assert ask(web, path).json()["code"] == "no-output"


def test_a_run_that_has_not_begun_has_written_nothing(rig: Rig) -> None:
    rig.apply(agent(), autopilot())
    answer = ask(web_of(rig), f"/v1/runs/{rig.launch().id}/output")
    assert (answer.status_code, answer.text) == (200, "")


def test_a_runtime_that_tells_nothing_is_said_to(rig: Rig) -> None:
    rig.apply(agent(), autopilot())
    run = rig.launch()
    rig.round()
    rig.claim()
    rig.database.write(lambda tx: change(tx, run.id, {"pid": 4}))
    answer = ask(web_of(rig), f"/v1/runs/{run.id}/output")
    assert (answer.status_code, answer.json()["code"]) == (409, "no-output")


def test_the_host_that_has_the_output_is_named(rig: Rig, command: Run) -> None:
    handle = {**(rig.run_of(command.id).handle or {}), "host": "build-7"}
    before = rig.run_of(command.id).handle
    rig.database.write(lambda tx: change(tx, command.id, handle))
    answer = ask(web_of(rig), f"/v1/runs/{command.id}/output")
    assert (answer.status_code, answer.json()["code"]) == (409, "output-elsewhere")
    assert "build-7" in answer.json()["detail"]
    rig.database.write(lambda tx: change(tx, command.id, before))


def change(tx: Any, run_id: str, handle: Any) -> None:
    assert change_run(tx, run_id, {"handle": handle})


@pytest.fixture
def guarded(rig: Rig, tmp_path: Path) -> Web:
    """A server that asks for tokens."""
    path = tmp_path / "tokens.toml"
    path.write_text(
        "".join(
            f'[[token]]\nname = "{role}"\nrole = "{role}"\nsha256 = "{token_hash("rct_" + role)}"\n'
            for role in ("viewer", "operator")
        )
    )
    return web_of(rig, authority=Tokens(path, rig.clock))


def test_only_operators_read_it(guarded: Web, command: Run) -> None:
    path = f"/v1/runs/{command.id}/output"
    assert ask(guarded, path, Authorization="Bearer rct_viewer").status_code == 403
    assert ask(guarded, path, Authorization="Bearer rct_operator").status_code == 200


def events(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    kind = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield kind, json.loads(line.removeprefix("data: "))


def test_a_stream_goes_on_until_the_run_ends(rig: Rig, command: Run, tmp_path: Path) -> None:
    with web_of(rig).served() as url:
        headers = {"Accept": "text/event-stream"}
        with patient.stream("GET", f"{url}/v1/runs/{command.id}/output", headers=headers) as stream:
            told = events(stream)
            assert next(told) == ("output", {"text": "begun\n", "cut": False, "whole": False})
            finished(rig, tmp_path, command)
            last = [*told]
    assert last[-1] == ("end", {"status": "completed"})
    assert last[-2] == ("output", {"text": "begun\nover\n", "cut": False, "whole": True})


def test_a_stream_ends_with_the_session_that_opened_it(guarded: Web, command: Run) -> None:
    with guarded.served() as url, patient.Client(base_url=url) as browser:
        field = re.findall(r'name="form_token" value="([^"]+)"', browser.get("/login").text)[0]
        answer = browser.post("/login", data={"token": "rct_operator", "form_token": field})
        cookie = answer.headers["set-cookie"].partition(";")[0]
        headers = {"Accept": "text/event-stream", "Cookie": cookie}
        with patient.stream("GET", f"{url}/v1/runs/{command.id}/output", headers=headers) as stream:
            told = events(stream)
            assert next(told)[0] == "output"
            page = browser.get("/sources", headers={"Cookie": cookie}).text
            field = re.findall(r'name="form_token" value="([^"]+)"', page)[0]
            browser.post("/logout", data={"form_token": field}, headers={"Cookie": cookie})
            assert [*told] == []


def test_streams_that_were_let_in_at_once_share_the_places_of_their_caller(rig: Rig) -> None:
    """Room is looked for when a request comes, and taken when its stream begins."""
    rig.apply(agent(), autopilot())
    run = rig.launch()
    web = Web(rig, more={"output": lambda *_: _told()})

    async def _told() -> Written:
        return Written("x", "1", cut=False)

    async def body() -> None:
        headers = [(b"accept", b"text/event-stream"), (b"host", b"127.0.0.1")]
        request = Request({"type": "http", "method": "GET", "headers": headers})
        call: Call[OutputQuery, NoBody] = Call(
            web.context, CALLER, OutputQuery(), NoBody(), {"id": run.id}, request
        )
        let_in = await stream_output(call)
        assert isinstance(let_in, EventSourceResponse)
        with ExitStack() as stack:
            for _ in range(MOST_EACH):
                stack.enter_context(web.context.hub.seat(CALLER))
            assert [event async for event in let_in.body_iterator] == []
            assert web.context.hub.listeners == MOST_EACH

    asyncio.run(body())
