"""What an agent's answer to a posted run means (docs/runtimes.md#http, decision 0037).

The values say what is known of the work, since only that may end a run: `Ended` (the agent said
how), `Refused`, `TargetDown` and `Transient` (this request started nothing), `Accepted` and `Begun`
(work is, or may be, under way).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core.base.invisible import one_line
from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.runs.run import Completed, Failed, Json, Outcome, Reason
from reconciler.core.runs.usage import reported
from reconciler.dispatch.base import (
    LONGEST_SESSION_ID,
    Ended,
    TargetDown,
    Transient,
    cut_result,
)
from reconciler.dispatch.wire import (
    QUOTED,
    Exchange,
    Oversized,
    Reply,
    Unanswered,
    Unreached,
    Unsendable,
)

_FULL = frozenset({429, 503})
_NOT_TAKEN = frozenset({408, 425})
_PERHAPS = frozenset({409, 502, 504})
"""409 is what the draft on idempotency keys answers while the first request is still at work; the
others are said by a gateway that lost the agent's answer."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """202: the agent has the run, and reports to the callback URL."""

    session_id: str


@dataclass(frozen=True, slots=True)
class Begun:
    """The work may be under way, and the answer does not say how it ends.

    `again`: the same request, under the same idempotency key, may bring the answer.
    """

    message: str
    again: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The agent took nothing of this request, and will take no other like it."""

    message: str


Verdict = Accepted | Ended | Begun | Refused | Transient | TargetDown


def verdict_on(answer: Exchange, mode: ExecutionMode) -> Verdict:
    """Return what follows from the answer to a `POST`."""
    match answer:
        case Reply(status) if 200 <= status < 300:
            return _taken(answer, mode)
        case Reply():
            return _not_taken(answer)
        case Unreached(message):
            return TargetDown(message)
        case Unanswered(message):
            return Begun(message, again=True)
        case Oversized(message):
            return Begun(message, again=False)
        case Unsendable(message):
            return Refused(message)


def outcome(document: Mapping[str, Json]) -> Outcome | None:
    """Read `{"status", "result", "usage"}` as an outcome; None where the status is no end."""
    result = cut_result(document.get("result"))
    usage, note = reported(document.get("usage"))
    match document.get("status"):
        case "completed":
            return Completed(result, usage, note)
        case "failed":
            return Failed(Reason.AGENT_FAILED, _why(document), result, usage, note)
        case _:
            return None


def _not_taken(answer: Reply) -> Verdict:
    message, retry_after = _quoted(answer), answer.retry_after()
    match answer.status:
        case status if status in _FULL:
            return TargetDown(message, retry_after, quota=status == 429)
        case status if status in _PERHAPS:
            return Begun(message, again=True, retry_after=retry_after)
        case status if status in _NOT_TAKEN or status >= 500:
            return Transient(message, retry_after)
        case status if 300 <= status < 400:
            return Refused(f"the agent answered {status}; redirects are not followed")
        case _:
            return Refused(message)


def _taken(answer: Reply, mode: ExecutionMode) -> Verdict:
    document = answer.object()
    if answer.status == 200 and (ended := outcome(document)) is not None:
        return Ended(ended)
    if mode is ExecutionMode.RUN_ONLY:
        expected = '200 with {"status": "completed" or "failed", "result"}'
    elif answer.status == 202 and (session := _session_id(document)) is not None:
        return Accepted(session)
    else:
        expected = f"202 with a sessionId of 1 to {LONGEST_SESSION_ID} characters"
    message = f"the agent answered {answer.status} and not {expected}"
    return Begun(f"{message}: it may be at work, and is stopped at its deadline", again=False)


def _session_id(document: Mapping[str, Json]) -> str | None:
    value = document.get("sessionId")
    if isinstance(value, str) and 0 < len(value) <= LONGEST_SESSION_ID and value.isprintable():
        return value
    return None


def _why(document: Mapping[str, Json]) -> str:
    """The agent's own sentence, where it gives one."""
    for name in ("failureReason", "message", "error", "result"):
        if isinstance(text := document.get(name), str) and text.strip():
            return f"the agent reports: {one_line(text, QUOTED)}"
    return "the agent reports that it failed"


def _quoted(answer: Reply) -> str:
    summary = answer.summary()
    return f"the agent answered {answer.status}{f': {summary}' if summary else ''}"
