"""An audit as a document: what the command and the API give alike."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from reconciler.core.manifest.fields import format_instant
from reconciler.core.schedule.audit import Audit, Entry, Missing, Place, Unknown


def audit_document(audit: Audit) -> dict[str, Any]:
    """The audit as JSON."""
    return {
        "formatVersion": 1,
        "from": format_instant(audit.period.since),
        "to": format_instant(audit.period.until),
        "complete": audit.complete,
        "summary": summary(audit.entries),
        "missing": [_missing(missing) for missing in audit.missing],
        "unknown": [_unknown(unknown) for unknown in audit.unknown],
        "items": [_entry(entry) for entry in audit.entries],
    }


def summary(entries: Iterable[Entry]) -> dict[str, dict[str, int]]:
    """How many occurrences and deliveries became what: `completed`, `skipped`, `paused`, …"""
    counts: dict[str, Counter[str]] = {"occurrence": Counter(), "delivery": Counter()}
    for entry in entries:
        counts[entry.kind][became(entry)] += 1
    return {f"{kind[:-1]}ies" if kind[-1] == "y" else f"{kind}s": dict(sorted(count.items()))
            for kind, count in counts.items()}  # fmt: skip


def became(entry: Entry) -> str:
    """The status of the run, or the reason of the interval."""
    if entry.run is not None:
        return entry.run.status
    return entry.interval.reason.value if entry.interval is not None else ""


def _place(place: Place | None) -> dict[str, str | None]:
    if place is None:
        return {"workspace": None, "autopilot": None, "trigger": None}
    return {
        "workspace": place.workspace,
        "autopilot": place.autopilot,
        "trigger": place.trigger,
    }


def _missing(missing: Missing) -> dict[str, Any]:
    return {
        "kind": missing.kind,
        **_place(missing.place),
        "at": format_instant(missing.at),
        "why": missing.why,
    }


def _unknown(unknown: Unknown) -> dict[str, Any]:
    return {
        **_place(unknown.place),
        "from": format_instant(unknown.since),
        "to": format_instant(unknown.until),
        "why": unknown.why,
    }


def _entry(entry: Entry) -> dict[str, Any]:
    reason = entry.run.reason if entry.run else None
    return {
        "kind": entry.kind,
        **_place(entry.place),
        "at": format_instant(entry.at),
        "became": became(entry),
        "runId": entry.run.id if entry.run else None,
        "deliveryId": entry.delivery_id,
        "reason": entry.interval.detail if entry.interval else reason,
    }
