"""`reconciler pause` and `resume`: the runtime switch, beside `spec.status` in the manifest.

What they do is imported when it is done: their help needs none of it.
"""

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.options import ListFormat

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
    server: options.Server = None,
    token_file: options.TokenFile = None,
    config: options.Config = None,
) -> None:
    """Let an autopilot take no work: schedules pass, webhooks are answered and ignored.

    Active runs finish. The manifest is not touched, and no plan shows it: [bold]resume[/bold] ends
    it. Pausing again keeps the first moment and reason.
    """
    from reconciler.cli.runs.switching import Place, pause_by_hand

    place = Place(config, server, database, token_file)
    pause_by_hand(name, reason, output, everything=everything, place=place)


def resume(
    name: Name = None,
    everything: All = False,
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    server: options.Server = None,
    token_file: options.TokenFile = None,
    config: options.Config = None,
) -> None:
    """Let an autopilot take work again: lift the pause, and close the breaker.

    What was due meanwhile is not made up for. An autopilot whose manifest says
    [bold]status: paused[/bold] stays paused.
    """
    from reconciler.cli.runs.switching import Place, resume_by_hand

    place = Place(config, server, database, token_file)
    resume_by_hand(name, output, everything=everything, place=place)
