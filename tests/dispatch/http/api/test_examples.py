"""The example agents for APIs of others, each against a stand-in of its API, kind and unkind."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from reconciler.control.evaluation.evaluator import Evaluator
from reconciler.core.manifest.checks import Policy
from reconciler.core.manifest.runtime import HttpRuntime
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.dispatch.base import (
    Ended,
    Handle,
    Job,
    NeedsApproval,
    Observation,
    Started,
    Stop,
    Stopped,
    Stopping,
    TargetDown,
    Working,
)
from reconciler.dispatch.http.api.runtime import ApiPatience
from reconciler.dispatch.http.runtime import HttpAgents
from reconciler.dispatch.reach import Reach
from reconciler.dispatch.wire import new_client
from reconciler.manifest.load.load import load_path
from tests.dispatch.builders import PROMPT, Recorder, poll
from tests.support import agent_apis
from tests.support.agent_apis import AgentApi
from tests.support.clock import FakeClock
from tests.support.example_agents import FOLDER, example_job

pytestmark = pytest.mark.anyio

SCHEMA = json.loads((FOLDER.parents[1] / "schemas/agent.schema.json").read_text())
HOSTS = {
    "devin": "https://api.devin.ai",
    "cursor": "https://api.cursor.com",
    "langgraph": "http://127.0.0.1:2024",
    "github-agent-tasks": "https://api.github.com",
    "n8n": "http://127.0.0.1:5678",
    "claude-routine": "https://api.anthropic.com",
}
APIS: dict[str, agent_apis.Api] = {
    "devin": agent_apis.devin,
    "cursor": agent_apis.cursor,
    "langgraph": agent_apis.langgraph,
    "github-agent-tasks": agent_apis.github,
    "n8n": agent_apis.n8n,
    "claude-routine": agent_apis.claude_routine,
}
FOLLOWED = ("devin", "cursor", "langgraph", "github-agent-tasks")
FOUND = ("devin", "cursor", "langgraph")
WORDS: dict[str, tuple[str, dict[str, str]]] = {
    "devin": (
        "status_enum",
        {"running": "working", "completed": "finished", "failed": "expired", "waiting": "blocked"},
    ),
    "cursor": ("status", {"running": "RUNNING", "completed": "FINISHED", "failed": "ERROR"}),
    "langgraph": (
        "status",
        {
            "running": "busy",
            "completed": "idle",
            "failed": "error",
            "waiting": "interrupted",
        },
    ),
    "github-agent-tasks": (
        "state",
        {
            "running": "in_progress",
            "completed": "completed",
            "failed": "timed_out",
            "waiting": "waiting_for_user",
        },
    ),
}
"""How each API calls what the work is at: the field, and its words by ours."""


def test_every_example_of_an_api_is_tried_here_and_admitted_by_its_host_alone() -> None:
    examples = {path.stem for path in FOLDER.glob("*.yaml")}
    assert examples - {"a2a"} == set(HOSTS) == set(APIS)
    policy = Policy(allowed_runtime_urls=(*HOSTS.values(), "http://127.0.0.1:8083"))
    desired = load_path(FOLDER, source_id="default", policy=policy)
    assert {key.name for key in desired.objects} == examples
    for path in FOLDER.glob("*.yaml"):
        assert path.read_text().startswith("# yaml-language-server: $schema=../../schemas/agent.")
        jsonschema.validate(YAML(typ="safe", pure=True).load(path), SCHEMA)


@pytest.fixture
def serving() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
async def runtime(evaluator: Evaluator, clock: FakeClock) -> AsyncIterator[HttpAgents]:
    async with new_client() as http:
        waits = ApiPatience(settle=20.0, search=(0.0, 0.0), ask=20.0)
        made = HttpAgents(
            http, Reach(own_port=8484), clock, evaluate=evaluator.values, api_patience=waits
        )
        yield made
        await made.close()


def opened(name: str, serving: ExitStack, clock: FakeClock) -> tuple[AgentApi, Job]:
    """The stand-in, and a run of the example's agent that goes to it instead."""
    api = serving.enter_context(AgentApi(api=APIS[name]))
    return api, example_job(name, HOSTS[name], api.base, clock)


async def started(runtime: HttpAgents, job: Job) -> Handle:
    begun = await runtime.start(job, Recorder())
    assert isinstance(begun, Started), begun
    return begun.handle


async def seen(runtime: HttpAgents, clock: FakeClock, job: Job, handle: Handle) -> Observation:
    await poll(runtime, job, handle)
    follower = runtime._apis._followers[job.run_id]
    assert follower._task is not None
    await follower._task
    clock.advance(hours=1)
    return follower.seen


def say(name: str, api: AgentApi, status: str, **fields: Any) -> None:
    """Let the only session be at something, in the API's own words."""
    field, words = WORDS[name]
    (session,) = api.sessions.values()
    session |= {field: words[status], **fields}


@pytest.mark.parametrize("name", FOLLOWED)
async def test_a_session_is_created_followed_and_ends(
    name: str, runtime: HttpAgents, serving: ExitStack, clock: FakeClock
) -> None:
    api, job = opened(name, serving, clock)
    handle = await started(runtime, job)
    ((session_id, session),) = api.sessions.items()
    assert handle.session_id == session_id
    assert PROMPT in str(session)
    assert await seen(runtime, clock, job, handle) == Working()
    say(name, api, "running")
    assert await seen(runtime, clock, job, handle) == Working()
    if "waiting" in WORDS[name][1]:
        say(name, api, "waiting")
        assert isinstance(await seen(runtime, clock, job, handle), NeedsApproval)
    say(name, api, "completed")
    ended = await seen(runtime, clock, job, handle)
    assert isinstance(ended, Ended)
    assert isinstance(ended.outcome, Completed)


@pytest.mark.parametrize("name", FOLLOWED)
async def test_work_that_failed(
    name: str, runtime: HttpAgents, serving: ExitStack, clock: FakeClock
) -> None:
    api, job = opened(name, serving, clock)
    handle = await started(runtime, job)
    say(name, api, "failed")
    ended = await seen(runtime, clock, job, handle)
    assert isinstance(ended, Ended)
    assert isinstance(ended.outcome, Failed)
    assert ended.outcome.reason is Reason.AGENT_FAILED


async def test_a_session_that_waits_after_its_work_has_ended(
    runtime: HttpAgents, serving: ExitStack, clock: FakeClock
) -> None:
    for done in ({"structured_output": {"n": 3}}, {"pull_request": {"url": "https://pr"}}):
        api, job = opened("devin", serving, clock)
        handle = await started(runtime, job)
        say("devin", api, "waiting", structured_output=None, pull_request=None)
        assert isinstance(await seen(runtime, clock, job, handle), NeedsApproval)
        say("devin", api, "waiting", **done)
        assert isinstance(await seen(runtime, clock, job, handle), Ended)


async def test_results_are_what_a_person_looks_for(
    runtime: HttpAgents, serving: ExitStack, clock: FakeClock
) -> None:
    api, job = opened("devin", serving, clock)
    handle = await started(runtime, job)
    assert handle.detail["handle"]["url"] == "https://app.devin.ai/sessions/0"
    say("devin", api, "completed", structured_output={"n": 3}, pull_request={"url": "https://pr"})
    end = {"output": {"n": 3}, "pullRequest": "https://pr"}
    assert await seen(runtime, clock, job, handle) == Ended(Completed(end))
    api, job = opened("cursor", serving, clock)
    handle = await started(runtime, job)
    say("cursor", api, "completed", summary="Added a README.")
    end = {"summary": "Added a README.", "pullRequest": ""}
    assert await seen(runtime, clock, job, handle) == Ended(Completed(end))


UNKIND = [
    pytest.param({"status": 200, "body": b"{", "cut": True}, id="an answer that breaks off"),
    pytest.param({"status": 504, "body": b"<html>Gateway Timeout</html>"}, id="a gateway"),
    pytest.param({"status": 500, "body": b"<html>"}, id="an error page"),
    pytest.param({"status": 200, "body": b"<html>Sign in</html>"}, id="a page"),
]


@pytest.mark.parametrize("how", UNKIND)
@pytest.mark.parametrize("name", FOUND)
async def test_a_creation_that_was_taken_and_not_answered_is_found(
    name: str, how: dict[str, Any], runtime: HttpAgents, serving: ExitStack, clock: FakeClock
) -> None:
    api, job = opened(name, serving, clock)
    other = replace(job, run_id="019a0000-0000-7000-8000-000000000000")
    await started(runtime, replace(other, run={**job.run, "id": other.run_id}))
    api.unkind(**how)
    handle = await started(runtime, job)
    assert len(api.sessions) == 2
    assert handle.session_id == [*api.sessions][-1], "the one of this run"


@pytest.mark.parametrize("name", FOUND)
async def test_after_a_crash_the_session_is_found_and_followed(
    name: str, runtime: HttpAgents, serving: ExitStack, clock: FakeClock
) -> None:
    api, job = opened(name, serving, clock)
    await started(runtime, job)
    handle = await started(runtime, replace(job, attempt=2, unsure=True))
    assert handle.session_id == next(iter(api.sessions))
    assert len(api.sessions) == 1
    say(name, api, "completed")
    assert isinstance(await seen(runtime, clock, job, handle), Ended)


async def test_a_task_without_a_page_of_its_own_is_followed(
    runtime: HttpAgents, serving: ExitStack, clock: FakeClock
) -> None:
    """GitHub promises an id, a state and when it was made; the page is not always there."""
    api, job = opened("github-agent-tasks", serving, clock)
    api.unkind(201, b'{"id": "task-0", "state": "queued"}')
    handle = await started(runtime, job)
    assert handle.session_id == "task-0"
    assert handle.detail["handle"]["url"] == "https://github.com/copilot/agents"
    say("github-agent-tasks", api, "completed")
    assert isinstance(await seen(runtime, clock, job, handle), Ended)


async def test_a_task_that_cannot_be_found_is_held(
    runtime: HttpAgents, serving: ExitStack, clock: FakeClock
) -> None:
    api, job = opened("github-agent-tasks", serving, clock)
    api.unkind(502)
    handle = await started(runtime, job)
    assert handle.session_id is None
    assert isinstance(await poll(runtime, job, handle), Working)
    assert isinstance(await runtime.stop(job, handle), Stopping)
    assert len(api.sessions) == 1


@pytest.mark.parametrize("name", APIS)
async def test_an_api_that_is_full_is_asked_again(
    name: str, runtime: HttpAgents, serving: ExitStack, clock: FakeClock
) -> None:
    api, job = opened(name, serving, clock)
    api.unkind(429, b"<html>Too many</html>", taken=False, headers={"Retry-After": "30"})
    full = await runtime.start(job, Recorder())
    assert isinstance(full, TargetDown)
    assert (full.retry_after, full.quota, api.sessions) == (30.0, True, {})
    assert isinstance(await runtime.start(job, Recorder()), Started | Ended)
    assert len(api.sessions) == 1


@pytest.mark.parametrize("name", ["devin", "cursor", "langgraph"])
async def test_a_session_is_stopped_on_its_word(
    name: str, runtime: HttpAgents, serving: ExitStack, clock: FakeClock
) -> None:
    _, job = opened(name, serving, clock)
    handle = await started(runtime, job)
    stop: Stop = await runtime.stop(job, handle)
    assert isinstance(stop, Stopped)


async def test_a_workflow_answers_with_its_result(
    runtime: HttpAgents, serving: ExitStack, clock: FakeClock
) -> None:
    api, job = opened("n8n", serving, clock)
    done = {"summary": f"Done: {PROMPT}"}
    assert await runtime.start(job, Recorder()) == Ended(Completed(done))
    assert api.requests[0].header("x-autopilot-key") == "Bearer key"
    assert api.sessions["execution-0"]["id"] == job.run_id
    api.unkind(500, b'{"message": "Error in workflow"}')
    failed = await runtime.start(replace(job, run_id="other"), Recorder())
    assert isinstance(failed, Ended)
    assert isinstance(failed.outcome, Failed)
    assert failed.outcome.reason is Reason.AGENT_FAILED
    assert failed.outcome.message == "the API answered 500: Error in workflow"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"headers": {"X-Autopilot-Key": "old"}},
            "the API answered 403: Authorization data is wrong!",
            id="another key",
        ),
        pytest.param(
            {"path": "/webhook/other"},
            'the API answered 404: The requested webhook "POST other" is not registered.',
            id="a workflow that is not active",
        ),
    ],
)
async def test_a_workflow_that_does_not_take_the_run_says_why(
    runtime: HttpAgents,
    serving: ExitStack,
    clock: FakeClock,
    changes: dict[str, Any],
    message: str,
) -> None:
    api, job = opened("n8n", serving, clock)
    if path := changes.pop("path", None):
        assert isinstance(job.runtime, HttpRuntime)
        job = replace(job, runtime=job.runtime.model_copy(update={"url": f"{api.base}{path}"}))
    refused = await runtime.start(replace(job, **changes), Recorder())
    assert refused == Ended(Failed(Reason.DISPATCH_FAILED, message))
    assert api.sessions == {}


async def test_a_routine_is_fired_once_and_says_where_to_look(
    runtime: HttpAgents, serving: ExitStack, clock: FakeClock
) -> None:
    api, job = opened("claude-routine", serving, clock)
    recorder = Recorder()
    fired = {"id": "session_0", "url": "https://claude.ai/code/session_0"}
    assert await runtime.start(job, recorder) == Ended(Completed(fired))
    assert recorder.last.session_id == "session_0"
    assert api.sessions == {"session_0": {"text": PROMPT}}
    api.unkind(502)
    handle = await started(runtime, replace(job, run_id="other"))
    assert isinstance(await poll(runtime, replace(job, run_id="other"), handle), Working)
    assert len(api.requests) == 2, "never sent again"
