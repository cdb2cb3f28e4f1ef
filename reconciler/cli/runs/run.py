"""`reconciler run`: start a run by hand. A command records it; a live server dispatches it."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from reconciler.cli import options
from reconciler.cli.backend.open import runs_of
from reconciler.cli.backend.run_state import Document, RunRequest, RunState
from reconciler.cli.console import note_done, out, out_json, say
from reconciler.cli.options import ListFormat
from reconciler.cli.rendering.runs import run_text
from reconciler.core.base.errors import Unavailable, UsageError
from reconciler.core.runs.run import ENDED, Reason, Status
from reconciler.settings import Settings


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name or workspace/name")],
    trigger: Annotated[
        str | None, typer.Option("--trigger", help="As if this trigger had fired.")
    ] = None,
    payload: Annotated[
        str | None,
        typer.Option("--payload", metavar="JSON|@FILE", help="What the agent gets with it."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Pass policy, limits, pause and breaker.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end of the run.")] = False,
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    server: options.Server = None,
    token_file: options.TokenFile = None,
    config: options.Config = None,
) -> int:
    """Start a run by hand; it obeys the autopilot's policy like any other.

    The run is recorded at once. A running server gives it to its agent: without one it waits, and
    a message says so. Exit code 1 if the run was refused, or with --wait if it failed or no server
    runs; that there is nothing to do is fine.
    """
    settings = Settings.load_for_state(
        config, server=server, database=database, token_file=token_file
    )
    request = RunRequest(name=name, trigger=trigger, payload=_payload(payload), force=force)
    with runs_of(settings) as state:
        made = state.launch(request)
        note_done(f"run {made['id']} was recorded")
        if made["status"] not in ENDED:
            made = _wait(state, made) if wait else _recorded(state, made)
    _show(made, output)
    refused = made["status"] in (Status.SKIPPED, Status.FAILED)
    return 1 if refused and made["reason"] != Reason.NOTHING_TO_DO else 0


def _payload(text: str | None) -> Any:
    if text is None:
        return None
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text("utf-8")
        return json.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--payload cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--payload is not JSON: {error}") from None


def _recorded(state: RunState, made: Document) -> Document:
    """Leave the run to the servers; say so where there is none."""
    if not state.is_served():
        say(_undispatched(made))
    return made


def _wait(state: RunState, made: Document) -> Document:
    """Follow the run until it ends. Raises Unavailable where no server is there to carry it out."""
    say(f"run {made['id']} is recorded; waiting for its end")
    while True:
        current = state.get_run(made["id"])
        if current["status"] in ENDED:
            return current
        if not state.is_served():
            raise Unavailable(_undispatched(made))
        time.sleep(0.3)


def _undispatched(made: Document) -> str:
    return (
        f"run {made['id']} is recorded and waits: no server is running to carry it out; start one "
        "with: reconciler serve"
    )


def _show(made: Document, output: ListFormat) -> None:
    if output is ListFormat.JSON:
        out_json(made)
    else:
        out(run_text(made))
