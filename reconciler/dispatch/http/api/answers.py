"""What the answers of an API that is not ours say of the work (docs/runtimes.md#other-apis).

Such an API promises nothing about a request that comes twice, so all that counts is whether the
first one may have begun something.
"""

from dataclasses import dataclass

from reconciler.core.base.invisible import one_line
from reconciler.core.runs.run import Completed, Failed, Json, Outcome, Reason
from reconciler.core.runs.usage import reported
from reconciler.dispatch.base import TargetDown
from reconciler.dispatch.wire import (
    QUOTED,
    Exchange,
    Oversized,
    Reply,
    Unanswered,
    Unreached,
    Unsendable,
)

_NOT_TAKEN = frozenset({408, 425, 429, 503})
_GATEWAY = frozenset({502, 504})


@dataclass(frozen=True, slots=True)
class Taken:
    """The API has taken the work; `answer` is what it said, JSON or else text."""

    answer: Json


@dataclass(frozen=True, slots=True)
class Refused:
    """The API took nothing of the request."""

    message: str


@dataclass(frozen=True, slots=True)
class Errored:
    """The API said that something broke, itself: work may have begun, or have failed."""

    message: str
    answer: Json


@dataclass(frozen=True, slots=True)
class Lost:
    """Nobody answered for the API: work may be under way."""

    message: str


Creation = Taken | Refused | Errored | Lost | TargetDown


def on_creation(answer: Exchange) -> Creation:
    """Return what the answer to the request that begins the work says."""
    match answer:
        case Reply(status) if 200 <= status < 300:
            return Taken(content(answer))
        case Reply(status) if status in _NOT_TAKEN:
            return TargetDown(quoted(answer), answer.retry_after(), quota=status == 429)
        case Reply(status) if status in _GATEWAY:
            return Lost(quoted(answer))
        case Reply(status) if status >= 500:
            return Errored(quoted(answer), content(answer))
        case Reply(status) if 300 <= status < 400:
            return Refused(f"the API answered {status}; redirects are not followed")
        case Reply():
            return Refused(quoted(answer))
        case Unreached(message):
            return TargetDown(message)
        case Unsendable(message):
            return Refused(message)
        case Unanswered(message) | Oversized(message):
            return Lost(message)


def outcome_of(verdict: Creation) -> Outcome | None:
    """Return the end of a run whose answer is the end; None where it says nothing of the work."""
    match verdict:
        case Taken(answer):
            fields = answer if isinstance(answer, dict) else {}
            return Completed(answer, *reported(fields.get("usage")))
        case Errored(message, answer):
            return Failed(Reason.AGENT_FAILED, message, answer)
        case Refused(message):
            return Failed(Reason.DISPATCH_FAILED, message)
        case TargetDown(message):
            return Failed(Reason.TARGET_UNAVAILABLE, message)
        case Lost():
            return None


def content(answer: Reply) -> Json:
    """The body: JSON, or else text; null where it is empty."""
    if not answer.body.strip():
        return None
    document = answer.json()
    is_null = answer.body.strip() == b"null"
    return answer.body.decode("utf-8", "replace") if document is None and not is_null else document


def quoted(answer: Reply) -> str:
    """The sentence that repeats what an API said."""
    summary = answer.summary()
    return f"the API answered {answer.status}{f': {summary}' if summary else ''}"


def why_failed(answer: Json) -> str:
    """The API's own sentence about work that failed, where it has one."""
    fields = answer if isinstance(answer, dict) else {}
    if isinstance(error := fields.get("error"), dict):  # {"error": {"message": …}}, as many have it
        fields = {**fields, "error": error.get("message")}
    names = ("failureReason", "message", "error", "detail", "summary", "status")
    text = next((fields[name] for name in names if isinstance(fields.get(name), str)), "")
    sentence = one_line(text, QUOTED)
    return f"the API reports: {sentence}" if sentence else "the API reports that it failed"
