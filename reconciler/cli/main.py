"""The `reconciler` command: the table of all commands, and how failures become exit codes.

Exit codes are listed in docs/cli.md#exit-codes: a usage error is 64,
since 2 means "changes present".
"""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from reconciler import __version__
from reconciler.cli import console
from reconciler.cli.lazy import Lazy, LazyGroup
from reconciler.cli.streams import ReaderGone, Unwritable, take_streams
from reconciler.core.base.errors import InvalidManifests, ReconcilerError, Refused, Unavailable
from reconciler.core.base.safe_text import escaped

MANIFESTS, STATE, RUNS, SERVER = "Manifests", "Plan and apply", "Runs and time", "Server"

COMMANDS = {
    "init": Lazy(
        "reconciler.cli.manifests.init:init", "Start a repository of manifests.", MANIFESTS
    ),
    "validate": Lazy(
        "reconciler.cli.manifests.validate:validate", "Check manifests, offline.", MANIFESTS
    ),
    "schema": Lazy("reconciler.cli.manifests.schema:schema", "Print a JSON Schema.", MANIFESTS),
    "diff": Lazy(
        "reconciler.cli.manifests.diff:diff", "Compare two revisions by meaning.", MANIFESTS
    ),
    "plan": Lazy("reconciler.cli.state.plan:plan", "Show what apply would change.", STATE),
    "apply": Lazy(
        "reconciler.cli.state.apply:apply", "Make the database equal the manifests.", STATE
    ),
    "drift": Lazy("reconciler.cli.state.drift:drift", "Show what was changed by hand.", STATE),
    "export": Lazy(
        "reconciler.cli.state.export:export", "Write manifests of what is there.", STATE
    ),
    "history": Lazy("reconciler.cli.state.history:history", "List the revisions tried.", STATE),
    "adopt": Lazy("reconciler.cli.state.adopt:adopt", "Take over what no source owns.", STATE),
    "run": Lazy("reconciler.cli.runs.run:run", "Start a run by hand.", RUNS),
    "runs": Lazy("reconciler.cli.runs.runs:runs", "List, show, repeat and cancel runs.", RUNS),
    "pause": Lazy("reconciler.cli.runs.switches:pause", "Let an autopilot take no work.", RUNS),
    "resume": Lazy("reconciler.cli.runs.switches:resume", "Let it take work again.", RUNS),
    "next": Lazy("reconciler.cli.runs.next:next_", "Show when a schedule fires.", RUNS),
    "why": Lazy("reconciler.cli.runs.why:why", "Say why it ran, or did not.", RUNS),
    "audit": Lazy("reconciler.cli.runs.audit:audit", "Prove that nothing was left out.", RUNS),
    "simulate": Lazy(
        "reconciler.cli.runs.simulate:simulate", "Show what manifests would have done.", RUNS
    ),
    "webhook": Lazy("reconciler.cli.server.webhook:app", "Show webhook URLs.", SERVER),
    "serve": Lazy("reconciler.cli.server.serve:serve", "Reconcile, tick, dispatch, serve.", SERVER),
    "doctor": Lazy(
        "reconciler.cli.server.doctor:doctor", "Say what is wrong, and how to fix it.", SERVER
    ),
    "notify": Lazy("reconciler.cli.server.notify:app", "Try channels.", SERVER),
    "token": Lazy("reconciler.cli.server.token:app", "Make API tokens.", SERVER),
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
    """Run one command and return its exit code. Everything is written before it returns."""
    try:
        code = app(arguments, prog_name="reconciler", standalone_mode=False)
    except ReconcilerError as error:
        _report(error)
        return error.exit_code
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        _report(Unavailable(f"{what}{error.strerror or error}"))
        return 1
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
    """Say on stderr what went wrong, and each reason in a line of its own."""
    match error:
        case InvalidManifests(problems=problems):
            lines = [*map(str, problems), f"error: {error}"]
        case Refused(objections=objections):
            lines = ["refused:"]
            lines += [f"  {item.message} [{item.code}]" for item in objections]
        case Unwritable():
            lines = [f"error: {error}{console.done()}"]
        case _:
            lines = f"error: {error}".split("\n")
    sys.stderr.write("".join(f"{escaped(line)}\n" for line in lines))


COLLECTED_AFTER = (100_000, 20, 50)
"""When Python looks for cycles. A plan of ten thousand files makes millions of objects and hardly a
cycle among them: looking as often as by default takes a third of the time."""


def main() -> NoReturn:
    """The entry point: the exit code is decided once all output is complete."""
    gc.set_threshold(*COLLECTED_AFTER)
    take_streams()
    try:
        code = run_cli()
        console.finish()
    except ReaderGone:
        # What was not written may not have been done either, so this is no success.
        code = 128 + signal.SIGPIPE
    except ReconcilerError as error:
        _report(error)
        code = error.exit_code
    # All is written, or cannot be. To free millions of objects one by one, as the interpreter
    # would, takes a tenth of a large plan; and it would try to write once more what cannot be.
    sys.stderr.flush()
    os._exit(code)
