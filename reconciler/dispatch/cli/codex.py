"""Codex: `codex exec`."""

import re
from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.manifest.coding_agents import OPTIONS, CodingAgent
from reconciler.core.manifest.runtime import CliRuntime
from reconciler.dispatch.cli.adapter import Adapter, Answer, Record, counts, named, text_of

ALWAYS = ("exec", "--json", "--skip-git-repo-check")
_STATUS = re.compile(r"\b(?:unexpected status|last status:) (\d{3})\b")
_API = re.compile(
    r"experiencing high demand|stream disconnected|error sending request|usage limit|"
    r"connection (?:failed|refused)|waiting for network",
    re.IGNORECASE,
)
"""What it says of an API that cannot answer, where it names no status."""


def _call(runtime: CliRuntime, _session: str, further: Sequence[str]) -> list[str]:
    mode = runtime.permission_mode or "read-only"
    return [
        *ALWAYS,
        *OPTIONS[CodingAgent.CODEX].modes[mode],
        *(() if runtime.model is None else ("--model", runtime.model)),
        *further,
        "-",
    ]


def _read(answer: Answer, record: Record) -> Answer:
    match record.get("type"):
        case "thread.started":
            return named(answer, record["thread_id"])
        case "item.started":
            return replace(answer, began=True)
        case "item.completed":
            return _item(replace(answer, began=True), record["item"])
        case "turn.completed":
            return replace(answer, ended=True, usage=counts(**_usage(record["usage"])))
        case "turn.failed":
            return _failed(answer, text_of(record["error"].get("message")))
    return answer


def _item(answer: Answer, item: Record) -> Answer:
    if item.get("type") == "agent_message":
        return replace(answer, text=text_of(item.get("text")))
    if item.get("status") == "declined":
        denial = {"tool": item.get("type"), "input": item.get("command")}
        return replace(answer, denied=(*answer.denied, denial)[-50:])
    return answer


def _failed(answer: Answer, message: str) -> Answer:
    status = int(match[1]) if (match := _STATUS.search(message)) else None
    is_api = status is not None or _API.search(message) is not None
    error = message or "an error without a word"
    return replace(answer, ended=True, error=error, api=is_api, status=status)


def _usage(usage: Record) -> Record:
    return {
        "inputTokens": usage.get("input_tokens"),
        "outputTokens": usage.get("output_tokens"),
        "cachedTokens": usage.get("cached_input_tokens"),
    }


CODEX = Adapter(
    call=_call,
    read=_read,
    resume=lambda session: ["codex", "resume", session],
    chooses=False,
    ends=({"type": ("turn.completed", "turn.failed")},),
    lines=(
        b'"type":"thread.started"',
        b'"type":"item.started"',
        b'"type":"agent_message"',
        b'"type":"turn.',
        b'"status":"declined"',
    ),
)
