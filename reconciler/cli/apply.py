"""`reconciler apply`: make the database equal the manifests, after showing the plan."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli import options
from reconciler.cli.console import colored, interactive, say
from reconciler.cli.rendering.text import render_text
from reconciler.cli.saved_plan import is_saved_plan, load_plan
from reconciler.cli.session import actor, load_desired, opened
from reconciler.control.keys import server_key
from reconciler.control.reconcile import (
    Applied,
    Asking,
    apply_once,
    apply_saved,
    plan_once,
    record_failure,
)
from reconciler.core.errors import InvalidManifests, Refused, UsageError
from reconciler.core.guards import Confirmations, require_safe
from reconciler.core.plan import Plan
from reconciler.core.planfile import SavedPlan
from reconciler.core.report import report_of
from reconciler.core.state import Desired, Revision
from reconciler.core.webhook_token import token_hash, webhook_token
from reconciler.settings import Settings
from reconciler.store.apply_triggers import TokenHash
from reconciler.store.database import Database
from reconciler.store.revisions import Via


def apply(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH|PLANFILE", help="The folder of the manifests, or a saved plan."
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
    database: options.Database = None,
    source: options.Source = None,
    config: options.Config = None,
    allow_command: options.AllowCommand = None,
) -> int:
    """Make the database equal the manifests, in one transaction.

    Shows the plan first and asks on a terminal; elsewhere give --yes. A saved plan is carried out
    as it was saved, or refused if what it touches has moved since (exit 5).
    """
    settings = Settings.load(config, database=database, source=source, allow_command=allow_command)
    asking = Asking(
        actor=actor(),
        via=Via.CLI,
        confirmations=Confirmations(confirm_deletes, allow_rewrites or settings.allow_rewrites),
        self_heal=settings.self_heal,
    )
    hashes = token_hashes(settings)
    with opened(settings, create=True) as state:
        state.migrate()
        if path != "-" and is_saved_plan(Path(path)):
            applied = _apply_saved(state, load_plan(Path(path)), asking, hashes, yes=yes)
        else:
            named = source is not None
            applied = _apply_path(state, path, settings, asking, hashes, yes=yes, named=named)
    if applied is not None:
        _report(applied)
    return 0


def _apply_path(
    state: Database,
    path: str,
    settings: Settings,
    asking: Asking,
    hashes: TokenHash,
    *,
    yes: bool,
    named: bool,
) -> Applied | None:
    try:
        desired = load_desired(state, path, settings, named_source=named)
    except InvalidManifests as error:
        record_failure(state, settings.source, Revision("unknown"), error, asking)
        raise
    made = plan_once(state, desired, self_heal=settings.self_heal)
    if not _agreed(made, asking, yes=yes):
        return None
    return _carry_out(state, desired, made, asking, hashes)


def _apply_saved(
    state: Database, saved: SavedPlan, asking: Asking, hashes: TokenHash, *, yes: bool
) -> Applied | None:
    made = plan_once(state, saved.desired, self_heal=saved.self_heal)
    if not _agreed(made, asking, yes=yes):
        return None
    return apply_saved(state, saved, asking, token_hash=hashes)


def _carry_out(
    state: Database, desired: Desired, made: Plan, asking: Asking, hashes: TokenHash
) -> Applied:
    """Carry out the plan that was shown and no other."""
    seen = Asking(
        actor=asking.actor,
        via=asking.via,
        confirmations=asking.confirmations,
        self_heal=asking.self_heal,
        expected=made,
    )
    return apply_once(state, desired, seen, token_hash=hashes)


def _agreed(made: Plan, asking: Asking, *, yes: bool) -> bool:
    """Show the plan; ask where somebody is there. A plan that is refused is not asked about."""
    sys.stdout.write(render_text(report_of(made), color=colored(sys.stdout)))
    sys.stdout.flush()
    try:
        require_safe(made, asking.confirmations, asking.limit)
    except Refused:
        return True  # apply refuses it too, and records that it did
    if made.is_empty or yes:
        return True
    if not interactive():
        raise UsageError("nobody is here to be asked; give --yes to apply this plan")
    if typer.confirm("Apply these changes?", err=True):
        return True
    say("nothing was changed")
    return False


def _report(applied: Applied) -> None:
    if applied.attempt is None:
        say("nothing to apply")
        return
    say(f"applied revision {applied.plan.revision.id}")
    if applied.cancelled:
        say(f"cancelled {len(applied.cancelled)} waiting runs of archived autopilots")


def token_hashes(settings: Settings) -> TokenHash:
    """How webhook tokens are hashed for the database; makes the server's key on first use."""
    key = server_key(settings.key_file, settings.secrets_dir)
    return lambda id_, generation: token_hash(webhook_token(key, id_, generation))
