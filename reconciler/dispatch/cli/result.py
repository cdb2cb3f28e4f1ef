"""From an agent's answer and the end of its process to the outcome of the run."""

import json
import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime

from reconciler.core.base.invisible import one_line
from reconciler.core.manifest.runtime import CliRuntime
from reconciler.core.runs.key import NO_ANSWER
from reconciler.core.runs.result import cut_result
from reconciler.core.runs.run import Completed, Failed, Json, Outcome, Reason
from reconciler.core.runs.usage import reported
from reconciler.dispatch.base import Exhausted
from reconciler.dispatch.cli.adapter import Adapter, Answer, Record
from reconciler.dispatch.command.ending import Ending
from reconciler.dispatch.command.outcome import how, signal_name

TEXT_LIMIT = 160 * 1024
"""Bytes of an answer's text that are kept, as JSON; a result may be larger by the fields below."""
STDERR_LIMIT = 8 * 1024
DENIED_LIMIT = 50
TROUBLE_LENGTH = 200
INPUT_LIMIT = 1024
"""Bytes of a denied tool's input."""
BUSY = 429
UNAUTHORIZED = 401
REFUSED = frozenset({UNAUTHORIZED, 402, 403, BUSY})
SERVER_ERROR = 500
_QUOTA = re.compile(r"usage limit|rate.?limit|quota|limit reached", re.IGNORECASE)
"""What agents say of a plan that is used up, where they name no status."""
_NO_LOGIN = re.compile(r"not logged in|please run /login|invalid api key", re.IGNORECASE)
LINGERED = "had told its end, did not exit by itself, and was stopped"
"""The note of a run whose agent lived on after its end record."""
_LOG_IN = "spec.runtime.env gives it an API key, or a person logs in once with its home as HOME"


def outcome_of(runtime: CliRuntime, answer: Answer, ending: Ending, result: Json) -> Outcome:
    """The outcome with what it has used, however the work ended."""
    usage, note = reported(used(runtime, answer))
    lingered = f"{runtime.program} {LINGERED}" if ending.lingered else None
    note = "\n".join(part for part in (note, lingered) if part) or None
    return replace(_judged(runtime, answer, ending, result), usage=usage, note=note)


def used(runtime: CliRuntime, answer: Answer) -> Record:
    """What was used until now. An agent that does not name its model works with the manifest's."""
    if not answer.usage or runtime.model is None:
        return answer.usage
    return {"model": runtime.model, **answer.usage}


def _judged(runtime: CliRuntime, answer: Answer, ending: Ending, result: Json) -> Outcome:
    """Completed asks for both: the agent's own end record, and exit status 0.

    Some exit with 0 when they are told to stop, and some report an error and exit with 0. Of one
    that lived on after its end record the status says only how it was stopped.
    """
    name = runtime.program
    if ending.error is not None:
        message = f"{name} could not be executed: {ending.error}"
        return Failed(Reason.DISPATCH_FAILED, message, result)
    if ending.outside:
        by, end = signal_name(ending.outside), how(ending.status)
        message = f"{name} was stopped from outside by {by} and {end}"
        return Failed(Reason.LOST, message, result)
    if answer.over_budget:
        return Failed(Reason.OVER_BUDGET, f"{name}: {_line(answer.error or '')}", result)
    if answer.error is not None and _is_unavailable(answer):
        return Failed(Reason.TARGET_UNAVAILABLE, _unavailable(answer), result)
    if answer.error is not None:
        return Failed(Reason.AGENT_FAILED, f"{name}: {_line(answer.error)}", result)
    if answer.ended and (ending.status == 0 or ending.lingered):
        return Completed(result)
    missing = "" if answer.ended else " without a record of its end"
    told = _line(ending.output.strip()[-500:])
    message = f"{name} {how(ending.status)}{missing}{': ' if told else ''}{told}"
    return Failed(Reason.AGENT_FAILED, message, result)


def exhausted(answer: Answer) -> Exhausted | None:
    """Whether the work ended because the model's plan or rate limit is used up, and until when."""
    if answer.error is None:
        return None
    named = answer.retry_at is not None or _QUOTA.search(answer.error) is not None
    if answer.status != BUSY and not (named and _is_unavailable(answer)):
        return None
    return Exhausted(_line(answer.error), _moment(answer), untouched=not answer.began)


def _is_unavailable(answer: Answer) -> bool:
    """Whether the model's API had no answer, so that nothing is said about the work."""
    if answer.status is None:
        return answer.api
    return answer.status in REFUSED or answer.status >= SERVER_ERROR


def _unavailable(answer: Answer) -> str:
    status = "" if answer.status is None else f" (status {answer.status})"
    words, until = _line(answer.error or ""), _retry_at(answer)
    if answer.status == UNAUTHORIZED or _NO_LOGIN.search(words):
        return f"the model's API was given no login that it takes{status}: {words}; {_LOG_IN}"
    again = f"; it takes work again at {until}" if until else ""
    return f"the model's API did not answer{status}: {words}{again}"


def trouble_of(pattern: re.Pattern[str], line: str) -> str | None:
    """A line of stderr in a sentence, where it says that the model's API does not answer."""
    if (match := pattern.search(line)) is None:
        return None
    words = " ".join(part.strip() for part in match.groups() if part)
    return f"{NO_ANSWER}: {one_line(words, TROUBLE_LENGTH)}" if words else NO_ANSWER


def result_of(adapter: Adapter, runtime: CliRuntime, answer: Answer, ending: Ending) -> Json:
    """The result of the run (docs/runtimes.md#cli); what is not known is absent."""
    session = answer.session_id
    fields: dict[str, Json] = {
        "text": _bounded(answer.text),
        "structured": cut_result(answer.structured, TEXT_LIMIT // 4),
        "sessionId": session,
        "resumeCommand": None if session is None else _resume(adapter, runtime, session),
        "denied": [_denied(denial) for denial in answer.denied[:DENIED_LIMIT]],
        "apiStatus": answer.status,
        "retryAt": _retry_at(answer),
        "stderr": cut_result(ending.output, STDERR_LIMIT),
    }
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def _resume(adapter: Adapter, runtime: CliRuntime, session: str) -> str:
    home = "" if runtime.home is None else f"HOME={shlex.quote(runtime.home)} "
    return f"cd {shlex.quote(runtime.work_dir)} && {home}{shlex.join(adapter.resume(session))}"


def _denied(denial: Record) -> Record:
    return {**denial, "input": cut_result(denial.get("input"), INPUT_LIMIT)}


def _bounded(text: str) -> str:
    """Its tail, so that its JSON is small: a character may take six bytes there."""
    tail, limit = text, TEXT_LIMIT
    while len(json.dumps(tail, ensure_ascii=False).encode("utf-8", "replace")) > TEXT_LIMIT:
        limit = limit * 3 // 4
        tail = cut_result(text, limit)
    return tail


def _moment(answer: Answer) -> datetime | None:
    """When it takes work again, as it says; one that no calendar has is the last that it has."""
    try:
        return None if answer.retry_at is None else datetime.fromtimestamp(answer.retry_at, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def _retry_at(answer: Answer) -> str | None:
    at = _moment(answer)
    return None if at is None else at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _line(text: str) -> str:
    return " ".join(text.split())[:500]
