"""`reconciler plan`: show what apply would change; never writes."""

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.backend.open import state_of
from reconciler.cli.backend.state import PlanRequest
from reconciler.cli.console import say
from reconciler.cli.options import PlanFormat
from reconciler.cli.saved_plan import save_plan
from reconciler.cli.session import seen_from_here
from reconciler.cli.showing import show, warn
from reconciler.core.base.errors import InvalidManifests
from reconciler.core.plan.report import report_of_problems
from reconciler.settings import Settings


def plan(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="The folder of the manifests; - reads a stream.")
    ],
    save: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Save the plan for `reconciler apply FILE`."),
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 if there are changes.")
    ] = False,
    output: options.PlanOutput = PlanFormat.TEXT,
    database: options.Database = None,
    server: options.Server = None,
    token_file: options.TokenFile = None,
    source: options.Source = None,
    config: options.Config = None,
    allow_command: options.AllowCommand = None,
) -> int:
    """Show what [bold]apply[/bold] would change, object by object and field by field.

    Reads the manifests at PATH, all of them one source, and the database; writes neither. Without
    a database everything is new. What apply would refuse is shown, and said on stderr. Exit codes:
    0, with --detailed-exitcode 2 if there are changes, 3 if manifests are invalid.
    """
    settings = Settings.load_for_state(
        config,
        server=server,
        database=database,
        token_file=token_file,
        source=source,
        allow_command=allow_command,
    )
    request = PlanRequest(
        path=path,
        named_source=source is not None,
        allow_rewrites=settings.allow_rewrites,
        save=save is not None,
    )
    try:
        with state_of(settings) as state:
            made = state.plan(request)
    except InvalidManifests as error:
        if output is PlanFormat.TEXT:
            raise seen_from_here(error, path) from None
        revision = error.revision.id if error.revision else ""
        report = report_of_problems(revision, error.problems, error.warnings)
        show(report, output, settings.source)
        return error.exit_code
    show(made.report, output, made.source_id, made.objections)
    if made.note:
        say(made.note)
    warn(made.objections)
    if save is not None:
        save_plan(save, made.saved or "")
        say(f"saved to {save}; carry it out with: reconciler apply {save}")
    return 2 if detailed_exitcode and not made.is_empty else 0
