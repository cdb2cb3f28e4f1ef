"""What commands ask of the state, wherever it is. Commands know this and neither of the two.

Every method raises the same errors for the same cause, so that exit codes do not depend on the way.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from reconciler.core.base.errors import Objection
from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import Document
from reconciler.core.plan.report import DriftReport, PlanReport


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """The manifests to plan. `path` is a folder, a file (with `named_source`), or `-`."""

    path: str
    named_source: bool = False
    confirm_deletes: int | None = None
    allow_rewrites: bool = False
    save: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """A plan, and what apply would say against it.

    `saved` is the text of a saved plan, where that was asked for; `note` a remark for people.
    """

    report: PlanReport
    source_id: str
    objections: tuple[Objection, ...] = ()
    saved: str | None = None
    note: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to change, and nothing blocked."""
        return not self.report.changes and not self.report.blocked


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What an apply did; `is_settled` where all of it was in force already.

    `cancelled` counts waiting runs that ended because their autopilot was archived.
    """

    revision: str
    is_settled: bool
    cancelled: int = 0


@dataclass(frozen=True, slots=True)
class Simulated:
    """A simulation, as `simulation_document` gives it; `note` is a remark for people."""

    document: dict[str, Any]
    note: str | None = None


class PreparedApply(Protocol):
    """A plan that is ready to be carried out, and no other."""

    @property
    def shown(self) -> PlanResult:
        """The plan."""
        ...

    def carry_out(self) -> ApplyResult:
        """Apply it. Raises Refused, StalePlan, Locked."""
        ...


class State(Protocol):
    """A database or a server."""

    def plan(self, request: PlanRequest) -> PlanResult:
        """What apply would change; nothing is written. Raises InvalidManifests, Refused."""
        ...

    def drift(self, source: str | None) -> tuple[DriftReport, ...]:
        """What no longer is as it was applied, of one source or of all."""
        ...

    def export(self, source: str | None) -> tuple[Document, ...]:
        """The manifests of what is there, of one source or of all."""
        ...

    def history(self, source: str | None, limit: int) -> list[dict[str, Any]]:
        """Revisions that were tried, newest first, as `attempt_document` gives them."""
        ...

    def audit(self, since: datetime, until: datetime) -> dict[str, Any]:
        """What became of all that was due in `since..until`, as `audit_document` gives it."""
        ...

    def simulate(self, request: PlanRequest, since: datetime, until: datetime) -> Simulated:
        """What manifests would have done in `since..until`; nothing is written.

        Raises InvalidManifests, Refused.
        """
        ...

    def adopt(self, key: Key) -> dict[str, Any]:
        """Give an object that no source owns to the source of the settings.

        The object's `id`, `kind`, `workspace`, `name` and `sourceId`. Raises NotFound, Conflict.
        """
        ...

    def prepare_apply(self, request: PlanRequest) -> PreparedApply:
        """Plan what is to be applied; `path` may be a saved plan.

        Raises InvalidManifests with places as seen from here, which is recorded, and StalePlan for
        a saved plan that is stale.
        """
        ...
