"""The `reconciler` command: the table of all commands, and how failures become exit codes.

Exit codes are the contract's (section 4): a usage error is 64, since 2 means "changes present".
"""

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from reconciler import __version__
from reconciler.cli.lazy import Lazy, LazyGroup
from reconciler.core.errors import InvalidManifests, ReconcilerError

MANIFESTS, STATE, RUNS, SERVER = "Manifests", "Plan and apply", "Runs and time", "Server"

COMMANDS = {
    "validate": Lazy("reconciler.cli.validate:validate", "Check manifests, offline.", MANIFESTS),
    "schema": Lazy("reconciler.cli.validate:schema", "Print a JSON Schema.", MANIFESTS),
    "plan": Lazy("reconciler.cli.plan:plan", "Show what apply would change.", STATE),
    "apply": Lazy("reconciler.cli.apply:apply", "Make the database equal the manifests.", STATE),
    "run": Lazy("reconciler.cli.run:run", "Start a run by hand.", RUNS),
    "runs": Lazy("reconciler.cli.runs:runs", "List, show and cancel runs.", RUNS),
    "next": Lazy("reconciler.cli.next:next_", "Show when a schedule fires.", RUNS),
    "webhook": Lazy("reconciler.cli.webhook:app", "Show webhook URLs.", SERVER),
    "serve": Lazy("reconciler.cli.serve:serve", "Reconcile, tick, dispatch, serve.", SERVER),
}


class _Commands(LazyGroup):
    table = COMMANDS


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"reconciler {__version__}")
        raise typer.Exit


@app.callback()
def reconciler(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """GitOps for agent automations.

    Autopilots and their triggers live as YAML manifests in a repository. The reconciler plans and
    applies them, fires them by schedule, webhook or call, and records every run.
    """


def run_cli(arguments: Sequence[str] | None = None) -> int:
    """Run one command; answers its exit code. Everything is written before it returns."""
    try:
        code = app(arguments, prog_name="reconciler", standalone_mode=False)
    except ReconcilerError as error:
        _report(error)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted; nothing more was done", file=sys.stderr)  # noqa: T201
        return 130
    except _BAD_USAGE as error:
        _report_usage(error)
        return 64
    return code if isinstance(code, int) else 0


_BAD_USAGE: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)


def _report_usage(error: Exception) -> None:
    from typer.rich_utils import rich_format_error

    rich_format_error(error)  # type: ignore[arg-type]


def _report(error: ReconcilerError) -> None:
    if isinstance(error, InvalidManifests):
        for problem in error.problems:
            print(problem, file=sys.stderr)  # noqa: T201
    print(f"error: {error}", file=sys.stderr)  # noqa: T201


def main() -> NoReturn:
    """The entry point: the exit code is decided once all output is complete."""
    try:
        code = run_cli()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output has gone (`reconciler runs | head`): not our failure.
        sys.stderr.close()
        code = 0
    sys.exit(code)
