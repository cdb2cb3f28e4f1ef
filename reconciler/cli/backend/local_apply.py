"""Applies to a database that this process opens."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.backend.state import ApplyResult, PlanRequest, PlanResult
from reconciler.cli.progress import progress
from reconciler.cli.saved_plan import is_saved_plan, load_plan, require_source
from reconciler.cli.session import actor, load_path, opened, opened_to_apply, seen_from_here
from reconciler.control.access.keys import server_key, token_hasher
from reconciler.control.apply.policy import policy_of
from reconciler.control.apply.reconcile import (
    ApplyRequest,
    apply_once,
    record_failure,
    record_refusal,
)
from reconciler.control.apply.sources import LoadedSource, reload_source
from reconciler.core.base.errors import InvalidManifests, StalePlan
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


@dataclass(frozen=True, slots=True)
class LocalApply:
    """A plan that is ready to be carried out, and no other."""

    settings: Settings
    loaded: LoadedSource
    plan: Plan
    request: ApplyRequest

    @property
    def shown(self) -> PlanResult:
        """The plan, and what will refuse it."""
        return PlanResult(
            report=report_of(self.plan, warnings=self.loaded.desired.warnings),
            source_id=self.loaded.desired.source_id,
            objections=objections(self.plan, self.request.confirmations, self.request.limit),
        )

    def carry_out(self) -> ApplyResult:
        """Apply it in one transaction."""
        desired, seen = self.loaded.desired, self.loaded.seen
        with opened_to_apply(self.settings) as state, progress(self._what()):
            hashes = _token_hashes(self.settings)
            applied = apply_once(state, desired, self.request, token_hash=hashes, seen=seen)
        return ApplyResult(
            applied.plan.revision.id, applied.attempt is None, len(applied.cancelled)
        )

    def _what(self) -> str:
        count = len(self.plan.changes)
        return f"applying {count:,} {'change' if count == 1 else 'changes'}"


def prepare(settings: Settings, request: PlanRequest) -> LocalApply:
    """Plan what a path or a saved plan asks for."""
    asked = ApplyRequest(
        actor=actor(),
        via=Via.CLI,
        confirmations=Confirmations(request.confirm_deletes, request.allow_rewrites),
        self_heal=settings.self_heal,
    )
    if request.path != "-" and is_saved_plan(Path(request.path)):
        return _saved(load_plan(Path(request.path), policy_of(settings)), settings, asked)
    return _at(request, settings, asked)


def _at(source: PlanRequest, settings: Settings, request: ApplyRequest) -> LocalApply:
    """What the manifests at a path ask for. Invalid ones are recorded, and change nothing."""
    try:
        with opened(settings) as state:
            _migrate(state)
            loaded = load_path(state, source.path, settings, named_source=source.named_source)
    except InvalidManifests as error:
        _record_failure(settings, settings.source, error, request)
        raise seen_from_here(error, source.path) from None
    made = loaded.plan(self_heal=request.self_heal)
    request = replace(request, descends=loaded.descends, expected=made)
    return LocalApply(settings, loaded, made, request)


def _saved(saved: "SavedPlan", settings: Settings, request: ApplyRequest) -> LocalApply:
    """What a saved plan asks for, if it is still the plan that it was."""
    source_id = saved.desired.source_id
    require_source(settings, source_id)
    order = order_around(Path.cwd(), saved.desired.revision.id)
    try:
        with opened(settings) as state:
            _migrate(state)
            loaded = reload_source(state, saved, policy_of(settings), descends=order)
    except InvalidManifests as error:
        _record_failure(settings, source_id, error, request)
        raise
    made = loaded.plan(self_heal=saved.self_heal)
    request = replace(request, self_heal=saved.self_heal, descends=order, expected=saved)
    try:
        check_still_holds(saved, made)
    except StalePlan as error:
        with opened_to_apply(settings) as state:
            record_refusal(state, saved.desired, request, error)
        raise
    return LocalApply(settings, loaded, made, request)


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


def _token_hashes(settings: Settings) -> TokenHash:
    """How webhook tokens are hashed for the database; makes the server's key on first use."""
    return token_hasher(server_key(settings.key_file, settings.secrets_dir))
