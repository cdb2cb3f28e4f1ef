"""A coding agent that lives on after its end record does not keep its place."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.manifest.coding_agents import CodingAgent
from reconciler.core.manifest.reach import Grant
from reconciler.core.runs.run import Completed, Failed, Outcome, Reason
from reconciler.dispatch.base import Ended, Started
from reconciler.dispatch.cli.recipe import ADAPTERS, CodingAgents
from reconciler.dispatch.cli.result import LINGERED
from reconciler.dispatch.command.runtime import Commands
from reconciler.dispatch.command.supervisor import Linger
from reconciler.dispatch.command.termination import Graces
from tests.dispatch.builders import Recorder, a_job, coding_agent, poll, script
from tests.dispatch.cli.test_answers import CLAUDE_RESULT, GOOD
from tests.support.eventually import eventually_async
from tests.support.pids import is_gone

Make = Callable[[], Commands]


def line(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"))


RESULT = line(CLAUDE_RESULT)
REFUSED = line(CLAUDE_RESULT | {"is_error": True, "result": "no", "api_error_status": 529})
NOTE = f"agent {LINGERED}"


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Servers on one host, one after the other."""
    made: list[Commands] = []

    def server() -> Commands:
        program = {"agent": tmp_path / "agent"}
        grants = {"agent": Grant(frozenset(), (str(tmp_path),))}
        graces = Graces(term=0.3, kill=5.0, drain=0.2, linger=0.2)
        folder = tmp_path / "runs"
        made.append(
            Commands(program, grants, folder=folder, graces=graces, recipe=CodingAgents(()))
        )
        return made[-1]

    yield server
    for each in made:
        await each.close()


def agent_that(tmp_path: Path, *steps: str) -> None:
    script(tmp_path, "\n".join(steps))


async def outcome(tmp_path: Path, make: Make, *, restart: bool = False) -> Outcome:
    """How its run ends, also where the server is another one by then."""
    commands, job = make(), a_job(coding_agent("claude", str(tmp_path)))
    recorder = Recorder()
    started = await commands.start(job, recorder)
    assert isinstance(started, Started)
    if restart:
        await commands.close()
        commands = make()

    async def ended() -> Outcome | None:
        seen = await poll(commands, job, started.handle)
        return seen.outcome if isinstance(seen, Ended) else None

    result = await eventually_async(ended)
    assert result is not None
    return result


@pytest.mark.anyio
@pytest.mark.parametrize("restart", [False, True], ids=["one server", "the next server"])
async def test_its_run_ends_with_the_recorded_result_and_its_children_are_gone(
    tmp_path: Path, make: Make, restart: bool
) -> None:
    child = "setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $! > child"
    agent_that(tmp_path, child, f"echo '{RESULT}'", "exec sleep 600")
    ended = await outcome(tmp_path, make, restart=restart)
    assert isinstance(ended, Completed)
    assert (ended.result["text"], ended.note) == ("done", NOTE)
    assert ended.usage is not None
    assert is_gone(int((tmp_path / "child").read_text()))


@pytest.mark.anyio
async def test_one_that_takes_no_sigterm_is_killed(tmp_path: Path, make: Make) -> None:
    agent_that(tmp_path, "trap '' TERM", f"echo '{RESULT}'", "while :; do sleep 600; done")
    ended = await outcome(tmp_path, make)
    assert isinstance(ended, Completed)
    assert ended.note == NOTE


@pytest.mark.anyio
async def test_an_end_that_tells_of_an_error_stays_one(tmp_path: Path, make: Make) -> None:
    agent_that(tmp_path, f"echo '{REFUSED}'", "exec sleep 600")
    ended = await outcome(tmp_path, make)
    assert isinstance(ended, Failed)
    assert (ended.reason, ended.note) == (Reason.TARGET_UNAVAILABLE, NOTE)


def linger(agent: str, *records: dict[str, Any]) -> Linger:
    """What the supervisor knows once an agent has said this."""
    made = Linger(
        [{k: [*v] for k, v in end.items()} for end in ADAPTERS[CodingAgent(agent)].ends], 30, 10
    )
    for record in records:
        made.hear(line(record).encode(), now=100)
    return made


@pytest.mark.parametrize("agent", sorted(GOOD))
def test_each_agent_is_asked_to_stop_after_its_grace_and_killed_after_another(agent: str) -> None:
    made = linger(agent, *GOOD[agent])
    assert [made.signal(now) for now in (129, 130, 130, 139, 140, 140, 999)] == [
        0,
        15,
        0,
        0,
        9,
        0,
        0,
    ]


@pytest.mark.parametrize(
    ("agent", "records"),
    [
        pytest.param("claude", [], id="nothing was said"),
        pytest.param("claude", GOOD["claude"][:1], id="it has only begun"),
        pytest.param(
            "claude",
            [{"type": "assistant", "message": {"content": [{"input": {"type": "result"}}]}}],
            id="a tool is called with words like those",
        ),
        pytest.param(
            "claude", [*GOOD["claude"], {"type": "assistant"}], id="it goes on after an end"
        ),
        pytest.param("opencode", GOOD["opencode"][:2], id="a step asks for a further one"),
        pytest.param(
            "opencode", [*GOOD["opencode"], {"type": "step_start"}], id="another step begins"
        ),
    ],
)
def test_one_at_work_is_never_stopped(agent: str, records: list[dict[str, Any]]) -> None:
    made = linger(agent, *records)
    assert made.due is None
    assert made.signal(10_000) == 0


@pytest.mark.parametrize("text", [b'"result"', b'["result"]', b'{"type":"result"', b"[" * 99_999])
def test_nonsense_is_no_end(text: bytes) -> None:
    made = linger("claude")
    made.hear(text + b' "result"', now=0)
    assert made.due is None


@pytest.mark.anyio
async def test_what_it_says_about_being_stopped_is_no_end_of_its_work(
    tmp_path: Path, make: Make
) -> None:
    agent_that(
        tmp_path,
        f"stopped() {{ echo '{REFUSED}'; exit 1; }}",
        "trap stopped TERM",
        f"echo '{RESULT}'",
        "sleep 600 & wait",
    )
    ended = await outcome(tmp_path, make)
    assert isinstance(ended, Completed)
    assert (ended.result["text"], ended.note) == ("done", NOTE)
