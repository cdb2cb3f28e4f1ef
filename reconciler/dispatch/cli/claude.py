"""Claude Code: `claude -p`."""

from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.manifest.coding_agents import OPTIONS, CodingAgent
from reconciler.core.manifest.runtime import CliRuntime
from reconciler.core.runs.run import Json
from reconciler.dispatch.cli.adapter import Adapter, Answer, Record, counts, named, text_of

ALWAYS = ("-p", "--output-format", "stream-json", "--verbose")
UNASKED = ("--permission-mode", "dontAsk")
"""What is not allowed is denied, and never waited for."""


def _call(runtime: CliRuntime, session: str, further: Sequence[str]) -> list[str]:
    mode = runtime.permission_mode
    return [
        *ALWAYS,
        *(UNASKED if mode is None else OPTIONS[CodingAgent.CLAUDE].modes[mode]),
        *(f"--allowedTools={tool}" for tool in runtime.allowed_tools),
        *(() if runtime.model is None else ("--model", runtime.model)),
        *(() if runtime.max_turns is None else ("--max-turns", str(runtime.max_turns))),
        *further,
        "--session-id",
        session,
    ]


def _read(answer: Answer, record: Record) -> Answer:
    answer = named(answer, record.get("session_id"))
    match record.get("type"):
        case "assistant":
            return _message(answer, record)
        case "rate_limit_event":
            return _limited(answer, record["rate_limit_info"])
        case "result":
            return _ended(answer, record)
    return answer


def _message(answer: Answer, record: Record) -> Answer:
    """A message of the model; one with an `error` is the program's own, in the API's place."""
    if record.get("error") is not None:
        return replace(answer, api=True)
    answer = replace(answer, began=True)
    if record.get("parent_tool_use_id") is not None:
        return answer  # of an agent below this one
    parts = [text_of(part.get("text")) for part in record["message"]["content"]]
    text = "".join(parts)
    return replace(answer, text=text or answer.text, api=False)


def _limited(answer: Answer, info: Record) -> Answer:
    at = info.get("resetsAt")
    if info.get("status") != "rejected" or not isinstance(at, int):
        return answer
    return replace(answer, retry_at=at)


def _ended(answer: Answer, record: Record) -> Answer:
    is_error = record.get("is_error") is not False  # API errors have the subtype "success"
    text = text_of(record.get("result"))
    status = record.get("api_error_status")
    return replace(
        answer,
        ended=True,
        text=answer.text if is_error else text,
        structured=record.get("structured_output"),
        error=_why(record, text) if is_error else None,
        over_budget=record.get("subtype") == "error_max_budget_usd",
        api=is_error and (answer.api or isinstance(status, int)),
        status=status if isinstance(status, int) else None,
        denied=tuple(_denial(denial) for denial in record.get("permission_denials") or ()),
        usage=_usage(record),
    )


def _why(record: Record, text: str) -> str:
    errors = record.get("errors")
    details = "; ".join(map(str, errors)) if isinstance(errors, list) else ""
    return text or details or text_of(record.get("subtype")) or "an error without a word"


def _denial(denial: Record) -> Record:
    return {"tool": denial.get("tool_name"), "input": denial.get("tool_input")}


def _usage(record: Record) -> dict[str, Json]:
    usage, models = record.get("usage") or {}, record.get("modelUsage") or {}
    cached, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    fresh = usage.get("input_tokens")
    total = sum(count for count in (fresh, cached, written) if isinstance(count, int))
    return {
        **counts(
            costUsd=record.get("total_cost_usd"),
            inputTokens=total,
            outputTokens=usage.get("output_tokens"),
            cachedTokens=cached,
            turns=record.get("num_turns"),
        ),
        **({"model": ", ".join(models)} if models else {}),
    }


CLAUDE = Adapter(
    call=_call,
    read=_read,
    resume=lambda session: ["claude", "--resume", session],
    chooses=True,
    budget="--max-budget-usd",
    ends=({"type": ("result",)},),
    lines=(
        b'"type":"assistant"',
        b'"type":"result"',
        b'"subtype":"init"',
        b'"type":"rate_limit_event"',
    ),
    # It repeats a request for three minutes otherwise, and an API that is down is not noticed.
    variables={"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_MAX_RETRIES": "2"},
)
