"""`reconciler plan`: show what apply would change; never writes."""

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.console import say
from reconciler.cli.options import PlanFormat
from reconciler.cli.saved_plan import save_plan
from reconciler.cli.session import load_path, opened, seen_from_here
from reconciler.cli.showing import show, warn
from reconciler.core.base.errors import InvalidManifests
from reconciler.core.plan.guards import Confirmations, objections
from reconciler.core.plan.report import report_of, report_of_problems
from reconciler.settings import Settings
from reconciler.store.engine.database import Schema


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
    source: options.Source = None,
    config: options.Config = None,
    allow_command: options.AllowCommand = None,
) -> int:
    """Show what [bold]apply[/bold] would change, object by object and field by field.

    Reads the manifests at PATH, all of them one source, and the database; writes neither. Without
    a database everything is new. What apply would refuse is shown, and said on stderr. Exit codes:
    0, with --detailed-exitcode 2 if there are changes, 3 if manifests are invalid.
    """
    settings = Settings.load(config, database=database, source=source, allow_command=allow_command)
    with opened(settings) as state:
        missing, where = state.schema() is Schema.MISSING, state.shown
        try:
            loaded = load_path(state, path, settings, named_source=source is not None)
        except InvalidManifests as error:
            if output is PlanFormat.TEXT:
                raise seen_from_here(error, path) from None
            revision = error.revision.id if error.revision else ""
            show(
                report_of_problems(revision, error.problems, error.warnings),
                output,
                settings.source,
            )
            return error.exit_code
    made = loaded.plan(self_heal=settings.self_heal)
    reasons = objections(made, Confirmations(allow_rewrites=settings.allow_rewrites))
    show(report_of(made, warnings=loaded.desired.warnings), output, settings.source, reasons)
    if missing:
        say(f"everything is new, because there is no database at {where} yet")
    warn(reasons)
    if save is not None:
        from reconciler.core.plan.planfile import write_plan

        save_plan(save, write_plan(made, loaded.desired, self_heal=settings.self_heal))
        say(f"saved to {save}; carry it out with: reconciler apply {save}")
    return 2 if detailed_exitcode and not made.is_empty else 0
