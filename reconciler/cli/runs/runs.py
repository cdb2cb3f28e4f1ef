"""`reconciler runs`: history, one run, and cancelling."""

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.console import note_done, out, out_json
from reconciler.cli.lookup import find_autopilot
from reconciler.cli.options import ListFormat
from reconciler.cli.rendering.runs import run_table, run_text
from reconciler.cli.session import actor, opened
from reconciler.control.runs.cancel import cancel
from reconciler.core.base.errors import NotFound, UsageError
from reconciler.core.runs.run import Reason, Run, Source, Status
from reconciler.core.runs.view import run_document
from reconciler.settings import Settings
from reconciler.store.engine.database import Database
from reconciler.store.runs.lists import RunFilter, list_runs
from reconciler.store.runs.runs import get_run


def runs(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME | show ID | cancel ID", show_default=False),
    ] = None,
    status: Annotated[Status | None, typer.Option(help="Only runs of this status.")] = None,
    source: Annotated[Source | None, typer.Option(help="Only runs started by this.")] = None,
    reason: Annotated[Reason | None, typer.Option(help="Only runs with this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 20,
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    config: options.Config = None,
) -> None:
    """List runs, newest first; show one; or cancel one.

    [bold]runs[/bold] lists all, [bold]runs NAME[/bold] those of an autopilot.
    [bold]runs show ID[/bold] says everything that is known of a run.
    [bold]runs cancel ID[/bold] ends a run: a waiting one at once, an active one on proof.
    """
    settings = Settings.load(config, database=database)
    with opened(settings) as state:
        state.require_current_schema()
        match words or []:
            case ["show", run_id]:
                _show(_get(state, run_id), output)
            case ["cancel", run_id]:
                cancelled = _cancel(state, run_id, settings)
                note_done(f"run {run_id} was cancelled, or asked to stop")
                _show(cancelled, output)
            case []:
                _list(state, RunFilter(status=status, source=source, reason=reason), limit, output)
            case [name]:
                owner = _autopilot(state, name)
                where = RunFilter(autopilot_id=owner, status=status, source=source, reason=reason)
                _list(state, where, limit, output)
            case _:
                raise UsageError("write: runs, runs NAME, runs show ID or runs cancel ID")


def _autopilot(state: Database, name: str) -> str:
    stored = find_autopilot(state, name)
    return stored.id


def _get(state: Database, run_id: str) -> Run:
    run = state.read(lambda tx: get_run(tx, run_id))
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    return run


def _cancel(state: Database, run_id: str, settings: Settings) -> Run:
    who, cooldown = actor(), settings.breaker_cooldown
    return state.write(lambda tx: cancel(tx, run_id, who, state.now(tx), cooldown))


def _list(state: Database, where: RunFilter, limit: int, output: ListFormat) -> None:
    listed = state.read(lambda tx: list_runs(tx, where, limit=limit))
    if output is ListFormat.JSON:
        out_json([run_document(run) for run in listed])
    else:
        out(run_table(listed))


def _show(run: Run, output: ListFormat) -> None:
    if output is ListFormat.JSON:
        out_json(run_document(run))
    else:
        out(run_text(run))
