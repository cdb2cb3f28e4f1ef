"""The state in a database that this process opens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.cli.backend.local_apply import LocalApply, prepare
from reconciler.cli.backend.state import PlanRequest, PlanResult, Simulated
from reconciler.cli.progress import progress
from reconciler.cli.session import load_path, opened
from reconciler.control.apply import inventory
from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import Document
from reconciler.core.plan.guards import Confirmations, objections
from reconciler.core.plan.report import DriftReport, drift_report, report_of
from reconciler.settings import Settings
from reconciler.store.engine.database import Database, Schema


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

    def drift(self, source: str | None) -> tuple[DriftReport, ...]:
        """What no longer is as it was applied."""
        with self._current() as state:
            return drift_report(inventory.drift(state, source))

    def export(self, source: str | None) -> tuple[Document, ...]:
        """The manifests of what is there."""
        with self._current() as state:
            return inventory.export(state, source)

    def history(self, source: str | None, limit: int) -> list[dict[str, Any]]:
        """Revisions that were tried, newest first."""
        with self._current() as state:
            attempts = inventory.history(state, source, limit=limit)
        return [inventory.attempt_document(attempt) for attempt in attempts]

    def audit(self, since: datetime, until: datetime) -> dict[str, Any]:
        """What became of all that was due in a stretch of time."""
        from reconciler.control.runs.auditing import AuditRetention, audit_period
        from reconciler.core.schedule.audit_report import audit_document

        retention = AuditRetention.of(self.settings)
        with self._current() as state:
            outcome = state.read(
                lambda tx: audit_period(tx, since, until, state.now(tx), retention)
            )
        return audit_document(outcome)

    def simulate(self, request: PlanRequest, since: datetime, until: datetime) -> Simulated:
        """What manifests would have done in a stretch of time; without a database, no history."""
        from reconciler.control.evaluation.evaluator import Evaluator
        from reconciler.control.runs.simulating import Past, simulate_manifests
        from reconciler.core.schedule.audit import Period
        from reconciler.core.schedule.simulation_report import simulation_document

        settings = self.settings
        with opened(settings) as state:
            there = state.schema() is not Schema.MISSING
            loaded = load_path(state, request.path, settings, named_source=request.named_source)
            with Evaluator() as evaluator, progress("simulating"):
                simulation = simulate_manifests(
                    Past(state if there else None, evaluator),
                    loaded.desired.objects,
                    loaded.seen.current.objects,
                    settings.source,
                    Period(since, until),
                )
            note = f"there is no history: there is no database at {state.shown} yet"
        return Simulated(simulation_document(simulation), None if there else note)

    def adopt(self, key: Key) -> dict[str, Any]:
        """Give an object that no source owns to the source of the settings."""
        with self._current() as state:
            row = inventory.adopt(state, key, self.settings.source)
        kind, workspace, name = row.key
        return {
            "id": row.id,
            "kind": str(kind),
            "workspace": workspace,
            "name": name,
            "sourceId": row.source_id,
        }

    @contextmanager
    def _current(self) -> Iterator[Database]:
        with opened(self.settings) as state:
            state.require_current_schema()
            yield state
