"""Runs as text for people: one in full, or many as a table."""

import json
from collections.abc import Sequence

from reconciler.cli.rendering.safe_text import one_line
from reconciler.cli.rendering.table import table
from reconciler.core.manifest.fields import format_instant
from reconciler.core.runs.run import Run, Status
from reconciler.core.runs.view import duration_ms, run_document

_SHOWN = (
    ("autopilot", "autopilot"),
    ("trigger", "trigger"),
    ("source", "source"),
    ("title", "title"),
    ("scheduled for", "scheduledFor"),
    ("triggered at", "triggeredAt"),
    ("admitted at", "admittedAt"),
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
    ("revision", "revision"),
)
_COLUMNS = ("STATUS", "SOURCE", "TRIGGERED", "TOOK", "AUTOPILOT", "ID")


def run_text(run: Run) -> str:
    """One run: the verdict first, then what is known of it, then payload and result."""
    document = run_document(run)
    lines = [f"run {run.id}: {_verdict(run)}"]
    for label, name in _SHOWN:
        if document[name] is not None:
            lines.append(f"  {label + ':':<15} {one_line(str(document[name]))}")
    for name in ("payload", "result"):
        if document[name] is not None:
            lines += [f"  {name}:", *_block(document[name])]
    return "\n".join(lines)


def run_table(runs: Sequence[Run]) -> str:
    """Many runs, one line each, aligned."""
    if not runs:
        return "no runs"
    return table(_COLUMNS, map(_row, runs))


def _row(run: Run) -> tuple[str, ...]:
    status = run.reason.value if run.reason else run.status.value
    if run.waiting:
        status = f"waiting ({run.waiting_for})"
    name = f"{run.workspace}/{run.autopilot}"
    return status, run.source.value, format_instant(run.triggered_at)[:19], _took(run), name, run.id


def _took(run: Run) -> str:
    milliseconds = duration_ms(run)
    if milliseconds is None:
        return "-"
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _verdict(run: Run) -> str:
    if run.status in (Status.FAILED, Status.SKIPPED):
        return f"{run.status} ({run.reason}): {one_line(run.failure_reason or '')}"
    return run.status.value


def _block(value: object) -> list[str]:
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return [f"    {one_line(line)}" for line in text.splitlines()]
