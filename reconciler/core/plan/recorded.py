"""What is kept of a plan with the revision that carried it out (docs/plan.md#revisions).

Bounded whatever the manifests hold, and masked as in every report: whoever may see an object may
see how it was changed.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import Current, Desired
from reconciler.core.plan.changes import Blocked, Change
from reconciler.core.plan.consequences import Surroundings, consequences_of
from reconciler.core.plan.plan import Plan
from reconciler.core.plan.report import ChangeReport, FieldReport, ReportPart, change_report

MOST_CHANGES = 200
"""Changes that are kept one by one; of the others their number is known."""
MOST_CHARACTERS = 256_000
"""Characters of all fields together; a field that does not fit any more is left out."""


class RecordedChange(ChangeReport):
    """A change that was carried out."""

    id: str = ""
    """Of the object, which may have another name by now."""
    drifted: bool = False
    """Whether the object had been changed by hand before."""
    more_fields: int = 0
    """The number of fields that were left out, since all fields together were too long."""

    def is_within(self, visible: Callable[[str], bool]) -> bool:
        """Whether each workspace that it was about is visible: a move may be from another one."""
        return visible(self.workspace) and all(
            visible(str(field.before))
            for field in self.fields
            if field.path == "metadata.workspace" and field.before is not None
        )


class RecordedPlan(ReportPart):
    """The changes of a revision that was applied, in the order of its plan."""

    changes: tuple[RecordedChange, ...] = Field(default=(), strict=False)
    more: int = 0
    """The number of changes that were left out, since there were too many."""

    def to_json(self) -> dict[str, Any]:
        """JSON values; what says nothing is left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    def within(self, visible: Callable[[str], bool]) -> "RecordedPlan":
        """The part of it that is about visible workspaces."""
        changes = tuple(change for change in self.changes if change.is_within(visible))
        return RecordedPlan(changes=changes, more=self.more)


def recorded_plan(plan: Plan, current: Current, desired: Desired, at: datetime) -> RecordedPlan:
    """What is kept of a plan that is carried out at this moment.

    `current` and `desired` are what it was made from: what follows from a change is told as well.
    """
    changes = [change for change in plan.changes if not isinstance(change, Blocked)]
    shown = changes[:MOST_CHANGES]
    drifted = {entry.key for entry in plan.drift}
    return RecordedPlan(
        changes=tuple(_bounded(_reports(shown, drifted, Surroundings(current, desired, at)))),
        more=len(changes) - len(shown),
    )


def _reports(
    changes: Sequence[Change], drifted: set[Key], surroundings: Surroundings
) -> Iterator[RecordedChange]:
    consequences = consequences_of(changes, surroundings)
    for change in changes:
        report = change_report(change, consequences.get(change.id))
        before = getattr(change, "before", None)
        was = change.key if before is None else before.key
        values = {name: getattr(report, name) for name in ChangeReport.model_fields}
        yield RecordedChange(**values, id=change.id, drifted=was in drifted)


def _bounded(reports: Iterator[RecordedChange]) -> Iterator[RecordedChange]:
    room = MOST_CHARACTERS
    for report in reports:
        fields: list[FieldReport] = []
        for field in report.fields:
            size = len(field.model_dump_json())
            if size <= room:
                fields.append(field)
                room -= size
        left_out = len(report.fields) - len(fields)
        yield report.model_copy(update={"fields": tuple(fields), "more_fields": left_out})
