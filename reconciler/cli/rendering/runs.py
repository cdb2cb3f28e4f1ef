"""Runs as text for people: one in full, or many as a table."""

import json
from collections.abc import Sequence
from typing import Any

from reconciler.cli.rendering.table import table
from reconciler.core.base.money import format_dollars, parse_dollars
from reconciler.core.base.safe_text import escaped
from reconciler.core.runs.run import Status

Document = dict[str, Any]
"""A run as `run_document` gives it."""

_SHOWN = (
    ("autopilot", "autopilot"),
    ("trigger", "trigger"),
    ("source", "source"),
    ("title", "title"),
    ("scheduled for", "scheduledFor"),
    ("triggered at", "triggeredAt"),
    ("admitted at", "admittedAt"),
    ("dispatched at", "dispatchedAt"),
    ("session at", "sessionAt"),
    ("started at", "startedAt"),
    ("completed at", "completedAt"),
    ("agent", "agent"),
    ("session", "sessionId"),
    ("attempts", "attempts"),
    ("waiting for", "waitingFor"),
    ("key", "key"),
    ("note", "note"),
    ("blocked by", "blockedBy"),
    ("replaced by", "replacedBy"),
    ("rerun of", "rerunOf"),
    ("revision", "revision"),
)
_COUNTS = (
    ("inputTokens", "input tokens"),
    ("cachedTokens", "of them cached"),
    ("outputTokens", "output tokens"),
    ("turns", "turns"),
)
_COLUMNS = ("STATUS", "SOURCE", "TRIGGERED", "TOOK", "COST", "AUTOPILOT", "ID")


def run_text(run: Document) -> str:
    """One run: the verdict first, then what is known of it, then payload and result."""
    lines = [f"run {run['id']}: {_verdict(run)}"]
    for label, name in _SHOWN:
        if run.get(name) is not None:  # a server of an older version has fewer names
            lines.append(f"  {label + ':':<15} {escaped(str(run[name]))}")
    if usage := _used(run):
        lines.append(f"  {'usage:':<15} {usage}")
    for name in ("payload", "result"):
        if run[name] is not None:
            lines += [f"  {name}:", *_block(run[name])]
    return "\n".join(lines)


def run_table(runs: Sequence[Document]) -> str:
    """Many runs, one line each, aligned."""
    if not runs:
        return "no runs"
    return table(_COLUMNS, map(_row, runs))


def _row(run: Document) -> tuple[str, ...]:
    status = run["reason"] or run["status"]
    if waits_for := run["waitingFor"]:
        is_waiting = run["status"] == Status.PENDING and run["admittedAt"] is None
        status = f"{'waiting' if is_waiting else status} ({waits_for})"
    name = f"{run['workspace']}/{run['autopilot']}"
    triggered, took, cost = run["triggeredAt"][:19], _took(run), _cost(run) or "-"
    return status, run["source"], triggered, took, cost, name, run["id"]


def _took(run: Document) -> str:
    milliseconds = run["durationMs"]
    if milliseconds is None:
        return "-"
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _cost(run: Document) -> str:
    """Its cost; nothing where that is not known, as by a server of an older version."""
    cost = (run.get("usage") or {}).get("costUsd")
    return "" if cost is None else format_dollars(parse_dollars(cost))


def _used(run: Document) -> str:
    usage = run.get("usage") or {}
    counts = (f"{words} {usage[name]:,}" for name, words in _COUNTS if usage.get(name) is not None)
    model = escaped(usage.get("model") or "")
    return ", ".join(filter(None, (_cost(run), *counts, model)))


def _verdict(run: Document) -> str:
    if run["status"] in (Status.FAILED, Status.SKIPPED):
        return f"{run['status']} ({run['reason']}): {escaped(run['failureReason'] or '')}"
    return str(run["status"])


def _block(value: object) -> list[str]:
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return [f"    {escaped(line)}" for line in text.splitlines()]
