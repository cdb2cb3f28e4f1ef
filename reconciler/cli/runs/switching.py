"""What `pause` and `resume` do to the autopilots that they name."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler.cli.console import note_done, out, out_json
from reconciler.cli.lookup import find_autopilot
from reconciler.cli.options import ListFormat
from reconciler.cli.rendering.safe_text import one_line
from reconciler.cli.session import actor, opened
from reconciler.control.runs.switches import pause as pause_autopilot
from reconciler.control.runs.switches import resume as resume_autopilot
from reconciler.core.base.errors import UsageError
from reconciler.core.manifest.fields import format_instant
from reconciler.core.manifest.model import AutopilotStatus, Kind
from reconciler.settings import Settings
from reconciler.store.engine.database import Database, Tx
from reconciler.store.objects.current import list_objects
from reconciler.store.runs.switches import Switched, read_switches


def pause_by_hand(
    name: str | None,
    reason: str | None,
    output: ListFormat,
    *,
    everything: bool,
    database: str | None,
    config: Path | None,
) -> None:
    """Pause one autopilot or all, and show them."""

    def pause(tx: Tx, autopilot_id: str, now: datetime) -> None:
        pause_autopilot(tx, autopilot_id, actor(), reason, now)

    settings = Settings.load(config, database=database)
    _show(_switched(settings, name, pause, everything=everything), output)


def resume_by_hand(
    name: str | None,
    output: ListFormat,
    *,
    everything: bool,
    database: str | None,
    config: Path | None,
) -> None:
    """Resume one autopilot or all, and show them."""
    settings = Settings.load(config, database=database)
    _show(_switched(settings, name, resume_autopilot, everything=everything), output)


def _switched(
    settings: Settings,
    name: str | None,
    switch: Callable[[Tx, str, datetime], None],
    *,
    everything: bool,
) -> list[Switched]:
    with opened(settings) as state:
        state.require_current_schema()
        ids = _chosen(state, name, everything=everything)

        def write(tx: Tx) -> list[Switched]:
            now = state.now(tx)
            for autopilot_id in ids:
                switch(tx, autopilot_id, now)
            return list(read_switches(tx, ids).values())

        return state.write(write)


def _chosen(state: Database, name: str | None, *, everything: bool) -> list[str]:
    if (name is None) != everything:
        raise UsageError("name an autopilot: NAME, or --all")
    if name is None:
        return [row.id for row in state.read(lambda tx: list_objects(tx, Kind.AUTOPILOT))]
    stored = find_autopilot(state, name)
    return [stored.id]


def _show(autopilots: Sequence[Switched], output: ListFormat) -> None:
    note_done("it was done")
    ordered = sorted(autopilots, key=lambda row: (row.workspace, row.name))
    if output is ListFormat.JSON:
        out_json([_document(row) for row in ordered])
        return
    for row in ordered:
        out(one_line(f"{row.workspace}/{row.name}: {_state(row)}"))


def _state(row: Switched) -> str:
    switches = row.switches
    if switches.paused_at is not None:
        since = f"paused since {format_instant(switches.paused_at)} by {switches.paused_by}"
        return f"{since}: {switches.pause_reason}" if switches.pause_reason else since
    if switches.status is not AutopilotStatus.ACTIVE:
        return f"still {switches.status}, as its manifest says"
    return "takes work"


def _document(row: Switched) -> dict[str, Any]:
    at = row.switches.paused_at
    return {
        "id": row.id,
        "workspace": row.workspace,
        "name": row.name,
        "status": row.switches.status.value,
        "pausedAt": format_instant(at) if at else None,
        "pausedBy": row.switches.paused_by,
        "pauseReason": row.switches.pause_reason,
    }
