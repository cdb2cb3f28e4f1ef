"""opencode: `opencode run`."""

import re
from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.manifest.coding_agents import OPTIONS, CodingAgent
from reconciler.core.manifest.runtime import CliRuntime
from reconciler.dispatch.cli.adapter import Adapter, Answer, Record, added, counts, named, text_of

ALWAYS = ("run", "--format", "json", "--print-logs", "--log-level=ERROR")
"""Without its log it asks an API that is down in silence, for ever."""


def _call(runtime: CliRuntime, _session: str, further: Sequence[str]) -> list[str]:
    mode = runtime.permission_mode
    return [
        *ALWAYS,
        *(() if mode is None else OPTIONS[CodingAgent.OPENCODE].modes[mode]),
        *(() if runtime.model is None else ("--model", runtime.model)),
        *further,
    ]


def _read(answer: Answer, record: Record) -> Answer:
    answer = named(answer, record.get("sessionID"))
    match record.get("type"):
        case "step_start":
            return replace(answer, text="", ended=False)
        case "text":
            text = answer.text + text_of(record["part"].get("text"))
            return replace(answer, text=text, began=True)
        case "step_finish":
            return _stepped(answer, record["part"])
        case "error":
            return _failed(answer, record["error"])
    return answer


def _stepped(answer: Answer, part: Record) -> Answer:
    """There is no record of the end but this: a step that asks for no further one."""
    tokens = part.get("tokens") or {}
    cache = tokens.get("cache") or {}
    cached = cache.get("read")
    # `input` is what was neither read from the cache nor written to it.
    fresh, parts = tokens.get("input"), (cached, cache.get("write"))
    step = counts(
        costUsd=part.get("cost"),
        inputTokens=None if fresh is None else fresh + sum(each or 0 for each in parts),
        outputTokens=tokens.get("output"),
        cachedTokens=cached,
        turns=1,
    )
    return replace(
        answer,
        ended=part.get("reason") not in (None, "tool-calls"),
        error=None,
        api=False,
        status=None,
        usage=added(answer.usage, step),
        began=True,
    )


def _failed(answer: Answer, error: Record) -> Answer:
    data = error.get("data") or {}
    status, message = data.get("statusCode"), text_of(data.get("message"))
    code = status if isinstance(status, int) else None
    why = message or text_of(error.get("name")) or "error"
    return replace(answer, ended=True, error=why, api=code is not None, status=code)


OPENCODE = Adapter(
    call=_call,
    read=_read,
    resume=lambda session: ["opencode", "-s", session],
    chooses=False,
    ends=({"type": ("step_finish",), "part.reason": ("stop", "length", "content-filter")},),
    trouble=re.compile(r'message="stream error".* error\.error="(?:AI_\w+: )?([^"]*)'),
    lines=(b'"type":"step_', b'"type":"text"', b'"type":"error"'),
)
