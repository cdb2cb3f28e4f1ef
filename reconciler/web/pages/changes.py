"""A change of an object as pages show it: in the lines of `plan` (docs/plan.md#outputs)."""

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.core.plan.drift import Drift
from reconciler.core.plan.lines.consequences import consequence_lines
from reconciler.core.plan.lines.fields import Line, field_lines
from reconciler.core.plan.recorded import RecordedChange
from reconciler.core.plan.report import DriftReport, drift_report

UNFOLDED = 40
"""Lines up to which a change is shown unfolded."""
_KINDS = {"+": "added", "-": "removed", "@": "place", "~": "changed"}


@dataclass(frozen=True, slots=True)
class _Lines:
    lines: tuple[Line, ...]

    @property
    def is_unfolded(self) -> bool:
        """Whether it is short enough to be read at once."""
        return len(self.lines) <= UNFOLDED

    @property
    def marked(self) -> list[tuple[str, str]]:
        """Each line with what it is: added, removed, changed, a place, or neither."""
        return [
            (_KINDS.get(line.mark, ""), f"{'  ' * line.depth}{line.mark} {line.text}")
            for line in self.lines
        ]


@dataclass(frozen=True, slots=True)
class ShownChange(_Lines):
    """One change of a revision: its fields, long texts line by line, then what followed."""

    change: RecordedChange

    @classmethod
    def of(cls, change: RecordedChange) -> "ShownChange":
        """The change in lines."""
        fields = field_lines(change.fields, inline=False)
        return cls((*fields, *consequence_lines(change.consequences)), change)


@dataclass(frozen=True, slots=True)
class ShownDrift(_Lines):
    """One object that drifted; `id` is None where its row is gone."""

    report: DriftReport
    id: str | None


def shown_drift(drifts: Iterable[Drift], *, names_sources: bool) -> tuple[ShownDrift, ...]:
    """What drifted, with its fields as they were applied and as they are."""
    return tuple(
        ShownDrift(
            tuple(field_lines(report.fields, inline=False)),
            report,
            drift.row.id if drift.row is not None else None,
        )
        for drift in drifts
        for report in drift_report([drift], names_sources=names_sources)
    )
