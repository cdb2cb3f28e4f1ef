"""Plans and drift as JSON for machines. Only ASCII goes out, so that no terminal is steered."""

import json
from collections.abc import Sequence

from reconciler.core.plan.report import DriftReport, PlanReport


def render_json(report: PlanReport) -> str:
    """The plan as one JSON object (docs/plan.md#outputs)."""
    return json.dumps(report.to_json(), indent=2) + "\n"


def render_drift_json(drift: Sequence[DriftReport]) -> str:
    """`{"formatVersion": 1, "drift": [...]}`, each entry as in a plan."""
    entries = [entry.model_dump(mode="json", by_alias=True) for entry in drift]
    return json.dumps({"formatVersion": 1, "drift": entries}, indent=2) + "\n"
