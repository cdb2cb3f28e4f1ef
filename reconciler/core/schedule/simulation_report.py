"""A simulation beside what happened, as a value and as the document that machines read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.core.manifest.fields import format_instant
from reconciler.core.schedule.audit import Period
from reconciler.core.schedule.simulate import Counts


@dataclass(frozen=True, slots=True)
class AutopilotComparison:
    """One autopilot: what it would have done, and did. `planned`: the manifests have it."""

    workspace: str
    name: str
    would: Counts
    happened: Counts
    planned: bool


@dataclass(frozen=True, slots=True)
class JudgedDelivery:
    """A delivery that these manifests judge otherwise than it was judged when it came."""

    id: str
    at: datetime
    place: str
    event: str | None
    why: str


@dataclass(slots=True)
class Simulation:
    """The whole. `missed` were taken and would not be, `gained` the other way round.

    Deliveries whose body is needed and gone are `unevaluated`, and taken as they were.
    """

    period: Period
    autopilots: list[AutopilotComparison] = field(default_factory=list)
    evaluated: int = 0
    unevaluated: int = 0
    missed: list[JudgedDelivery] = field(default_factory=list)
    gained: list[JudgedDelivery] = field(default_factory=list)
    assumptions: list[str] = field(default_factory=list)
    cut: str | None = None

    @property
    def would(self) -> Counts:
        """Of all autopilots together."""
        return _total([comparison.would for comparison in self.autopilots])

    @property
    def happened(self) -> Counts:
        """Of all autopilots together."""
        return _total([comparison.happened for comparison in self.autopilots])


def _total(parts: list[Counts]) -> Counts:
    total = Counts()
    for part in parts:
        total.add(part)
    return total


def summary_sentence(simulation: Simulation) -> str:
    """`Would have started 62 runs instead of 31; 4 would not have started (4 overlap).`"""
    would, happened = simulation.would, simulation.happened
    runs = "run" if would.started == 1 else "runs"
    begin = f"Would have started {would.started:,} {runs} "
    middle = (
        "as it did" if would.started == happened.started else f"instead of {happened.started:,}"
    )
    left = reasons(would.not_started)
    end = f"; {would.not_started.total():,} would not have started ({left})" if left else ""
    return f"{begin}{middle}{end}."


def reasons(counts: Mapping[str, int]) -> str:
    """`4 overlap, 1 expired`; nothing where there are none."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {reason}" for reason, count in ordered if count)


def simulation_document(simulation: Simulation) -> dict[str, Any]:
    """The simulation as JSON."""
    return {
        "formatVersion": 1,
        "from": format_instant(simulation.period.since),
        "to": format_instant(simulation.period.until),
        "summary": summary_sentence(simulation),
        "would": _counts(simulation.would),
        "happened": _counts(simulation.happened),
        "autopilots": [
            {
                "workspace": comparison.workspace,
                "name": comparison.name,
                "planned": comparison.planned,
                "would": _counts(comparison.would),
                "happened": _counts(comparison.happened),
            }
            for comparison in simulation.autopilots
        ],
        "deliveries": {
            "evaluated": simulation.evaluated,
            "unevaluated": simulation.unevaluated,
            "missed": [_judged(delivery) for delivery in simulation.missed],
            "gained": [_judged(delivery) for delivery in simulation.gained],
        },
        "assumptions": simulation.assumptions,
        "cut": simulation.cut,
    }


def _counts(counts: Counts) -> dict[str, Any]:
    not_started = {str(reason): n for reason, n in sorted(counts.not_started.items()) if n}
    return {"started": counts.started, "notStarted": not_started}


def _judged(delivery: JudgedDelivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "at": format_instant(delivery.at),
        "trigger": delivery.place,
        "event": delivery.event,
        "why": delivery.why,
    }
