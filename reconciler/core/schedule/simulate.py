"""simulate: what autopilots would have done over a time, by the functions that really decide.

Pure: schedules and the deliveries of that time go in, what became of them comes out. Which
occurrences start is `decide`'s answer, whether a run may start is `admit`'s: nothing is decided
here. What cannot be known is assumed (docs/simulate.md#what-is-assumed): a server that always runs,
agents with room, runs of one length, and that nothing is under way at the beginning.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reconciler.core.manifest.trigger import CatchUp
from reconciler.core.runs.admission import (
    Admit,
    Newcomer,
    Occupancy,
    Open,
    Policy,
    Skip,
    Wait,
    admit,
    promotable,
)
from reconciler.core.runs.standing import InForce, Standing
from reconciler.core.schedule.audit import Period
from reconciler.core.schedule.decide import Timetable, decide, upcoming

_TICK = timedelta(microseconds=1)
_DAY = timedelta(days=1)


def _never(_at: datetime) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class SimulatedSchedule:
    """A schedule trigger that is enabled.

    `declines` asks its `when` at a moment: the reason why nothing would be started, or None.
    """

    trigger: str
    timetable: Timetable
    catch_up: CatchUp
    window: timedelta
    declines: Callable[[datetime], str | None] = _never


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something that asks for a run: an occurrence that is due, or a delivery that is wanted."""

    at: datetime
    trigger: str
    key: str = ""
    mergeable: bool = False
    caught_up: bool = False
    delivery_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedAutopilot:
    """An autopilot of the manifests. `deliveries` are those that it wants, oldest first.

    Each of its runs takes `duration`, which is at most its timeout.
    """

    policy: Policy
    duration: timedelta
    queue_ttl: timedelta
    standing: Standing
    schedules: Sequence[SimulatedSchedule] = ()
    deliveries: Sequence[Arrival] = ()


@dataclass(slots=True)
class Counts:
    """How many runs started, and how many did not, by reason."""

    started: int = 0
    not_started: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Counts") -> None:
        """Count what others did as well."""
        self.started += other.started
        self.not_started.update(other.not_started)


@dataclass(frozen=True, slots=True)
class Simulated:
    """What would have been. After `cut_at` nothing was simulated; None where all was."""

    counts: Counts
    arrivals: int
    cut_at: datetime | None = None


def simulate(autopilot: SimulatedAutopilot, period: Period, *, most: int) -> Simulated:
    """Let `period` happen to one autopilot, for at most `most` arrivals."""
    life = _Life(autopilot)
    arrived = 0
    for arrival in _arrivals(autopilot, period, life.counts):
        if arrived >= most:
            return Simulated(life.counts, arrived, arrival.at)
        life.arrive(arrival)
        arrived += 1
    life.end(period.until)
    return Simulated(life.counts, arrived)


def _arrivals(autopilot: SimulatedAutopilot, period: Period, counts: Counts) -> Iterator[Arrival]:
    """All of them, oldest first; what schedules miss is counted."""
    sources = [_due(schedule, autopilot, period, counts) for schedule in autopilot.schedules]
    if isinstance(autopilot.standing, InForce):
        sources.append(iter(autopilot.deliveries))
    else:
        counts.not_started["ignored"] += len(autopilot.deliveries)
    return heapq.merge(*sources, key=lambda arrival: arrival.at)


def _due(
    schedule: SimulatedSchedule, autopilot: SimulatedAutopilot, period: Period, counts: Counts
) -> Iterator[Arrival]:
    """What `decide` starts, asked at each moment at which the schedule is due."""
    caught_up = schedule.catch_up is CatchUp.ALL
    in_force = isinstance(autopilot.standing, InForce)
    cursor = period.since - _TICK
    following = upcoming(schedule.timetable, cursor)
    while following is not None and following.scheduled_for < period.until:
        # Not in force, all of it is one interval: there is nothing to ask at each moment.
        decision = decide(
            schedule.timetable,
            cursor,
            following.run_at if in_force else max(period.until - _TICK, following.run_at),
            standing=autopilot.standing,
            catch_up=schedule.catch_up,
            window=schedule.window,
        )
        for span in decision.spans:
            counts.not_started[span.reason] += span.count
        reason = schedule.declines(following.run_at) if decision.starts else None
        if reason is not None:
            counts.not_started[reason] += len(decision.starts)
        for _ in decision.starts if reason is None else ():
            yield Arrival(following.run_at, schedule.trigger, "", not caught_up, caught_up)
        if decision.cursor is None:
            return
        cursor, following = decision.cursor, decision.next


class _Life:
    """The runs of one autopilot from one arrival to the next."""

    def __init__(self, autopilot: SimulatedAutopilot) -> None:
        self.counts = Counts()
        self._autopilot = autopilot
        self._occupancy = Occupancy()
        self._ends: list[tuple[datetime, str]] = []
        self._numbers = 0

    def arrive(self, arrival: Arrival) -> None:
        """One run asks to be."""
        self._pass(arrival.at)
        self._numbers += 1
        newcomer = Newcomer(
            f"{self._numbers}",
            # A key that cannot be evaluated stands alone: it comes as the delivery's own.
            arrival.key,
            arrival.trigger,
            arrival.mergeable,
            caught_up=arrival.caught_up,
        )
        match admit(self._autopilot.policy, self._occupancy, newcomer, arrival.at):
            case Admit():
                self._enter(newcomer, arrival.at, active=True)
                self._start(newcomer.id, arrival.at)
            case Skip(reason):
                self.counts.not_started[reason] += 1
            case Wait(_, _, stop, overtaken) as wait:
                self._occupancy.leave(overtaken)
                if overtaken:
                    self.counts.not_started[wait.overtaken_as[1]] += len(overtaken)
                self._enter(newcomer, arrival.at, active=False)
                if stop is not None:  # taken to end at once
                    self._occupancy.leave({stop})
                    self._promote(arrival.at)

    def end(self, at: datetime) -> None:
        """Nothing arrives any more until then; count who still waits."""
        self._pass(at)
        if waiting := len(self._occupancy.waiting()):
            self.counts.not_started["waiting"] += waiting

    def _enter(self, newcomer: Newcomer, at: datetime, *, active: bool) -> None:
        self._occupancy.enter(
            Open(newcomer.id, newcomer.key, active, at, newcomer.trigger_id, newcomer.mergeable)
        )

    def _start(self, run_id: str, at: datetime) -> None:
        self.counts.started += 1
        heapq.heappush(self._ends, (at + self._autopilot.duration, run_id))
        if self._autopilot.policy.windows:
            recent = [moment for moment in self._occupancy.admitted if moment > at - _DAY]
            self._occupancy.admitted = [*recent, at]

    def _pass(self, until: datetime) -> None:
        """Let runs end, and those that wait start or expire, up to a moment."""
        while self._ends and self._ends[0][0] <= until:
            at, run_id = heapq.heappop(self._ends)
            self._expire(at)
            self._occupancy.leave({run_id})
            self._promote(at)
        self._expire(until)

    def _expire(self, at: datetime) -> None:
        ttl = self._autopilot.queue_ttl
        expired = [run.id for run in self._occupancy.waiting() if run.since + ttl <= at]
        self._occupancy.leave(expired)
        if expired:
            self.counts.not_started["expired"] += len(expired)

    def _promote(self, at: datetime) -> None:
        while (run_id := promotable(self._autopilot.policy, self._occupancy)) is not None:
            self._occupancy.promote(run_id)
            self._start(run_id, at)
