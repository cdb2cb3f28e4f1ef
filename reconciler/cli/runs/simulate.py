"""`reconciler simulate`: what these manifests would have done over a time that was."""

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.backend.open import state_of
from reconciler.cli.backend.state import PlanRequest
from reconciler.cli.console import out, out_document, out_json, say
from reconciler.cli.moments import moment_of
from reconciler.cli.options import PlanFormat
from reconciler.cli.rendering.simulation import simulation_markdown, simulation_text
from reconciler.cli.session import seen_from_here
from reconciler.core.base.errors import InvalidManifests, UsageError
from reconciler.settings import Settings


def simulate(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="The folder of the manifests; - reads a stream.")
    ],
    since: Annotated[str, typer.Option("--from", metavar="ISO", help="The first moment.")],
    until: Annotated[str, typer.Option("--to", metavar="ISO", help="Not included.")],
    output: options.PlanOutput = PlanFormat.TEXT,
    database: options.Database = None,
    server: options.Server = None,
    token_file: options.TokenFile = None,
    source: options.Source = None,
    config: options.Config = None,
    allow_command: options.AllowCommand = None,
) -> None:
    """Show what manifests would have done over a time, beside what happened; writes nothing.

    Schedules are worked out by the engine that fires them, stored deliveries are asked again
    whether they are wanted, policies and limits decide about each run.
    """
    settings = Settings.load_for_state(
        config,
        database=database,
        server=server,
        token_file=token_file,
        source=source,
        allow_command=allow_command,
    )
    first, end = moment_of("--from", since), moment_of("--to", until)
    if first >= end:
        raise UsageError("--from must lie before --to")
    request = PlanRequest(path=path, named_source=source is not None)
    with state_of(settings) as state:
        try:
            simulated = state.simulate(request, first, end)
        except InvalidManifests as error:
            raise seen_from_here(error, path) from None
    if simulated.note is not None:
        say(simulated.note)
    simulation = simulated.document
    match output:
        case PlanFormat.TEXT:
            out(simulation_text(simulation))
        case PlanFormat.JSON:
            out_json(simulation)
        case PlanFormat.MARKDOWN:
            out_document(simulation_markdown(simulation))
