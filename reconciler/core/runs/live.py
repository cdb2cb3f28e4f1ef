"""An autopilot as the run side sees it: what admission, titles and the runner need, no more."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from reconciler.core.base.units import parse_duration
from reconciler.core.manifest.model import ConcurrencyPolicy, QueueKeep
from reconciler.core.money.budget import Budget
from reconciler.core.runs.admission import Policy
from reconciler.core.runs.standing import Switches


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAutopilot:
    """One row of `autopilot`. `digest` names the manifest that its new runs keep.

    `prechecked`: its runs have a precheck. `recalls`: they are told of the last completed one.
    """

    id: str
    workspace: str
    name: str
    title: str
    labels: Mapping[str, str]
    digest: str
    revision: str | None
    assignee: tuple[str, str]
    template: str | None
    key_expression: str | None
    policy: Policy
    timeout: timedelta
    queue_ttl: timedelta
    pause_after_failures: int
    switches: Switches
    prechecked: bool = False
    recalls: bool = False

    def document(self) -> dict[str, Any]:
        """The part of its manifest that expressions may read."""
        return {
            "metadata": {
                "name": self.name,
                "workspace": self.workspace,
                "labels": dict(self.labels),
            },
            "spec": {"title": self.title},
        }


@dataclass(frozen=True, slots=True)
class SpecTimes:
    """The durations of a spec's canonical JSON."""

    timeout: timedelta
    queue_ttl: timedelta

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> "SpecTimes":
        """Read `timeout` and `queueTtl`."""
        return cls(_duration(spec["timeout"]), _duration(spec["queueTtl"]))


_duration = lru_cache(maxsize=1024)(parse_duration)


def policy_of(policy: str, spec: Mapping[str, Any]) -> Policy:
    """The policy out of the column `concurrency_policy` and the JSON of the spec."""
    limits = spec.get("limits", {})
    return Policy(
        ConcurrencyPolicy(policy),
        spec["maxConcurrency"],
        spec["maxActive"],
        spec["queueLimit"],
        limits.get("perHour"),
        limits.get("perDay"),
        QueueKeep(spec.get("queueKeep", QueueKeep.ALL)),
        Budget.of(spec["budget"]) if spec.get("budget") else None,
    )
