"""Gemini CLI: `gemini`."""

import re
from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.manifest.coding_agents import OPTIONS, CodingAgent
from reconciler.core.manifest.runtime import CliRuntime
from reconciler.dispatch.cli.adapter import Adapter, Answer, Record, counts, named, text_of

ALWAYS = ("--output-format", "stream-json", "--skip-trust")
_ROUTED = "auto"
BYTE = 256
"""It exits with the status of the API, of which a byte arrives: 145 is 401."""
_NOT_REACHED = re.compile(
    r"\[API Error: .*(?:fetch failed|ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|socket hang up)"
)
_API_STATUSES = frozenset({401, 403, 429, 500, 502, 503, 504})


def _call(runtime: CliRuntime, session: str, further: Sequence[str]) -> list[str]:
    mode = runtime.permission_mode
    return [
        *ALWAYS,
        *(() if mode is None else OPTIONS[CodingAgent.GEMINI].modes[mode]),
        *(f"--allowed-tools={tool}" for tool in runtime.allowed_tools),
        *(() if runtime.model is None else ("--model", runtime.model)),
        *further,
        "--session-id",
        session,
    ]


def _read(answer: Answer, record: Record) -> Answer:
    answer = named(answer, record.get("session_id"))
    match record.get("type"):
        case "init":
            model = record.get("model")
            return replace(answer, usage={"model": model} if isinstance(model, str) else {})
        case "message" if record.get("role") == "assistant":
            text = answer.text + text_of(record.get("content"))
            return replace(answer, text=text, began=True)
        case "tool_use":
            return replace(answer, text="", began=True)  # what it said before is not the answer
        case "result":
            return _ended(answer, record)
    return answer


def _ended(answer: Answer, record: Record) -> Answer:
    error = record.get("error") or {}
    why = None if record.get("status") == "success" else text_of(error.get("message")) or "error"
    stats = record.get("stats") or {}
    usage = counts(
        inputTokens=stats.get("input_tokens"),
        outputTokens=stats.get("output_tokens"),
        cachedTokens=stats.get("cached"),
    )
    model = _worked(stats.get("models") or {}) or answer.usage.get("model")
    # Where it routes by itself it names no model before the end, and at the end perhaps several.
    named_model = {} if model in (None, _ROUTED) else {"model": model}
    api = why is not None and _NOT_REACHED.search(why) is not None
    return replace(answer, ended=True, error=why, api=api, usage={**named_model, **usage})


def _worked(models: Record) -> str | None:
    """The one model that did anything."""
    used = [name for name, stats in models.items() if stats.get("total_tokens")]
    return used[0] if len(used) == 1 else None


def _exited(answer: Answer, status: int) -> Answer:
    if status + BYTE not in _API_STATUSES:
        return answer
    error = answer.error or f"exit status {status}"
    return replace(answer, error=error, api=True, status=status + BYTE)


GEMINI = Adapter(
    call=_call,
    read=_read,
    exited=_exited,
    resume=lambda session: ["gemini", "--resume", session],
    chooses=True,
    ends=({"type": ("result",)},),
    lines=(b'"type":"init"', b'"role":"assistant"', b'"type":"tool_use"', b'"type":"result"'),
    trouble=re.compile(
        r"^Attempt \d+ failed( with [^.]+)?.* Retrying with backoff\.\.\.(?: Error:)?(.*)"
    ),
    variables={"GEMINI_CLI_TRUST_WORKSPACE": "true"},
)
