"""Answers to senders of webhooks; nothing in them helps a guesser (docs/webhooks.md#answers)."""

from reconciler.control.webhooks.accept import Accepted, Declined, Duplicate
from reconciler.control.webhooks.inbound import Answer, RequestRefused, problem
from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.handshake import Challenge, Pong

_SOON = "5"
"""Seconds until a sender should try again."""

UNKNOWN = problem(404, "webhook-unknown", "there is no such webhook")
UNAUTHORIZED = problem(401, "signature-invalid", "the signature is missing, wrong or too old")
MISSING_SECRET = problem(
    503, "secret-unavailable", "the secret is not available", Retry_After=_SOON
)
BUSY = problem(503, "intake-full", "too much is waiting to be written", Retry_After=_SOON)
CHANGED = problem(
    503, "trigger-changed", "the trigger has just changed; send it again", Retry_After="1"
)
OTHER_BODY = problem(
    422, "idempotency-key-reused", "this Idempotency-Key was used with another body"
)
UNREADABLE = problem(
    503, "row-unreadable", "the trigger cannot be read; send it again", Retry_After=_SOON
)
CLOSING = problem(503, "shutting-down", "the server is shutting down", Retry_After=_SOON)
OUTCOME_UNKNOWN = problem(
    503,
    "outcome-unknown",
    "the process that wrote it has ended; send it again, it is recognized if it was written",
    Retry_After="1",
)


def too_many(seconds: int) -> Answer:
    """The refusal of an address that showed bad credentials too often."""
    detail = "too many bad credentials from this address"
    return problem(429, "too-many-attempts", detail, Retry_After=str(seconds))


def greet(greeting: Pong | Challenge) -> Answer:
    """What a ping or a challenge wants to hear."""
    if isinstance(greeting, Challenge):
        return Answer(200, greeting.body)
    return Answer(200, {"status": "pong"})


def answer_to(end: RequestRefused | BodyError) -> Answer:
    """The answer to a request that is not taken."""
    if isinstance(end, RequestRefused):
        return end.answer
    return problem(end.status, end.reason, str(end))


def answer_of(result: Accepted | Duplicate | Declined) -> Answer:
    """The answer to what was recorded (docs/webhooks.md#answers)."""
    match result:
        case Accepted(run_id, delivery_id, skipped):
            body = {
                "status": "skipped" if skipped else "accepted",
                "runId": run_id,
                "deliveryId": delivery_id,
            }
            if skipped:
                body["reason"] = skipped.value
            return Answer(202, body, {"Location": f"/v1/runs/{run_id}"})
        case Duplicate(run_id, delivery_id):
            return Answer(200, {"status": "duplicate", "runId": run_id, "deliveryId": delivery_id})
        case Declined(reason, _):
            return Answer(200, {"status": "ignored", "reason": reason})
