"""A run as JSON: the same in the API, on a program's stdin and in a signed request."""

from typing import Any

from reconciler.core.manifest.fields import format_instant
from reconciler.core.runs.run import Run
from reconciler.core.runs.usage import whole_document

_TIMES = {
    "scheduledFor": "scheduled_for",
    "triggeredAt": "triggered_at",
    "admittedAt": "admitted_at",
    "dispatchedAt": "dispatched_at",
    "sessionAt": "session_at",
    "startedAt": "started_at",
    "completedAt": "completed_at",
}


def run_document(run: Run) -> dict[str, Any]:
    """The run as JSON values; every name is there, null where there is no value."""
    times = {name: _instant(getattr(run, field)) for name, field in _TIMES.items()}
    return {
        "id": run.id,
        "autopilotId": run.autopilot_id,
        "workspace": run.workspace,
        "autopilot": run.autopilot,
        "triggerId": run.trigger_id,
        "trigger": run.trigger,
        "source": run.source.value,
        "status": run.status.value,
        "reason": run.reason.value if run.reason else None,
        "failureReason": run.failure_reason,
        "note": run.note,
        "waitingFor": run.waiting_for.value if run.waiting_for else None,
        "title": run.title,
        **times,
        "durationMs": duration_ms(run),
        "attempts": run.attempts,
        "sessionId": run.session_id,
        "agent": run.agent,
        "payload": run.payload,
        "result": run.result,
        "usage": whole_document(run.usage),
        "revision": run.revision,
        "commit": run.commit,
        "blockedBy": run.blocked_by,
        "replacedBy": run.replaced_by,
        "rerunOf": run.rerun_of,
        "key": run.key or None,
    }


def duration_ms(run: Run) -> int | None:
    """From the start of the work to its end, in milliseconds; None where either is missing."""
    if run.started_at is None or run.completed_at is None:
        return None
    return round((run.completed_at - run.started_at).total_seconds() * 1000)


def _instant(value: Any) -> str | None:
    return format_instant(value) if value is not None else None
