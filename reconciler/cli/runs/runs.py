"""`reconciler runs`: history, one run, cancelling, and answering its agent."""

import sys
from dataclasses import replace
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.backend.open import runs_of
from reconciler.cli.backend.run_state import Document, RunQuery, RunState
from reconciler.cli.console import note_done, out, out_json, say
from reconciler.cli.options import ListFormat
from reconciler.cli.rendering.runs import run_table, run_text
from reconciler.cli.runs.answering import answer
from reconciler.cli.runs.following import written
from reconciler.core.base.errors import UsageError
from reconciler.core.runs.approval import Decision
from reconciler.core.runs.run import Reason, Source, Status
from reconciler.settings import Settings


def runs(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME | show|rerun|cancel|approve|reject ID",
            show_default=False,
        ),
    ] = None,
    status: Annotated[Status | None, typer.Option(help="Only runs of this status.")] = None,
    source: Annotated[Source | None, typer.Option(help="Only runs started by this.")] = None,
    reason: Annotated[Reason | None, typer.Option(help="Only runs with this reason.")] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="With show: what the agent writes, until the end."),
    ] = False,
    yes: options.Yes = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 20,
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    server: options.Server = None,
    token_file: options.TokenFile = None,
    config: options.Config = None,
) -> int:
    """List runs, newest first; show one; run one again; cancel one; or answer its agent.

    [bold]runs[/bold] lists all, [bold]runs NAME[/bold] those of an autopilot.
    [bold]runs show ID[/bold] says everything that is known of a run.
    With --follow it first writes what its agent writes, until it ends; exit code 1 if it failed.
    [bold]runs rerun ID[/bold] starts one with the same trigger and payload.
    [bold]runs cancel ID[/bold] ends a run: a waiting one at once, an active one on proof.
    [bold]runs approve ID[/bold] and [bold]runs reject ID[/bold] show what its agent
    asks, and answer that question once you agreed, or with --yes.
    """
    settings = Settings.load_for_state(
        config, server=server, database=database, token_file=token_file
    )
    where = RunQuery(status=status, source=source, reason=reason, limit=limit)
    with runs_of(settings) as state:
        match words or []:
            case ["show", run_id] if follow:
                return _follow(state, run_id, output)
            case ["show", run_id]:
                _show(state.get_run(run_id), output)
            case _ if follow:
                raise UsageError("--follow is for one run: runs show ID --follow")
            case ["rerun", run_id]:
                made = state.rerun_run(run_id)
                note_done(f"run {made['id']} was recorded")
                _show(made, output)
                return 0 if made["status"] != Status.SKIPPED else 1
            case ["cancel", run_id]:
                cancelled = state.cancel_run(run_id)
                note_done(f"run {run_id} was cancelled, or asked to stop")
                _show(cancelled, output)
            case ["approve" | "reject" as verb, run_id]:
                decision = Decision.APPROVED if verb == "approve" else Decision.REJECTED
                decided = answer(state, run_id, decision, yes=yes)
                if decided is not None:
                    _show(decided, output)
            case []:
                _list(state.list_runs(where), output)
            case [name]:
                _list(state.list_runs(replace(where, name=name)), output)
            case _:
                raise UsageError(
                    "write: runs, runs NAME, or runs with one of show, rerun, cancel, approve and "
                    "reject before an ID"
                )
    return 0


def _follow(state: RunState, run_id: str, output: ListFormat) -> int:
    """Write what the agent writes, until its run ends; then the run itself."""
    write = say if output is ListFormat.JSON else out
    for text in written(state, run_id, write_note=say):
        write(text)
        sys.stdout.flush()  # whoever reads a pipe reads it as it comes
    ended = state.get_run(run_id)
    _show(ended, output)
    return 0 if ended["status"] == Status.COMPLETED else 1


def _list(listed: list[Document], output: ListFormat) -> None:
    if output is ListFormat.JSON:
        out_json(listed)
    else:
        out(run_table(listed))


def _show(run: Document, output: ListFormat) -> None:
    if output is ListFormat.JSON:
        out_json(run)
    else:
        out(run_text(run))
