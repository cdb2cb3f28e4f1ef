"""The plans of revisions that were applied, each in a row beside its revision."""

from sqlalchemy import insert, select

from reconciler.core.plan.recorded import RecordedPlan
from reconciler.store.engine.backend import Tx
from reconciler.store.tables import revision_plan

_P = revision_plan.c


def save_plan(tx: Tx, revision_id: int, plan: RecordedPlan) -> None:
    """Keep the plan of a revision for as long as the revision."""
    # Not by `values`: SQLAlchemy keeps those of the first statement with what it compiled.
    tx.execute(insert(revision_plan), {"revision_id": revision_id, "plan": plan.to_json()})


def plan_of_revision(tx: Tx, revision_id: int) -> RecordedPlan | None:
    """The plan of a revision; None where it was not applied, or before plans were kept."""
    row = tx.execute(select(_P.plan).where(_P.revision_id == revision_id)).one_or_none()
    return RecordedPlan.model_validate(row.plan) if row else None
