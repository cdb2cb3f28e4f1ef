"""`reconciler simulate`: what these manifests would have done over a time that was."""

from contextlib import closing
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.console import out, out_document, out_json, say
from reconciler.cli.moments import moment_of
from reconciler.cli.options import PlanFormat
from reconciler.cli.progress import progress
from reconciler.cli.rendering.simulation import simulation_markdown, simulation_text
from reconciler.cli.session import load_path, opened, seen_from_here
from reconciler.control.evaluation.evaluator import Evaluator
from reconciler.control.runs.simulating import Past, simulate_manifests
from reconciler.core.base.errors import InvalidManifests, UsageError
from reconciler.core.schedule.audit import Period
from reconciler.core.schedule.simulation_report import simulation_document
from reconciler.settings import Settings
from reconciler.store.engine.database import Schema


def simulate(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="The folder of the manifests; - reads a stream.")
    ],
    since: Annotated[str, typer.Option("--from", metavar="ISO", help="The first moment.")],
    until: Annotated[str, typer.Option("--to", metavar="ISO", help="Not included.")],
    output: options.PlanOutput = PlanFormat.TEXT,
    database: options.Database = None,
    source: options.Source = None,
    config: options.Config = None,
    allow_command: options.AllowCommand = None,
) -> None:
    """Show what manifests would have done over a time, beside what happened; writes nothing.

    Schedules are worked out by the engine that fires them, stored deliveries are asked again
    whether they are wanted, policies and limits decide about each run.
    """
    settings = Settings.load(config, database=database, source=source, allow_command=allow_command)
    period = Period(moment_of("--from", since), moment_of("--to", until))
    if period.since >= period.until:
        raise UsageError("--from must lie before --to")
    with opened(settings) as state:
        there = state.schema() is not Schema.MISSING
        try:
            loaded = load_path(state, path, settings, named_source=source is not None)
        except InvalidManifests as error:
            raise seen_from_here(error, path) from None
        if not there:
            say(f"there is no history: there is no database at {state.shown} yet")
        with closing(Evaluator()) as evaluator, progress("simulating"):
            simulation = simulate_manifests(
                Past(state if there else None, evaluator),
                loaded.desired.objects,
                loaded.seen.current.objects,
                settings.source,
                period,
            )
    match output:
        case PlanFormat.TEXT:
            out(simulation_text(simulation))
        case PlanFormat.JSON:
            out_json(simulation_document(simulation))
        case PlanFormat.MARKDOWN:
            out_document(simulation_markdown(simulation))
