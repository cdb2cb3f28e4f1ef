"""A plan as others see it: what `-o json` prints, the API returns and the renderers read.

Values that may be confidential are masked here, once, so that no output can show them.
"""

import re
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from pydantic import ConfigDict, Field

from reconciler.core.base.errors import Problem
from reconciler.core.base.identity import Key
from reconciler.core.base.money import as_number
from reconciler.core.manifest.fields import Model, format_instant
from reconciler.core.manifest.state import Origin
from reconciler.core.plan.changes import Blocked, Change, fields_of, origin_of
from reconciler.core.plan.consequences import Consequences
from reconciler.core.plan.drift import Drift
from reconciler.core.plan.fielddiff import FieldChange
from reconciler.core.plan.forecast import Forecast
from reconciler.core.plan.plan import Plan

FORMAT_VERSION = 1
MASKED = "(sensitive)"
MASKED_NEW = "(sensitive, changed)"
_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s]*@")


class ReportPart(Model):
    """A part of a report."""

    # A newer server may say more than this version knows.
    model_config = ConfigDict(extra="ignore")


class PositionReport(ReportPart):
    """A place in a manifest, counted from 1."""

    path: str
    line: int
    column: int


class FieldReport(ReportPart):
    """One field; null stands for "not there"."""

    path: str
    before: Any = None
    after: Any = None


class ObjectReport(ReportPart):
    """Which object, and where it is written."""

    kind: str
    workspace: str
    name: str
    position: PositionReport | None = None


class FireTimeReport(ReportPart):
    """When a trigger fires: in UTC, and on the wall clock of its zone with the offset."""

    trigger: str
    utc: str
    local: str


class NextRunsReport(ReportPart):
    """The next fire times of an autopilot, at most three, as it is and as it will be."""

    before: tuple[FireTimeReport, ...] = Field(default=(), strict=False)
    after: tuple[FireTimeReport, ...] = Field(default=(), strict=False)

    @property
    def marked(self) -> list[tuple[str, FireTimeReport]]:
        """Both in the order of time: what goes with `-`, what comes with `+`, what stays with ` `.

        Empty where nothing differs.
        """
        if self.before == self.after:
            return []
        entries = [
            *(("-", fire) for fire in self.before if fire not in self.after),
            *((" ", fire) for fire in self.before if fire in self.after),
            *(("+", fire) for fire in self.after if fire not in self.before),
        ]
        # Texts of UTC in one format sort as the moments do.
        return sorted(entries, key=lambda entry: entry[1].utc)


class RunsPerDayReport(ReportPart):
    """The most runs that a day may bring; null stands for "without bound"."""

    before: int | None
    after: int | None


class DollarsPerDayReport(ReportPart):
    """The most US dollars that the runs of a day may cost; null stands for "without bound"."""

    before: float | None
    after: float | None

    @property
    def is_news(self) -> bool:
        """Whether it says anything: without any budget nothing is known of money, and that a run
        begins or ceases to be says less."""
        both = {self.before, self.after}
        return len(both) == 2 and both != {None, 0}


class ReachedReport(ReportPart):
    """What an object reaches that it did not reach before, by name, sorted."""

    secrets: tuple[str, ...] = Field(default=(), strict=False)
    hosts: tuple[str, ...] = Field(default=(), strict=False)
    programs: tuple[str, ...] = Field(default=(), strict=False)
    permission_modes: tuple[str, ...] = Field(default=(), strict=False)
    env: tuple[str, ...] = Field(default=(), strict=False)
    folders: tuple[str, ...] = Field(default=(), strict=False)
    channels: tuple[str, ...] = Field(default=(), strict=False)

    @property
    def named(self) -> list[tuple[str, tuple[str, ...]]]:
        """What there is of each kind, with the words for it."""
        return [
            (words, names) for kind, words in _REACHED.items() if (names := getattr(self, kind))
        ]


_REACHED = {
    "secrets": "secrets",
    "hosts": "hosts",
    "programs": "programs",
    "permission_modes": "permission modes",
    "env": "environment variables",
    "folders": "folders",
    "channels": "channels",
}


class ConsequencesReport(ReportPart):
    """What follows from a change (docs/plan.md#what-follows); agents and squads have no runs."""

    next_runs: NextRunsReport | None = None
    runs_per_day: RunsPerDayReport | None = None
    dollars_per_day: DollarsPerDayReport | None = None
    newly_reaches: ReachedReport = ReachedReport()


class ChangeReport(ReportPart):
    """One change; `action` is create, update, move, archive or restore."""

    action: str
    kind: str
    workspace: str
    name: str
    position: PositionReport | None = None
    fields: tuple[FieldReport, ...] = Field(default=(), strict=False)
    consequences: ConsequencesReport | None = None


class BlockedReport(ObjectReport):
    """What is wanted and cannot be."""

    code: str
    message: str


class DriftReport(ObjectReport):
    """An object that is not as it was applied: `before` is as applied, `after` as it is now.

    `state` is changed, gone, archived, disowned or unrecorded; `message` says what that means.
    """

    state: str = "changed"
    message: str = ""
    fields: tuple[FieldReport, ...] = Field(default=(), strict=False)


class ProblemReport(ReportPart):
    """One thing wrong in a manifest."""

    path: str
    line: int
    column: int
    field: str
    message: str
    code: str


class SummaryReport(ReportPart):
    """How many objects meet which fate."""

    create: int = 0
    update: int = 0
    move: int = 0
    archive: int = 0
    restore: int = 0
    blocked: int = 0
    unchanged: int = 0


class PlanReport(ReportPart):
    """The JSON of a plan (docs/plan.md#outputs); no digest where Problems prevented it."""

    format_version: int = FORMAT_VERSION
    digest: str | None
    revision: str
    summary: SummaryReport
    changes: tuple[ChangeReport, ...] = Field(default=(), strict=False)
    problems: tuple[ProblemReport, ...] = Field(default=(), strict=False)
    drift: tuple[DriftReport, ...] = Field(default=(), strict=False)
    blocked: tuple[BlockedReport, ...] = Field(default=(), strict=False)
    warnings: tuple[ProblemReport, ...] = Field(default=(), strict=False)

    def to_json(self) -> dict[str, Any]:
        """JSON values, in the documented order."""
        return self.model_dump(mode="json", by_alias=True)


def report_of(
    plan: Plan,
    problems: Iterable[Problem] = (),
    warnings: Iterable[Problem] = (),
    *,
    names_sources: bool = True,
) -> PlanReport:
    """The report of a plan, and of what was found wrong, or likely wrong, on the way to it."""
    return PlanReport(
        digest=plan.digest,
        revision=plan.revision.id,
        summary=SummaryReport(**asdict(plan.summary)),
        changes=tuple(
            change_report(c, plan.consequences.get(c.id))
            for c in plan.changes
            if not isinstance(c, Blocked)
        ),
        problems=_problems(problems),
        drift=drift_report(plan.drift, names_sources=names_sources),
        blocked=tuple(_blocked(blocked) for blocked in plan.blocked),
        warnings=_problems(warnings),
    )


def report_of_problems(
    revision: str, problems: Iterable[Problem], warnings: Iterable[Problem] = ()
) -> PlanReport:
    """The report of a revision whose manifests hold Problems: there is no plan for it."""
    return PlanReport(
        digest=None,
        revision=revision,
        summary=SummaryReport(),
        problems=_problems(problems),
        warnings=_problems(warnings),
    )


def drift_report(drift: Iterable[Drift], *, names_sources: bool = True) -> tuple[DriftReport, ...]:
    """The drift of Current, with the fields as they were applied and as they are.

    Without `names_sources` for those who may not know of every source.
    """
    return tuple(
        DriftReport.model_validate(
            {
                **_names(entry.key),
                "position": _position(entry.origin),
                "state": entry.state.value,
                "message": entry.message(names_sources=names_sources),
                "fields": _fields(entry.fields),
            }
        )
        for entry in drift
    )


def _problems(problems: Iterable[Problem]) -> tuple[ProblemReport, ...]:
    return tuple(ProblemReport(**asdict(problem)) for problem in sorted(problems))


def change_report(change: Change, consequences: Consequences | None) -> ChangeReport:
    """The report of one change that can be carried out."""
    # One call for all of it: a model for each field by itself takes several times as long.
    return ChangeReport.model_validate(
        {
            "action": change.action,
            **_names(change.key),
            "position": _position(origin_of(change)),
            "fields": _fields(fields_of(change)),
            "consequences": _consequences(consequences) if consequences else None,
        }
    )


def _dollars(micros: int | None) -> float | None:
    return None if micros is None else as_number(micros)


def _consequences(consequences: Consequences) -> dict[str, Any]:
    reached = consequences.newly_reached
    names = {name: sorted(getattr(reached, name)) for name in ReachedReport.model_fields}
    before, after = consequences.before, consequences.after
    if before is None or after is None:
        return {"newly_reaches": names}
    return {
        "next_runs": {"before": _fires(before), "after": _fires(after)},
        "runs_per_day": {"before": before.runs_per_day, "after": after.runs_per_day},
        "dollars_per_day": {
            "before": _dollars(before.micros_per_day),
            "after": _dollars(after.micros_per_day),
        },
        "newly_reaches": names,
    }


def _fires(forecast: Forecast) -> list[dict[str, str]]:
    return [
        {
            "trigger": fire.trigger,
            "utc": format_instant(fire.at),
            "local": fire.local.isoformat(),
        }
        for fire in forecast.fires
    ]


def _blocked(blocked: Blocked) -> BlockedReport:
    return BlockedReport.model_validate(
        {
            **_names(blocked.key),
            "position": _position(origin_of(blocked)),
            "code": blocked.code,
            "message": blocked.message,
        }
    )


def _names(key: Key) -> dict[str, str]:
    return {"kind": str(key.kind), "workspace": key.workspace, "name": key.name}


def _position(origin: Origin | None) -> dict[str, Any] | None:
    if origin is None:
        return None
    return {"path": origin.path, "line": origin.line, "column": origin.column}


def _fields(changes: Iterable[FieldChange]) -> list[dict[str, Any]]:
    return [_field(change) for change in changes]


def _field(change: FieldChange) -> dict[str, Any]:
    before, after = change.before, change.after
    if change.sensitive:
        changed = before is not None and after is not None
        before = _mask(before, MASKED)
        after = _mask(after, MASKED_NEW if changed else MASKED)
    elif change.path == "spec.runtime.url":
        before, after = _without_credentials(before), _without_credentials(after)
        if before == after:
            after = f"{after} {MASKED_NEW}"
    return {"path": change.path, "before": before, "after": after}


def _mask(value: Any, mask: str) -> Any:
    """Texts are hidden; references to secrets are names, and are shown."""
    if isinstance(value, dict) and set(value) <= _REFERENCE:
        return value
    return None if value is None else mask


_REFERENCE = {"env", "file", "notBefore", "notAfter"}


def _without_credentials(url: Any) -> Any:
    return _CREDENTIALS.sub("***@", url) if isinstance(url, str) else url
