"""`reconciler pause` and `resume`: the runtime switch, beside `spec.status` in the manifest."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from reconciler.cli import options
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

Name = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="name or workspace/name", show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="Every autopilot instead of NAME.")]


def pause(
    name: Name = None,
    everything: All = False,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="TEXT", help="Why; shown wherever the pause is."),
    ] = None,
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    config: options.Config = None,
) -> None:
    """Let an autopilot take no work: schedules pass, webhooks are answered and ignored.

    Active runs finish. The manifest is not touched, and no plan shows it: [bold]resume[/bold] ends
    it. Pausing again keeps the first moment and reason.
    """
    settings = Settings.load(config, database=database)
    with opened(settings) as state:
        state.require_current_schema()
        ids = _chosen(state, name, everything=everything)

        def switch(tx: Tx) -> list[Switched]:
            now = state.now(tx)
            for autopilot_id in ids:
                pause_autopilot(tx, autopilot_id, actor(), reason, now)
            return list(read_switches(tx, ids).values())

        _show(state.write(switch), output)


def resume(
    name: Name = None,
    everything: All = False,
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    config: options.Config = None,
) -> None:
    """Let an autopilot take work again: lift the pause, and close the breaker.

    What was due meanwhile is not made up for. An autopilot whose manifest says
    [bold]status: paused[/bold] stays paused.
    """
    settings = Settings.load(config, database=database)
    with opened(settings) as state:
        state.require_current_schema()
        ids = _chosen(state, name, everything=everything)

        def switch(tx: Tx) -> list[Switched]:
            now = state.now(tx)
            for autopilot_id in ids:
                resume_autopilot(tx, autopilot_id, now)
            return list(read_switches(tx, ids).values())

        _show(state.write(switch), output)


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
