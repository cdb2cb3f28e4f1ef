"""`reconciler drift`: what no longer equals what was last applied."""

import sys
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.backend.open import state_of
from reconciler.cli.console import colored, out, out_document
from reconciler.cli.options import ListFormat
from reconciler.cli.rendering.json import render_drift_json
from reconciler.cli.rendering.text import render_drift_text
from reconciler.settings import Settings


def drift(
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 if there is drift.")
    ] = False,
    output: options.ListOutput = ListFormat.TEXT,
    database: options.Database = None,
    server: options.Server = None,
    token_file: options.TokenFile = None,
    source: options.OnlySource = None,
    config: options.Config = None,
) -> int:
    """Show which objects no longer equal what was last applied, each field then and now.

    Somebody changed them in the database. The next [bold]apply[/bold] or reconcile puts them back.
    """
    settings = Settings.load_for_state(
        config, server=server, database=database, token_file=token_file
    )
    with state_of(settings) as state:
        drifted = state.drift(source)
    if output is ListFormat.JSON:
        out_document(render_drift_json(drifted))
    else:
        out(render_drift_text(drifted, color=colored(sys.stdout)))
    return 2 if detailed_exitcode and drifted else 0
