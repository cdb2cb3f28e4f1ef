"""`reconciler apply`: make the database equal the manifests, after showing the plan."""

from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.backend.open import state_of
from reconciler.cli.backend.state import ApplyResult, PlanRequest, PlanResult
from reconciler.cli.console import finish, interactive, say
from reconciler.cli.options import PlanFormat
from reconciler.cli.showing import show
from reconciler.core.base.errors import UsageError
from reconciler.settings import Settings


def apply(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH|PLANFILE",
            help="The folder of the manifests, a saved plan, or - for a stream.",
        ),
    ],
    yes: options.Yes = False,
    confirm_deletes: Annotated[
        int | None,
        typer.Option("--confirm-deletes", metavar="N", min=0, help="Yes, exactly N objects leave."),
    ] = None,
    allow_rewrites: Annotated[
        bool,
        typer.Option("--allow-rewrites", help="Take a revision that does not descend."),
    ] = False,
    output: options.PlanOutput = PlanFormat.TEXT,
    database: options.Database = None,
    server: options.Server = None,
    token_file: options.TokenFile = None,
    source: options.Source = None,
    config: options.Config = None,
    allow_command: options.AllowCommand = None,
) -> int:
    """Make the database equal the manifests, in one transaction.

    Shows the plan first and asks on a terminal; elsewhere give --yes. A saved plan is carried out
    as it was saved, or refused if what it touches has moved since (exit 5). What is unsafe or
    blocked is refused with every reason at once (exit 4).
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
        confirm_deletes=confirm_deletes,
        allow_rewrites=allow_rewrites or settings.allow_rewrites,
    )
    with state_of(settings) as state:
        prepared = state.prepare_apply(request)
        plan = prepared.shown
        show(plan.report, output, plan.source_id)
        finish()  # a plan that nobody could see is not carried out
        if _agreed(plan, yes=yes):
            _report(prepared.carry_out())
    return 0


def _agreed(plan: PlanResult, *, yes: bool) -> bool:
    """Ask where somebody is there. What will be refused is not asked about."""
    if plan.is_empty or yes or plan.objections:
        return True
    if not interactive():
        raise UsageError("nobody is here to be asked; give --yes to apply this plan")
    if typer.confirm("Apply these changes?", err=True):
        return True
    say("nothing was changed")
    return False


def _report(applied: ApplyResult) -> None:
    if applied.is_settled:
        say("nothing to apply")
        return
    say(f"applied revision {applied.revision}")
    if count := applied.cancelled:
        runs = "waiting run" if count == 1 else "waiting runs"
        say(f"cancelled {count} {runs} of archived autopilots")
