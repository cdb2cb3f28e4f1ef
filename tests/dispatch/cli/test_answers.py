"""What each coding agent says on stdout, and what is made of it. Lines as the agents wrote them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.manifest.coding_agents import CodingAgent
from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.runs.result import RESULT_LIMIT
from reconciler.core.runs.run import Completed, Failed, Outcome, Reason
from reconciler.dispatch.base import Exhausted
from reconciler.dispatch.cli.adapter import Answer, read_lines
from reconciler.dispatch.cli.recipe import ADAPTERS, CodingAgents
from reconciler.dispatch.command.ending import Ending
from tests.dispatch.builders import a_job, coding_agent

SESSION = "0537160f-aab2-405e-aeaf-9b65bc51d67e"
CODEX_USAGE = {"input_tokens": 15, "cached_input_tokens": 3, "output_tokens": 7}
GEMINI_STATS = {
    "input_tokens": 15,
    "output_tokens": 7,
    "cached": 3,
    "models": {"gemini-flash": {"total_tokens": 0}, "gemini-pro": {"total_tokens": 22}},
}
FIRST_STEP = {"reason": "tool-calls", "cost": 0.5, "tokens": {"input": 5, "output": 3}}
LAST_TOKENS = {"input": 5, "output": 4, "cache": {"read": 3, "write": 2}}
LAST_STEP = {"reason": "stop", "cost": 0.25, "tokens": LAST_TOKENS}
CLAUDE_USAGE = {"input_tokens": 12, "cache_read_input_tokens": 3, "output_tokens": 7}
CLAUDE_RESULT = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "api_error_status": None,
    "num_turns": 2,
    "result": "done",
    "session_id": SESSION,
    "total_cost_usd": 0.25,
    "usage": CLAUDE_USAGE,
    "modelUsage": {"claude-opus": {}},
    "permission_denials": [
        {"tool_name": "Bash", "tool_use_id": "t", "tool_input": {"command": "x"}}
    ],
}
GOOD: dict[str, list[dict[str, Any]]] = {
    "claude": [{"type": "system", "subtype": "init", "session_id": SESSION}, CLAUDE_RESULT],
    "codex": [
        {"type": "thread.started", "thread_id": SESSION},
        {"type": "item.completed", "item": {"type": "agent_message", "text": "first"}},
        {"type": "item.completed", "item": {"type": "agent_message", "text": "done"}},
        {"type": "turn.completed", "usage": CODEX_USAGE},
    ],
    "gemini": [
        {"type": "init", "session_id": SESSION, "model": "auto"},
        {"type": "message", "role": "assistant", "content": "I look.", "delta": True},
        {"type": "tool_use", "tool_name": "ls"},
        {"type": "message", "role": "assistant", "content": "do", "delta": True},
        {"type": "message", "role": "assistant", "content": "ne", "delta": True},
        {"type": "result", "status": "success", "stats": GEMINI_STATS},
    ],
    "copilot": [
        {
            "type": "session.error",
            "data": {"statusCode": 500, "message": "again"},
        },
        {"type": "model.call_final_result", "data": {"result": "success"}},
        {"type": "assistant.message", "data": {"content": "done"}},
        {"type": "result", "sessionId": SESSION, "exitCode": 0, "usage": {"premiumRequests": 1}},
    ],
    "opencode": [
        {"type": "step_start", "sessionID": SESSION},
        {
            "type": "step_finish",
            "sessionID": SESSION,
            "part": FIRST_STEP,
        },
        {"type": "step_start", "sessionID": SESSION},
        {"type": "text", "sessionID": SESSION, "part": {"text": "done"}},
        {
            "type": "step_finish",
            "sessionID": SESSION,
            "part": LAST_STEP,
        },
    ],
}
TOKENS: dict[str, object] = {"inputTokens": 15, "outputTokens": 7, "cachedTokens": 3}
USAGE: dict[str, dict[str, object]] = {
    "claude": {**TOKENS, "costUsd": 0.25, "turns": 2, "model": "claude-opus"},
    "codex": TOKENS,
    "gemini": {**TOKENS, "model": "gemini-pro"},
    "copilot": {},
    "opencode": {**TOKENS, "costUsd": 0.75, "turns": 2},
}
AGENTS = pytest.mark.parametrize("agent", list(CodingAgent))


def ending(status: int = 0, **fields: Any) -> Ending:
    values = {"clear": True, "outside": 0, "error": None, "output": "", **fields}
    return Ending(status=status, **values)


def lines(records: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def outcome(agent: str, records: list[dict[str, Any]], end: Ending | None = None) -> Outcome:
    job = a_job(coding_agent(agent))
    return CodingAgents(()).ended(job, end or ending(), lines(records)).outcome


@AGENTS
def test_an_answer_is_read_with_its_session_and_usage(agent: str) -> None:
    ended = outcome(agent, GOOD[agent])
    assert isinstance(ended, Completed)
    result = ended.result
    assert (result["text"], result["sessionId"]) == ("done", SESSION)
    assert (ended.usage.document() if ended.usage else {}) == USAGE[agent]
    assert "usage" not in result
    assert SESSION in result["resumeCommand"]


@AGENTS
def test_a_session_that_names_itself_is_told_with_the_end(agent: str) -> None:
    """Its start may have stopped waiting for the name."""
    names_itself = not ADAPTERS[CodingAgent(agent)].chooses
    for mode in ExecutionMode:
        job = a_job(coding_agent(agent), mode=mode)
        ended = CodingAgents(()).ended(job, ending(), lines(GOOD[agent]))
        told = names_itself and mode is ExecutionMode.CREATE_SESSION
        assert ended.session_id == (SESSION if told else None)


@AGENTS
def test_exit_status_0_without_a_record_of_the_end_is_no_success(agent: str) -> None:
    ended = outcome(agent, GOOD[agent][:-1])
    assert isinstance(ended, Failed)
    assert ended.reason is Reason.AGENT_FAILED


@AGENTS
def test_a_record_of_the_end_without_exit_status_0_is_no_success(agent: str) -> None:
    ended = outcome(agent, GOOD[agent], ending(-15, output="killed"))
    assert isinstance(ended, Failed)
    assert ended.message == "agent was killed by SIGTERM: killed"
    assert ended.result["text"] == "done"


@AGENTS
def test_what_was_stopped_from_outside_is_lost(agent: str) -> None:
    ended = outcome(agent, GOOD[agent], ending(outside=15))
    assert isinstance(ended, Failed)
    assert ended.reason is Reason.LOST


def test_denied_tools_are_kept() -> None:
    ended = outcome("claude", GOOD["claude"])
    assert ended.result["denied"] == [{"tool": "Bash", "input": {"command": "x"}}]


def failing(**changes: object) -> list[dict[str, Any]]:
    return [{**CLAUDE_RESULT, "is_error": True, **changes}]


DOWN = {"type": "assistant", "message": {"content": []}, "error": "server_error"}
LIMIT = {
    "type": "rate_limit_event",
    "rate_limit_info": {"status": "rejected", "resetsAt": 1796000000},
}


AT_WORK = {"type": "assistant", "message": {"content": [{"type": "tool_use"}]}}


def turn_failed(message: str) -> list[dict[str, Any]]:
    return [{"type": "turn.failed", "error": {"message": message}}]


UNAUTHORIZED = turn_failed("unexpected status 401 Unauthorized: no, url: http://x")
TOO_MANY = turn_failed("exceeded retry limit, last status: 429 Too Many Requests")
COPILOT_401 = [{"type": "session.error", "data": {"statusCode": 401, "message": "no"}}]
COPILOT_DOWN = [
    {"type": "model.call_final_result", "data": {"result": "transport_error"}},
    {"type": "session.error", "data": {"errorType": "query", "message": "Could not connect"}},
]
COPILOT_END = {"type": "result", "sessionId": SESSION, "exitCode": 1, "usage": {}}
GEMINI_ERROR = {"type": "result", "status": "error", "error": {"type": "unknown", "message": "no"}}
OPENCODE_503 = [{"type": "error", "error": {"name": "APIError", "data": {"statusCode": 503}}}]
API, WORK = Reason.TARGET_UNAVAILABLE, Reason.AGENT_FAILED


@pytest.mark.parametrize(
    ("agent", "records", "status", "reason"),
    [
        ("claude", failing(api_error_status=429), 1, API),
        ("claude", failing(api_error_status=529), 1, API),
        ("claude", failing(api_error_status=400), 1, WORK),
        ("claude", [DOWN, *failing()], 1, API),
        ("claude", failing(subtype="error_max_turns", errors=["too many"]), 1, WORK),
        ("claude", failing(subtype="error_during_execution"), 0, WORK),
        ("codex", UNAUTHORIZED, 1, API),
        ("codex", TOO_MANY, 1, API),
        ("codex", turn_failed("context window exceeded"), 1, WORK),
        ("gemini", [], 145, API),
        ("gemini", [GEMINI_ERROR], 145, API),
        ("gemini", [GEMINI_ERROR], 1, WORK),
        ("gemini", [], 42, WORK),
        ("copilot", COPILOT_401, 1, API),
        ("copilot", [*COPILOT_401, COPILOT_END], 1, API),
        ("copilot", [*COPILOT_DOWN, COPILOT_END], 1, API),
        ("copilot", [COPILOT_DOWN[1], COPILOT_END], 1, WORK),
        ("copilot", [COPILOT_END], 1, WORK),
        ("opencode", OPENCODE_503, 1, API),
    ],
)
def test_an_api_that_does_not_answer_is_told_from_work_that_fails(
    agent: str, records: list[dict[str, Any]], status: int, reason: Reason
) -> None:
    ended = outcome(agent, records, ending(status))
    assert isinstance(ended, Failed)
    assert ended.reason is reason


NO_LOGIN = {
    **CLAUDE_RESULT,
    "is_error": True,
    "result": "Not logged in · Please run /login",
}
SAYS_NO_LOGIN = {"type": "assistant", "error": "authentication_failed", "message": {"content": []}}


@pytest.mark.parametrize(
    ("agent", "records"),
    [
        ("claude", [SAYS_NO_LOGIN, NO_LOGIN]),
        ("codex", UNAUTHORIZED),
        ("copilot", [*COPILOT_401, COPILOT_END]),
    ],
)
def test_an_agent_without_a_login_is_told_how_to_get_one(
    agent: str, records: list[dict[str, Any]]
) -> None:
    ended = outcome(agent, records, ending(1))
    assert isinstance(ended, Failed)
    assert ended.reason is Reason.TARGET_UNAVAILABLE
    assert "no login that it takes" in ended.message
    assert "spec.runtime.env" in ended.message


@pytest.mark.parametrize(
    ("agent", "records", "status", "expected"),
    [
        pytest.param(
            "claude",
            [LIMIT, *failing(api_error_status=429, result="usage limit reached")],
            1,
            Exhausted("usage limit reached", datetime(2026, 11, 30, 0, 53, 20, tzinfo=UTC)),
            id="claude: until a moment",
        ),
        pytest.param(
            "claude",
            [AT_WORK, *failing(api_error_status=429, result="429")],
            1,
            Exhausted("429", untouched=False),
            id="claude: in the midst of its work",
        ),
        pytest.param(
            "codex",
            turn_failed("You've hit your usage limit."),
            1,
            Exhausted("You've hit your usage limit."),
            id="codex: a plan that is used up",
        ),
        pytest.param(
            "codex",
            [{"type": "item.started", "item": {"type": "command_execution"}}, *TOO_MANY],
            1,
            Exhausted("exceeded retry limit, last status: 429 Too Many Requests", untouched=False),
            id="codex: after a command",
        ),
        pytest.param("gemini", [], 173, Exhausted("exit status 173"), id="gemini: by its status"),
        pytest.param("claude", failing(api_error_status=529), 1, None, id="an API that is full"),
        pytest.param("codex", UNAUTHORIZED, 1, None, id="a key that is refused"),
        pytest.param(
            "codex", turn_failed("the tests of rate limits fail"), 1, None, id="work about limits"
        ),
        pytest.param("claude", GOOD["claude"], 0, None, id="success"),
    ],
)
def test_a_plan_that_is_used_up_is_told_from_an_api_that_is_down(
    agent: str, records: list[dict[str, Any]], status: int, expected: Exhausted | None
) -> None:
    job = a_job(coding_agent(agent))
    ended = CodingAgents(()).ended(job, ending(status), lines(records))
    assert ended.exhausted == expected


def test_a_moment_that_no_calendar_has_is_far_away() -> None:
    limit = {**LIMIT, "rate_limit_info": {"status": "rejected", "resetsAt": 10**15}}
    job = a_job(coding_agent("claude"))
    records = [limit, *failing(api_error_status=429)]
    ended = CodingAgents(()).ended(job, ending(1), lines(records))
    assert ended.exhausted is not None
    assert ended.exhausted.until == datetime.max.replace(tzinfo=UTC)


def test_the_moment_at_which_a_limit_ends_is_told() -> None:
    ended = outcome("claude", [LIMIT, *failing(api_error_status=429)], ending(1))
    assert isinstance(ended, Failed)
    assert ended.result["retryAt"] == "2026-11-30T00:53:20Z"
    assert "again at 2026-11-30T00:53:20Z" in ended.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
)


@given(st.sampled_from(CodingAgent), st.data())
def test_nonsense_in_a_known_record_raises_nothing(agent: CodingAgent, data: st.DataObject) -> None:
    record = dict(data.draw(st.sampled_from(GOOD[agent])))
    record[data.draw(st.sampled_from([*record]))] = data.draw(JSON)
    cut = data.draw(st.integers(0, 200))
    text = lines([record, *GOOD[agent]])[cut:]
    CodingAgents(()).ended(a_job(coding_agent(agent)), ending(), text)


def test_a_large_answer_is_cut_within_its_text_and_stays_an_object() -> None:
    text = "\x01é" * RESULT_LIMIT
    ended = outcome("claude", [{**CLAUDE_RESULT, "result": text}])
    assert len(json.dumps(ended.result, ensure_ascii=False).encode()) < RESULT_LIMIT
    assert ended.result["text"].startswith("[cut: the first")
    assert ended.result["text"].endswith("é")


def test_bytes_that_are_no_text_do_not_cost_the_record_of_the_end() -> None:
    written = lines(GOOD["claude"]).replace(b'"done"', b'"d\xff\xfene"')
    ended = CodingAgents(()).ended(a_job(coding_agent()), ending(), written).outcome
    assert isinstance(ended, Completed)
    assert ended.result["text"] == "d\ufffd\ufffdne"


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\nb", "\ud800", ""])
def test_a_session_is_no_text_that_moves_a_terminal(name: str) -> None:
    ended = outcome("claude", [{**CLAUDE_RESULT, "session_id": name}])
    assert isinstance(ended, Completed)
    assert ended.result.keys() & {"sessionId", "resumeCommand"} == set()


def test_a_title_out_of_a_payload_is_no_option_of_its_own() -> None:
    runtime = coding_agent(args=["--append-system-prompt", "{{ run.title }}", "--bare"])
    job = a_job(runtime, title="--dangerously-skip-permissions")
    arguments = CodingAgents(()).order(job).arguments
    assert "--append-system-prompt=--dangerously-skip-permissions" in arguments
    assert "--dangerously-skip-permissions" not in arguments


def test_a_mode_that_the_operator_does_not_admit_is_not_passed_on() -> None:
    job = a_job(coding_agent(permissionMode="bypassPermissions"))
    with pytest.raises(PermissionError, match="allowed_permission_modes admits plan"):
        CodingAgents(("plan",)).order(job)


def test_what_is_set_for_an_agent_gives_way_to_its_manifest() -> None:
    recipe, runtime = CodingAgents(()), coding_agent(home="/srv/home")
    plain = recipe.order(a_job(runtime)).environment
    chosen = recipe.order(a_job(runtime, env={"CLAUDE_CODE_MAX_RETRIES": "9"})).environment
    assert (plain["CLAUDE_CODE_MAX_RETRIES"], plain["HOME"]) == ("2", "/srv/home")
    assert chosen["CLAUDE_CODE_MAX_RETRIES"] == "9"


def test_a_session_follows_from_run_and_attempt() -> None:
    recipe, job = CodingAgents(()), a_job(coding_agent(), run_id="a")
    again = a_job(coding_agent(), run_id="a", attempt=2)
    first, second = (recipe.order(each).arguments[-1] for each in (job, again))
    assert first == recipe.order(job).arguments[-1] != second


def test_no_lines_are_an_empty_answer() -> None:
    assert read_lines(ADAPTERS[CodingAgent.CODEX], b'{"type":\nnull\n[1]\n') == Answer()


@pytest.mark.parametrize(
    ("args", "allowance", "expected"),
    [
        pytest.param((), 500_000, ["--max-budget-usd=0.5"], id="of the budget"),
        pytest.param((), 100_000_000, ["--max-budget-usd=100"], id="whole dollars"),
        pytest.param(("--max-budget-usd", "2"), 0, ["--max-budget-usd=2"], id="of the manifest"),
        pytest.param(
            ("--max-budget-usd", "2"), 500_000, ["--max-budget-usd=0.5"], id="the budget is less"
        ),
        pytest.param(
            ("--max-budget-usd", "0.2"), 500_000, ["--max-budget-usd=0.2"], id="the manifest's is"
        ),
        pytest.param(
            ("--max-budget-usd", "two"), 500_000, ["--max-budget-usd=0.5"], id="no amount"
        ),
    ],
)
def test_claude_is_told_what_a_run_may_cost(
    args: tuple[str, ...], allowance: int, expected: list[str]
) -> None:
    job = a_job(coding_agent(args=args), allowance_micros=allowance)
    arguments = CodingAgents(()).order(job).arguments
    assert [text for text in arguments if "budget" in text] == expected


@pytest.mark.parametrize("agent", ["codex", "gemini", "copilot", "opencode"])
def test_others_take_no_such_option(agent: str) -> None:
    job = a_job(coding_agent(agent), allowance_micros=500_000)
    assert not any("budget" in text for text in CodingAgents(()).order(job).arguments)


def test_a_claude_that_came_to_its_limit_was_over_budget() -> None:
    end = CLAUDE_RESULT | {
        "subtype": "error_max_budget_usd",
        "is_error": True,
        "errors": ["Reached maximum budget"],
        "result": None,
    }
    ended = outcome("claude", [end], ending(1))
    assert isinstance(ended, Failed)
    assert (ended.reason, ended.message) == (Reason.OVER_BUDGET, "agent: Reached maximum budget")
