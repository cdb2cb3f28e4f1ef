"""`reconciler apply`: make the database equal the manifests, after showing the plan."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli import options
from reconciler.cli.console import finish, interactive, say
from reconciler.cli.options import PlanFormat
from reconciler.cli.progress import progress
from reconciler.cli.saved_plan import is_saved_plan, load_plan
from reconciler.cli.session import (
    actor,
    load_path,
    opened,
    opened_to_apply,
    policy_of,
    seen_from_here,
)
from reconciler.cli.showing import show
from reconciler.control.access.keys import server_key, token_hasher
from reconciler.control.apply.reconcile import (
    Applied,
    ApplyRequest,
    apply_once,
    record_failure,
    record_refusal,
)
from reconciler.control.apply.sources import LoadedSource, reload_source
from reconciler.core.base.errors import InvalidManifests, StalePlan, UsageError
from reconciler.core.base.identity import Revision
from reconciler.core.plan.footprint import check_still_holds
from reconciler.core.plan.guards import Confirmations, objections
from reconciler.core.plan.plan import Plan
from reconciler.core.plan.report import report_of
from reconciler.manifest.git.checkout import order_around
from reconciler.settings import Settings
from reconciler.store.engine.database import Database, Schema
from reconciler.store.objects.apply_context import TokenHash
from reconciler.store.revisions.revisions import Via

if TYPE_CHECKING:
    from reconciler.core.plan.planfile import SavedPlan


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
    source: options.Source = None,
    config: options.Config = None,
    allow_command: options.AllowCommand = None,
) -> int:
    """Make the database equal the manifests, in one transaction.

    Shows the plan first and asks on a terminal; elsewhere give --yes. A saved plan is carried out
    as it was saved, or refused if what it touches has moved since (exit 5). What is unsafe or
    blocked is refused with every reason at once (exit 4).
    """
    settings = Settings.load(config, database=database, source=source, allow_command=allow_command)
    request = ApplyRequest(
        actor=actor(),
        via=Via.CLI,
        confirmations=Confirmations(confirm_deletes, allow_rewrites or settings.allow_rewrites),
        self_heal=settings.self_heal,
    )
    if path != "-" and is_saved_plan(Path(path)):
        job = _saved(load_plan(Path(path), policy_of(settings)), settings, request)
    else:
        job = _at(path, settings, request, named_source=source is not None)
    show(
        report_of(job.plan, warnings=job.loaded.desired.warnings),
        output,
        job.loaded.desired.source_id,
    )
    finish()  # a plan that nobody could see is not carried out
    if job.agreed(yes=yes):
        _report(job.carry_out())
    return 0


@dataclass(frozen=True, slots=True)
class _Job:
    """A plan that is ready to be carried out, and no other."""

    settings: Settings
    loaded: LoadedSource
    plan: Plan
    request: ApplyRequest

    def agreed(self, *, yes: bool) -> bool:
        """Ask where somebody is there. What will be refused is not asked about."""
        refused = objections(self.plan, self.request.confirmations, self.request.limit)
        if self.plan.is_empty or yes or refused:
            return True
        if not interactive():
            raise UsageError("nobody is here to be asked; give --yes to apply this plan")
        if typer.confirm("Apply these changes?", err=True):
            return True
        say("nothing was changed")
        return False

    def carry_out(self) -> Applied:
        desired, seen = self.loaded.desired, self.loaded.seen
        with opened_to_apply(self.settings) as state, progress(self._what()):
            hashes = token_hashes(self.settings)
            return apply_once(state, desired, self.request, token_hash=hashes, seen=seen)

    def _what(self) -> str:
        count = len(self.plan.changes)
        return f"applying {count:,} {'change' if count == 1 else 'changes'}"


def _at(path: str, settings: Settings, request: ApplyRequest, *, named_source: bool) -> _Job:
    """What the manifests at a path ask for. Invalid ones are recorded, and change nothing."""
    try:
        with opened(settings) as state:
            _migrate(state)
            loaded = load_path(state, path, settings, named_source=named_source)
    except InvalidManifests as error:
        _record_failure(settings, settings.source, error, request)
        raise seen_from_here(error, path) from None
    made = loaded.plan(self_heal=request.self_heal)
    return _Job(settings, loaded, made, replace(request, descends=loaded.descends, expected=made))


def _saved(saved: "SavedPlan", settings: Settings, request: ApplyRequest) -> _Job:
    """What a saved plan asks for, if it is still the plan that it was."""
    source_id = saved.desired.source_id
    if "source" in settings.model_fields_set and settings.source != source_id:
        raise UsageError(
            f"the plan was saved for source {source_id!r}, not for {settings.source!r}; "
            f"apply it with --source {source_id}"
        )
    try:
        with opened(settings) as state:
            _migrate(state)
            loaded = reload_source(state, saved, policy_of(settings))
    except InvalidManifests as error:
        _record_failure(settings, source_id, error, request)
        raise
    order = order_around(Path.cwd(), saved.desired.revision.id)
    loaded = replace(loaded, descends=order)
    made = loaded.plan(self_heal=saved.self_heal)
    request = replace(request, self_heal=saved.self_heal, descends=order, expected=saved)
    try:
        check_still_holds(saved, made)
    except StalePlan as error:
        with opened_to_apply(settings) as state:
            record_refusal(state, saved.desired, request, error)
        raise
    return _Job(settings, loaded, made, request)


def _migrate(state: Database) -> None:
    """Bring older tables up to date. What is missing is made only once there is something in it."""
    if state.schema() is Schema.OLDER:
        state.migrate()


def _record_failure(
    settings: Settings, source_id: str, error: InvalidManifests, request: ApplyRequest
) -> None:
    revision = error.revision or Revision("unknown")
    with opened_to_apply(settings) as state:
        record_failure(state, source_id, revision, error, request)


def _report(applied: Applied) -> None:
    if applied.attempt is None:
        say("nothing to apply")
        return
    say(f"applied revision {applied.plan.revision.id}")
    if count := len(applied.cancelled):
        runs = "waiting run" if count == 1 else "waiting runs"
        say(f"cancelled {count} {runs} of archived autopilots")


def token_hashes(settings: Settings) -> TokenHash:
    """How webhook tokens are hashed for the database; makes the server's key on first use."""
    return token_hasher(server_key(settings.key_file, settings.secrets_dir))
