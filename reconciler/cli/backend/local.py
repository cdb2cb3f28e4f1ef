"""The state in a database that this process opens."""

from dataclasses import dataclass

from reconciler.cli.backend.local_apply import LocalApply, prepare
from reconciler.cli.backend.state import PlanRequest, PlanResult
from reconciler.cli.session import load_path, opened
from reconciler.core.plan.guards import Confirmations, objections
from reconciler.core.plan.report import report_of
from reconciler.settings import Settings
from reconciler.store.engine.database import Schema


@dataclass(frozen=True, slots=True)
class LocalState:
    """The database of the settings."""

    settings: Settings

    def plan(self, request: PlanRequest) -> PlanResult:
        """What apply would change; without a database everything is new."""
        settings = self.settings
        with opened(settings) as state:
            missing, where = state.schema() is Schema.MISSING, state.shown
            loaded = load_path(state, request.path, settings, named_source=request.named_source)
        plan = loaded.plan(self_heal=settings.self_heal)
        confirmations = Confirmations(request.confirm_deletes, request.allow_rewrites)
        saved = None
        if request.save:
            from reconciler.core.plan.planfile import write_plan

            saved = write_plan(plan, loaded.desired, self_heal=settings.self_heal)
        note = f"everything is new, because there is no database at {where} yet"
        return PlanResult(
            report=report_of(plan, warnings=loaded.desired.warnings),
            source_id=settings.source,
            objections=objections(plan, confirmations),
            saved=saved,
            note=note if missing else None,
        )

    def prepare_apply(self, request: PlanRequest) -> LocalApply:
        """Plan what is to be applied; older tables are brought up to date."""
        return prepare(self.settings, request)
