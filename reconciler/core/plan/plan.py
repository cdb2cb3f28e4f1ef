"""A Plan is a value: made from Current and Desired, printed, saved, compared, checked, applied."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal

from reconciler.core.base.identity import Revision
from reconciler.core.manifest.state import Current, Desired
from reconciler.core.plan.changes import Blocked, Change, Refresh
from reconciler.core.plan.consequences import Consequences, Surroundings, consequences_of
from reconciler.core.plan.diff import as_applied, compare
from reconciler.core.plan.drift import Drift, drift_of, inventory_of
from reconciler.core.plan.footprint import Footprint, footprint_of

Descent = bool | Literal["shallow"] | None
"""Whether a revision descends from another; "shallow" where the history here ends before that."""


@dataclass(frozen=True, slots=True)
class Summary:
    """How many objects meet which fate."""

    create: int = 0
    update: int = 0
    move: int = 0
    archive: int = 0
    restore: int = 0
    blocked: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What the guards need to know beside the changes.

    `owned`: live rows of this source before. `declared`, `files`: objects and files of Desired.
    `descends`: whether the revision descends from the one applied last; None if there is no such
    order (nothing applied yet, or a plain directory).
    """

    owned: int
    declared: int
    files: int
    descends: Descent = None


@dataclass(frozen=True)
class Plan:
    """The ordered changes from Current to Desired.

    `refreshes` are written by apply beside the changes and change nothing that an object means.
    `surroundings` are there where what follows from the changes was asked for.
    """

    source_id: str
    revision: Revision
    changes: tuple[Change, ...]
    refreshes: tuple[Refresh, ...]
    drift: tuple[Drift, ...]
    facts: Facts
    surroundings: Surroundings | None = field(default=None, compare=False, repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to change, and nothing blocked."""
        return not self.changes

    @property
    def blocked(self) -> tuple[Blocked, ...]:
        """What is wanted and cannot be; a plan with any of these is not applied."""
        return tuple(change for change in self.changes if isinstance(change, Blocked))

    @cached_property
    def summary(self) -> Summary:
        """The changes counted by their action."""
        counts = Counter(change.action for change in self.changes)
        touched = sum(getattr(change, "after", None) is not None for change in self.changes)
        return Summary(**counts, unchanged=self.facts.declared - touched)

    @cached_property
    def consequences(self) -> Mapping[str, Consequences]:
        """What follows from the changes, by object id; no part of the digest, for time goes on."""
        if self.surroundings is None:
            return {}
        return consequences_of(self.changes, self.surroundings)

    @cached_property
    def footprint(self) -> Footprint:
        """What this plan depends on."""
        return footprint_of(self.source_id, self.changes, self.facts.owned)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over what the plan touches: the same plan has the same digest."""
        return self.footprint.digest


def make_plan(
    current: Current,
    desired: Desired,
    *,
    descends: Descent = None,
    self_heal: bool = True,
    at: datetime | None = None,
) -> Plan:
    """The plan for one source. Nothing is refused here: see `guards.require_safe`.

    With `at` it also knows what follows from the changes as of that moment.
    """
    comparison = compare(current, desired, self_heal=self_heal)
    owned = sum(row.source_id == desired.source_id for row in current.objects.values())
    return Plan(
        source_id=desired.source_id,
        revision=desired.revision,
        changes=comparison.changes,
        refreshes=comparison.refreshes,
        drift=_drift(current, desired.source_id, comparison.refreshes),
        facts=Facts(owned, len(desired.objects), len(desired.files), descends),
        surroundings=Surroundings(current, desired, at) if at is not None else None,
    )


def _drift(current: Current, source_id: str, refreshes: tuple[Refresh, ...]) -> tuple[Drift, ...]:
    """What drifted and is not set right by noting again what was applied."""
    inventory = {source_id: inventory_of(current.files.values())}
    noted = {refresh.before.id for refresh in refreshes}
    drifts = drift_of(current, source_id, inventory)
    return tuple(drift for drift in drifts if drift.row is None or drift.row.id not in noted)


def semantic_plan(base: Desired, head: Desired, at: datetime | None = None) -> Plan:
    """The plan that would lead from one revision of a source to another, without a database."""
    return make_plan(as_applied(base, head.source_id), head, at=at)
