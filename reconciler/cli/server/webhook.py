"""`reconciler webhook url`: show the URL that a provider posts to."""

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.backend.open import runs_of
from reconciler.cli.console import out
from reconciler.core.base.errors import UsageError
from reconciler.settings import Settings

app = typer.Typer(rich_markup_mode="rich", add_completion=False, no_args_is_help=True)


@app.callback()
def webhook() -> None:
    """Show webhook URLs."""


@app.command()
def url(
    name: Annotated[
        str, typer.Argument(metavar="NAME/TRIGGER", help="name/trigger or workspace/name/trigger")
    ],
    database: options.Database = None,
    server: options.Server = None,
    token_file: options.TokenFile = None,
    config: options.Config = None,
) -> None:
    """Show the URL of a webhook trigger. Whoever knows it may post; treat it as a secret."""
    settings = Settings.load_for_state(
        config, server=server, database=database, token_file=token_file
    )
    owner, slash, trigger = name.rpartition("/")
    if not slash:
        raise UsageError(f"{name!r} names no trigger; write NAME/TRIGGER")
    with runs_of(settings) as state:
        out(state.webhook_url(owner, trigger))
