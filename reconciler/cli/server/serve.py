"""`reconciler serve`: reconcile, tick, dispatch, HTTP and dashboard in one process."""

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.collector import collecting_rarely
from reconciler.core.base.errors import UsageError


def serve(
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="PATH", help="The folder of manifests to follow.", show_default=False
        ),
    ] = None,
    git: Annotated[
        str | None,
        typer.Option("--git", metavar="URL", help="Follow this repository instead of PATH."),
    ] = None,
    ref: Annotated[
        str | None,
        typer.Option("--ref", help="With --git: the branch or tag.", show_default="main"),
    ] = None,
    folder: Annotated[
        str | None,
        typer.Option("--path", metavar="DIR", help="With --git: the folder of manifests in it."),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option("--host", help="The address to listen on.", show_default="127.0.0.1"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", help="The port; 0 takes a free one.", show_default="8484"),
    ] = None,
    no_self_heal: Annotated[
        bool, typer.Option("--no-self-heal", help="Show drift, but do not put it back.")
    ] = False,
    allow_rewrites: Annotated[
        bool, typer.Option("--allow-rewrites", help="Take a revision that does not descend.")
    ] = False,
    print_settings: Annotated[
        bool, typer.Option("--print-settings", help="Show the settings in force, then exit.")
    ] = False,
    database: options.Database = None,
    source: options.Source = None,
    config: options.Config = None,
    allow_command: options.AllowCommand = None,
) -> int:
    """Run everything: reconcile PATH, fire schedules, dispatch runs, serve HTTP and the dashboard.

    PATH is watched and a repository (--git) polled: an edit is applied at once, an edit with
    problems changes nothing. Without either, the sources of the settings are followed, and where
    there are none the database stays as it was last applied. Stop it with Ctrl-C or SIGTERM.
    """
    with collecting_rarely():
        from reconciler import slim  # noqa: F401 - before whatever imports structlog
        from reconciler.cli.server import process  # the whole server; its help needs none of it
        from reconciler.settings import Settings

    settings = Settings.load(
        config,
        database=database,
        source=source,
        git=git,
        git_ref=ref,
        git_path=folder,
        host=host,
        port=port,
        allow_command=allow_command,
        self_heal=False if no_self_heal else None,
        allow_rewrites=True if allow_rewrites else None,
    )
    if print_settings:
        process.show_settings(settings)
        return 0
    if settings.server is not None:
        raise UsageError(
            "serve keeps its state in a database and goes through no other server; unset "
            "RECONCILER_SERVER (setting server)"
        )
    process.run(settings, path)
    return 0
