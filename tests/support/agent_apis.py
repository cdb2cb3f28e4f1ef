"""Stand-ins for APIs that sell agents, each with the shapes of its maker's documentation.

    with AgentApi(devin) as api:
        api.sessions        what was created, by id
        api.unkind(502)     the next creation begins its work, and is answered like that

An API is a function from a request to an answer, over the sessions that it keeps.
"""

import json
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.github_api import wrong_with_answer, wrong_with_request
from tests.support.http_agent import Answer, HttpAgent, Received

Json = Any
Sessions = dict[str, dict[str, Json]]
Reply = tuple[int, Json]
Api = Callable[[Received, Sessions], Reply]


@dataclass
class AgentApi(HttpAgent):
    """An API, serving on a free port while it is entered."""

    api: Api | None = None
    sessions: Sessions = field(default_factory=dict)
    _unkind: deque[Answer | None] = field(default_factory=deque)

    def unkind(self, status: int, body: bytes = b"", *, taken: bool = True, **how: Any) -> None:
        """The next creation is answered like that; `taken`: its work begins all the same."""
        self._unkind.append(Answer(status, body, how.pop("headers", {}), **how))
        self._unkind.append(None if taken else Answer(0, b"", {}))

    @property
    def base(self) -> str:
        """The address without a path."""
        return self.url.removesuffix("/runs")

    def _usual(self, received: Received) -> Answer:
        assert self.api is not None
        if self._unkind and received.method == "POST" and not _is_stop(received.path):
            answer, refused = self._unkind.popleft(), self._unkind.popleft()
            if refused is None:
                self.api(received, self.sessions)
            assert answer is not None
            return answer
        status, body = self.api(received, self.sessions)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Answer(status, raw, {})

    def _take(self, received: Received) -> Answer:
        answer = self._answers.popleft() if self._answers else self._usual(received)
        self.requests.append(received)  # whoever sees it knows that its answer is chosen
        if answer.hold:
            self._released.wait(60)
        return answer


def _is_stop(path: str) -> bool:
    return path.partition("?")[0].endswith(("/stop", "/cancel"))


def _parts(received: Received) -> tuple[list[str], dict[str, list[str]]]:
    parts = urlsplit(received.path)
    return [unquote(part) for part in parts.path.split("/")[1:]], parse_qs(parts.query)


def devin(received: Received, sessions: Sessions) -> Reply:
    """Devin, v1: sessions with tags; DELETE ends one."""
    if not received.header("authorization").startswith("Bearer "):
        return 401, {"detail": "unauthorized"}
    path, query = _parts(received)
    match received.method, path:
        case "POST", ["v1", "sessions"]:
            asked = received.json()
            name = f"devin-{len(sessions)}"
            sessions[name] = {
                "session_id": name,
                "status_enum": "working",
                "tags": asked["tags"],
                "prompt": asked["prompt"],
            }
            url = f"https://app.devin.ai/sessions/{len(sessions) - 1}"
            return 200, {"session_id": name, "url": url, "is_new_session": True}
        case "GET", ["v1", "sessions"]:
            (tag,) = query["tags"]
            return 200, {"sessions": [s for s in sessions.values() if tag in s["tags"]]}
        case "GET", ["v1", "sessions", name] if name in sessions:
            return 200, sessions[name]
        case "DELETE", ["v1", "sessions", name] if name in sessions:
            sessions[name]["status_enum"] = "expired"
            return 200, {"detail": "Session terminated"}
        case _:
            return 404, {"detail": "not found"}


def cursor(received: Received, sessions: Sessions) -> Reply:
    """Cursor, v0: agents on branches; stop is a POST."""
    path, _ = _parts(received)
    match received.method, path:
        case "POST", ["v0", "agents"]:
            asked = received.json()
            name = f"bc_{len(sessions)}"
            target = {**asked["target"], "url": f"https://cursor.com/agents?id={name}"}
            sessions[name] = {
                "id": name,
                "status": "CREATING",
                "target": target,
                "source": asked["source"],
                "prompt": asked["prompt"],
            }
            return 201, sessions[name]
        case "GET", ["v0", "agents"]:
            return 200, {"agents": [*sessions.values()][::-1]}
        case "GET", ["v0", "agents", name] if name in sessions:
            return 200, sessions[name]
        case "POST", ["v0", "agents", name, "stop"] if name in sessions:
            sessions[name]["status"] = "EXPIRED"
            return 200, {"id": name}
        case _:
            return 404, {"error": "Agent not found"}


def langgraph(received: Received, sessions: Sessions) -> Reply:
    """A LangGraph server: runs within threads. What it answers was read off a real one."""
    path, _ = _parts(received)
    match received.method, path:
        case "POST", ["threads", thread, "runs"]:
            asked = received.json()
            assert asked["if_not_exists"] == "create"
            assert re.fullmatch(r"[0-9a-f-]{36}", thread)
            name = f"run-{len(sessions)}"
            sessions[name] = {
                "run_id": name,
                "thread_id": thread,
                "status": "busy",
                "input": asked["input"],
            }
            return 200, sessions[name] | {"status": "pending"}
        case "GET", ["threads", thread, "runs"]:
            runs = [s for s in sessions.values() if s["thread_id"] == thread]
            missing = {"detail": f"Thread with ID {thread} not found"}
            return (200, [run | {"status": "running"} for run in runs]) if runs else (404, missing)
        case "GET", ["threads", thread]:
            runs = [s for s in sessions.values() if s["thread_id"] == thread]
            return (200, _thread(runs[-1])) if runs else (404, {"detail": "Not Found"})
        case "POST", ["threads", _, "runs", name, "cancel"] if name in sessions:
            if sessions[name]["status"] != "busy":
                return 404, {"detail": "No matching runs to cancel."}
            sessions[name] |= {"status": "interrupted", "interrupts": {}}
            return 200, {}
        case _:
            return 404, {"detail": "Not Found"}


def _thread(run: dict[str, Json]) -> dict[str, Json]:
    """A thread by its last run. One that asks nothing and is interrupted was cancelled."""
    answered = {"messages": [{"type": "ai", "content": "Done."}]}
    asks = {"a-task": [{"id": "a-question", "value": "May I?"}]}
    return {
        "thread_id": run["thread_id"],
        "status": run["status"],
        "values": answered if run["status"] == "idle" else None,
        "interrupts": run.get("interrupts", asks) if run["status"] == "interrupted" else {},
        "error": {"error": "E", "message": "it broke"} if run["status"] == "error" else None,
    }


def github(received: Received, sessions: Sessions) -> Reply:
    """GitHub's agent tasks: neither stopped nor marked. Held to GitHub's own description."""
    asked = received.json() if received.method == "POST" else None
    if wrong := wrong_with_request(received.method, received.path, asked):
        return 422, {"message": f"Validation Failed: {wrong}"}
    status, answer = _task(received, sessions)
    wrong = wrong_with_answer(received.method, received.path, status, answer)
    return (500, {"message": f"the stand-in is wrong: {wrong}"}) if wrong else (status, answer)


def _task(received: Received, sessions: Sessions) -> Reply:
    path, _ = _parts(received)
    match received.method, path:
        case "POST", ["agents", "repos", "OWNER", "REPOSITORY", "tasks"]:
            asked = received.json()
            name = f"task-{len(sessions)}"
            url = f"https://github.com/OWNER/REPOSITORY/tasks/{name}"
            sessions[name] = {"id": name, "state": "queued", "html_url": url, **asked}
            return 201, sessions[name]
        case "GET", ["agents", "repos", "OWNER", "REPOSITORY", "tasks", name] if name in sessions:
            return 200, sessions[name]
        case _:
            return 404, {"message": "Not Found"}


def n8n(received: Received, sessions: Sessions) -> Reply:
    """A workflow that answers when it has finished; the words are those of n8n's own source."""
    asked = f"{received.method} {received.path.removeprefix('/webhook/')}"
    if asked != "POST autopilot":
        message = f'The requested webhook "{asked}" is not registered.'
        return 404, {"code": 404, "message": message, "hint": "The workflow must be active."}
    if received.header("x-autopilot-key") != "Bearer key":
        return 403, b"Authorization data is wrong!"
    sessions[f"execution-{len(sessions)}"] = received.json()
    return 200, {"summary": f"Done: {received.json()['prompt']}"}


def claude_routine(received: Received, sessions: Sessions) -> Reply:
    """A routine of Claude Code: fired, and nothing else."""
    if received.path != "/v1/claude_code/routines/ROUTINE_ID/fire":
        return 404, {"error": {"type": "not_found_error"}}
    if received.header("anthropic-beta") != "experimental-cc-routine-2026-04-01":
        return 400, {"error": {"message": "anthropic-beta header required"}}
    name = f"session_{len(sessions)}"
    sessions[name] = received.json()
    return 200, {
        "claude_code_session_id": name,
        "claude_code_session_url": f"https://claude.ai/code/{name}",
    }
