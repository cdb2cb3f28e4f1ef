"""GitHub's Copilot CLI: `copilot`."""

from collections.abc import Sequence
from dataclasses import replace

from reconciler.core.manifest.coding_agents import OPTIONS, CodingAgent
from reconciler.core.manifest.runtime import CliRuntime
from reconciler.dispatch.cli.adapter import Adapter, Answer, Record, named, text_of

ALWAYS = ("--output-format", "json")
_NOT_REACHED = "transport_error"


def _call(runtime: CliRuntime, session: str, further: Sequence[str]) -> list[str]:
    mode = runtime.permission_mode
    return [
        *ALWAYS,
        *(() if mode is None else OPTIONS[CodingAgent.COPILOT].modes[mode]),
        *(f"--allow-tool={tool}" for tool in runtime.allowed_tools),
        *(() if runtime.model is None else ("--model", runtime.model)),
        *further,
        "--session-id",
        session,
    ]


def _read(answer: Answer, record: Record) -> Answer:
    data = record.get("data") or record
    match record.get("type"):
        case "assistant.message":
            # The API has answered since: an error before it was overcome.
            text = text_of(data.get("content")) or answer.text
            return replace(answer, text=text, error=None, api=False, status=None, began=True)
        case "model.call_final_result":
            # Of an API that was not reached the error has no status: this alone tells.
            return replace(answer, api=data.get("result") == _NOT_REACHED)
        case "session.error":
            status, message = data.get("statusCode"), text_of(data.get("message"))
            code = status if isinstance(status, int) else None
            error = message or text_of(data.get("errorType")) or "error"
            return replace(answer, error=error, api=answer.api or code is not None, status=code)
        case "result":
            return _ended(named(answer, record.get("sessionId")), record)
    return answer


def _ended(answer: Answer, record: Record) -> Answer:
    code = record.get("exitCode")
    failed = None if code == 0 else f"exit code {code}"
    return replace(answer, ended=True, error=answer.error or failed)


COPILOT = Adapter(
    call=_call,
    read=_read,
    resume=lambda session: ["copilot", f"--resume={session}"],
    chooses=True,
    ends=({"type": ("result",)},),
    lines=(
        b'"type":"assistant.message"',
        b'"type":"model.call_final_result"',
        b'"type":"session.error"',
        b'"type":"result"',
    ),
    variables={"COPILOT_AUTO_UPDATE": "false"},
)
