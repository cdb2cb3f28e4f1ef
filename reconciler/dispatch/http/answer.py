"""What an agent's answer to a posted run means (decision 0037).

Nothing reached, 429 and 503: the agent is down or full, the run waits. No whole answer, 408, 409,
425 and other 5xx: transient, and a repeat is harmless under the same idempotency key. Anything
else that is not in the protocol will not get better by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.core.base.invisible import one_line
from reconciler.core.runs.run import Completed, Failed, Json, Outcome, Reason
from reconciler.dispatch.base import Ended, TargetDown, Transient, cut_result
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
_PASSING = frozenset({408, 409, 425})
"""409 is what the draft on idempotency keys answers while the first request is still at work."""
LONGEST_SESSION_ID = 200


@dataclass(frozen=True, slots=True)
class Accepted:
    """202: the agent has the run, and reports to the callback URL."""

    session_id: str


Verdict = Ended | Transient | TargetDown


def of_session(answer: Exchange) -> Accepted | Verdict:
    """What follows from the answer to a `POST` in mode `create_session`."""
    if isinstance(answer, Reply) and answer.status == 202:
        return _accepted(answer.object())
    return _judged(answer)


def of_run(answer: Exchange) -> Verdict:
    """What follows from the answer to a `POST` in mode `run_only`."""
    if isinstance(answer, Reply) and answer.status == 202:
        return _refused("answered 202; in mode run_only 200 with status and result ends a run")
    return _judged(answer)


def _judged(answer: Exchange) -> Verdict:
    match answer:
        case Reply(200):
            return _ended(answer.object())
        case Reply(status) if status in _FULL:
            return TargetDown(_quoted(answer), answer.retry_after(), quota=status == 429)
        case Reply(status) if status in _PASSING or status >= 500:
            return Transient(_quoted(answer), answer.retry_after())
        case Reply(status) if 300 <= status < 400:
            return _refused(f"answered {status}; redirects are not followed, name the new URL")
        case Reply():
            return Ended(Failed(Reason.DISPATCH_FAILED, _quoted(answer)))
        case Unreached(message):
            return TargetDown(message)
        case Unanswered(message):
            return Transient(message)
        case Oversized(message) | Unsendable(message):
            return Ended(Failed(Reason.DISPATCH_FAILED, message))


def outcome(document: Mapping[str, Json]) -> Outcome | None:
    """`{"status", "result"}` as an outcome; None where the status is neither of the two."""
    result = cut_result(document.get("result"))
    match document.get("status"):
        case "completed":
            return Completed(result)
        case "failed":
            return Failed(Reason.AGENT_FAILED, _why(document), result)
        case _:
            return None


def _ended(document: Mapping[str, Json]) -> Ended:
    found = outcome(document)
    if found is not None:
        return Ended(found)
    return _refused('answered 200 without {"status": "completed" or "failed", "result"}')


def _accepted(document: Mapping[str, Json]) -> Accepted | Ended:
    given = document.get("sessionId")
    if isinstance(given, str) and 0 < len(given) <= LONGEST_SESSION_ID and given.isprintable():
        return Accepted(given)
    return _refused(f"answered 202 without a sessionId of 1 to {LONGEST_SESSION_ID} characters")


def _why(document: Mapping[str, Json]) -> str:
    """The agent's own sentence, where it gives one."""
    for name in ("failureReason", "message", "error", "result"):
        if isinstance(said := document.get(name), str) and said.strip():
            return f"the agent reports: {one_line(said, QUOTED)}"
    return "the agent reports that it failed"


def _refused(what: str) -> Ended:
    return Ended(Failed(Reason.DISPATCH_FAILED, f"the agent {what}"))


def _quoted(answer: Reply) -> str:
    summary = answer.summary()
    return f"the agent answered {answer.status}{f': {summary}' if summary else ''}"
