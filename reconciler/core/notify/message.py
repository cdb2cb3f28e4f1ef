"""What a channel hears: a title and a text for people, an event for programs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.base.invisible import one_line
from reconciler.core.manifest.fields import format_instant
from reconciler.core.manifest.notify import Event
from reconciler.core.notify.entry import REVISION_FAILED, Entry
from reconciler.core.notify.plain import plain_block, plain_line
from reconciler.core.runs.run import Run

TITLE, SENTENCE, RESULT = 200, 500, 2000
"""Characters of a title, of a sentence, and of the result that `completed` carries."""
RESULT_OF_EVENT = 16_000
"""Characters of the result as JSON that an event for programs carries."""

TYPES: Mapping[str, str] = {
    Event.FAILED: "run.failed",
    Event.RECOVERED: "autopilot.recovered",
    Event.COMPLETED: "run.completed",
    Event.SKIPPED: "run.skipped",
    Event.BREAKER: "autopilot.breaker_opened",
    Event.LATE: "trigger.late",
    Event.APPROVAL: "run.approval_needed",
    Event.OVER_BUDGET: "run.over_budget",
    REVISION_FAILED: "revision.failed",
}
"""The type of the event of each kind."""
_HEADINGS: Mapping[str, str] = {
    Event.FAILED: "failed",
    Event.RECOVERED: "has recovered",
    Event.COMPLETED: "completed",
    Event.SKIPPED: "was skipped",
    Event.BREAKER: "has failed too often and is paused",
    Event.LATE: "is late",
    Event.APPROVAL: "waits for an approval",
    Event.OVER_BUDGET: "is over its budget",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `id` is the same for every repeat of it; `event` is JSON."""

    id: str
    title: str
    text: str
    event: Mapping[str, Any] = field(repr=False)

    def body(self) -> bytes:
        """The event as it is signed and sent."""
        return json.dumps(self.event, separators=(",", ":")).encode()


def message_of(entry: Entry, run: Run | None, base_url: str, *, links: bool = False) -> Message:
    """The message of a claimed entry; `run` is the one that it tells of, where it is still there.

    `links`: URLs in the words of others stay links.
    """
    title = _title(entry, run, links=links)
    lines = [*_account(entry, run, links=links), *_footer(entry, run, base_url)]
    return Message(entry.id, title, "\n".join(lines), _event(entry, run, base_url))


def _title(entry: Entry, run: Run | None, *, links: bool) -> str:
    if entry.kind == REVISION_FAILED:
        source = plain_line(str(entry.detail.get("source", "")), TITLE, links=links)
        return f"Source {source}: a revision was not applied"
    heading = _HEADINGS[entry.kind]
    title = plain_line(run.title, TITLE, links=links) if run is not None else ""
    return f"{entry.workspace}/{entry.autopilot} {heading}" + (f": {title}" if title else "")


def _account(entry: Entry, run: Run | None, *, links: bool) -> list[str]:
    """What happened. Words of others stand on quoted lines."""
    detail = entry.detail
    lines: list[str] = []
    if run is not None:
        lines.append(_run_line(run))
        if run.failure_reason:
            lines.append(plain_block(run.failure_reason, SENTENCE, links=links))
        if entry.kind in (Event.COMPLETED, Event.RECOVERED) and run.result is not None:
            lines.append(plain_block(_words(run.result), RESULT, links=links))
    if entry.kind == Event.APPROVAL and detail.get("question"):
        lines.append(plain_block(str(detail["question"]), SENTENCE, links=links))
    if entry.kind == Event.BREAKER:
        lines.append(f"It takes no work for now, after {detail.get('failures')} failures in a row.")
    if entry.kind == Event.LATE:
        lines += _lateness(detail, links=links)
    if entry.kind == REVISION_FAILED:
        revision = plain_line(str(detail.get("revision")), SENTENCE, links=links)
        author = plain_line(str(detail.get("author") or "unknown"), TITLE, links=links)
        lines.append(f"Revision {revision} by {author}: {detail.get('result')}.")
        lines.append(f"Problems: {detail.get('problems')}, the first:")
        lines.append(plain_block(str(detail.get("why")), SENTENCE, links=links))
    return lines


def _run_line(run: Run) -> str:
    ended = "" if run.completed_at is None else f" at {format_instant(run.completed_at)}"
    reason = "" if run.reason is None else f" ({run.reason.value})"
    return f"Run {run.id} by {run.source.value}: {run.status.value}{reason}{ended}."


def _lateness(detail: Mapping[str, Any], *, links: bool) -> list[str]:
    if "stalled" in detail:
        return [
            f"Its trigger {detail.get('trigger')} is stalled and fires no more:",
            plain_block(str(detail["stalled"]), SENTENCE, links=links),
        ]
    started = detail.get("started")
    became = f"{started} started late" if started else "nothing was started for it"
    return [f"Its trigger {detail.get('trigger')} was due at {detail.get('due')}; {became}."]


def _words(result: Any) -> str:
    """A result for people: its text where it is one, else JSON."""
    if isinstance(result, str):
        return result
    if isinstance(result, dict) and isinstance(text := result.get("text"), str):
        return text
    return json.dumps(result, indent=2, ensure_ascii=False)


def _footer(entry: Entry, run: Run | None, base_url: str) -> list[str]:
    lines = []
    if entry.held_back:
        lines.append(f"{entry.held_back} more of this kind came shortly before and were held back.")
    if entry.attempts > 1:
        lines.append(f"This is attempt {entry.attempts}; an earlier one may have arrived.")
    if run is not None:
        lines.append(f"{base_url}/runs/{run.id}")
    return [*lines, f"Notification {entry.id}"]


def _event(entry: Entry, run: Run | None, base_url: str) -> dict[str, Any]:
    """The event for programs: nothing in it is changed or escaped, and it is bounded."""
    told = {
        "kind": entry.kind,
        "workspace": entry.workspace,
        "autopilotId": entry.autopilot_id,
        "autopilot": entry.autopilot,
        "heldBack": entry.held_back,
        **entry.detail,
    }
    if run is not None:
        told["run"] = {
            "id": run.id,
            "url": f"{base_url}/runs/{run.id}",
            "status": run.status.value,
            "reason": run.reason.value if run.reason else None,
            "failureReason": one_line(run.failure_reason, SENTENCE) if run.failure_reason else None,
            "title": run.title,
            "source": run.source.value,
            "triggeredAt": format_instant(run.triggered_at),
            "completedAt": format_instant(run.completed_at) if run.completed_at else None,
            "agent": run.agent,
            **_bounded(run.result),
        }
    return {
        "type": TYPES[entry.kind],
        "timestamp": format_instant(entry.created_at),
        "data": told,
    }


def _bounded(result: Any) -> dict[str, Any]:
    text = json.dumps(result, ensure_ascii=False)
    if len(text) <= RESULT_OF_EVENT:
        return {"result": result, "resultCut": False}
    return {"result": text[:RESULT_OF_EVENT], "resultCut": True}
