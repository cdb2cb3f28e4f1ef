"""Simulating manifests over a time that was: history in, `simulate` asked, both side by side.

1. Find the autopilots of the manifests, and those of the source that would be gone.
2. Ask the new `when` of every stored delivery, and evaluate its key.
3. Let each autopilot live through the time; beside it stands what is recorded.
"""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from reconciler.control.evaluation.evaluator import Evaluator, Failed
from reconciler.control.evaluation.moments import Broken, Declined, Moment, ask_when
from reconciler.core.base.errors import Unavailable
from reconciler.core.base.identity import Key, trigger_id
from reconciler.core.cel import event_scope
from reconciler.core.manifest.model import Autopilot, AutopilotStatus, Kind
from reconciler.core.manifest.state import Declared, Stored
from reconciler.core.manifest.trigger import ScheduleTrigger, WebhookTrigger
from reconciler.core.runs.admission import Policy
from reconciler.core.runs.key import own_key
from reconciler.core.runs.run import Reason, Run
from reconciler.core.runs.standing import Switches, standing_of
from reconciler.core.schedule.agenda import Agenda
from reconciler.core.schedule.audit import Period, within_calendar
from reconciler.core.schedule.simulate import (
    Arrival,
    Counts,
    SimulatedAutopilot,
    SimulatedSchedule,
    simulate,
)
from reconciler.core.schedule.simulation_report import (
    AutopilotComparison,
    JudgedDelivery,
    Simulation,
)
from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.payload import parse_body
from reconciler.core.webhooks.schemes import without_token
from reconciler.store.engine.database import Database
from reconciler.store.past import deliveries_of, durations, what_happened
from reconciler.store.runs.last import read_last_before
from reconciler.store.webhooks.deliveries import Delivery, get_delivery

MOST = 100_000
"""Occurrences and deliveries together."""
ASSUMED = timedelta(minutes=5)
"""How long a run takes where no past one says."""

ALWAYS = (
    "a server that always runs, agents with room for all, and nothing under way at the beginning",
    "of a delivery's headers, only those that its log keeps",
)


@dataclass(frozen=True, slots=True)
class Past:
    """What is recorded; no `database` where there is none yet.

    After `seconds` no further delivery is evaluated: each may take a quarter of a second.
    """

    database: Database | None
    evaluator: Evaluator
    seconds: float = math.inf
    _began: float = field(default_factory=time.monotonic)

    @property
    def out_of_time(self) -> bool:
        """Whether no further delivery is evaluated."""
        return time.monotonic() - self._began > self.seconds

    def runs(
        self, ids: Sequence[str], period: Period
    ) -> tuple[dict[str, timedelta], dict[str, Counts]]:
        """How long the runs of these autopilots take, and what became of those of the period."""
        if self.database is None:
            return {}, {}
        return self.database.read(lambda tx: (durations(tx, ids), what_happened(tx, ids, period)))


def simulate_manifests(
    past: Past,
    desired: Mapping[Key, Declared],
    current: Mapping[Key, Stored],
    source_id: str,
    period: Period,
    *,
    most: int = MOST,
) -> Simulation:
    """What `desired` would have done in `period`, beside what happened. Blocks."""
    period = Period(within_calendar(period.since), within_calendar(period.until))
    simulation = Simulation(period, assumptions=[*ALWAYS])
    declared = [row for row in desired.values() if row.key.kind == Kind.AUTOPILOT]
    declared_ids = {row.id for row in declared}
    blocked = {row.id for row in current.values() if row.source_id not in (None, source_id)}
    autopilots = [row for row in declared if row.id not in blocked]
    gone = [
        row
        for key, row in current.items()
        if key.kind == Kind.AUTOPILOT and row.source_id == source_id and row.id not in declared_ids
    ]
    ids = [*declared_ids, *(row.id for row in gone)]
    lengths = past.database.read(lambda tx: durations(tx, ids)) if past.database else {}
    happened = (
        past.database.read(lambda tx: what_happened(tx, ids, period)) if past.database else {}
    )
    for row in autopilots:
        would, used = _live_through(past, simulation, row, lengths.get(row.id), most)
        most -= used
        recorded = happened.get(row.id, Counts())
        place = (row.key.workspace, row.key.name)
        simulation.autopilots.append(AutopilotComparison(*place, would, recorded, planned=True))
    for stored in gone:
        place = (stored.key.workspace, stored.key.name)
        recorded = happened.get(stored.id, Counts())
        simulation.autopilots.append(AutopilotComparison(*place, Counts(), recorded, planned=False))
    if unmeasured := sum(row.id not in lengths for row in autopilots):
        minutes = ASSUMED // timedelta(minutes=1)
        simulation.assumptions.append(
            f"{minutes} minutes for each run of {unmeasured:,} autopilots without past runs; of "
            "the others, the median of the last ones"
        )
    simulation.assumptions += _unknowable(row.document for row in autopilots)
    if others := len(declared) - len(autopilots):
        simulation.assumptions.append(f"{others:,} autopilots of other sources are left out")
    return simulation


def _unknowable(documents: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What is assumed of manifests whose runs depend on what a run leaves."""
    specs = [document["spec"] for document in documents]
    triggers = [trigger for spec in specs for trigger in spec["triggers"]]
    if any(trigger["kind"] == "schedule" and "when" in trigger for trigger in triggers):
        yield "the `lastRun` that `when` of a schedule reads is the one that is recorded"
    if any("precheck" in spec for spec in specs):
        yield "every precheck goes on"


def _live_through(
    past: Past, simulation: Simulation, row: Declared, length: timedelta | None, most: int
) -> tuple[Counts, int]:
    """One autopilot; also how many arrivals it used up."""
    model = Autopilot.model_validate(row.document)
    spec = model.spec
    judged = _Judged(past, simulation, row, model)
    wanted = sorted(judged.wanted(most), key=lambda arrival: arrival.at)
    switches = Switches(status=AutopilotStatus(spec.status))
    simulated = simulate(
        SimulatedAutopilot(
            policy=Policy.of(spec),
            duration=min(length or ASSUMED, spec.timeout),
            queue_ttl=spec.queue_ttl,
            standing=standing_of(switches, timedelta(0), simulation.period.since),
            schedules=list(_schedules(past, row, model)),
            deliveries=wanted,
        ),
        simulation.period,
        most=most,
    )
    simulated.counts.not_started["ignored"] += judged.unwanted
    if simulated.cut_at is not None:
        simulation.cut = (
            f"only {MOST:,} occurrences and deliveries are simulated: {row.key.workspace}/"
            f"{row.key.name} up to {simulated.cut_at:%Y-%m-%d %H:%MZ}, nothing of those after it; "
            "ask for a shorter time"
        )
    return simulated.counts, simulated.arrivals


def _schedules(past: Past, row: Declared, model: Autopilot) -> Iterator[SimulatedSchedule]:
    if model.spec.status == AutopilotStatus.ARCHIVED:
        return  # it fires nothing, and records nothing
    for trigger in model.spec.triggers:
        if isinstance(trigger, ScheduleTrigger) and trigger.enabled:
            agenda = Agenda.of(trigger_id(row.id, trigger.name), trigger)
            asked = _Asked(past, row, trigger.model_dump(mode="json", by_alias=True))
            yield SimulatedSchedule(
                trigger.name, agenda, trigger.catch_up, trigger.catch_up_window, asked.declines
            )


@dataclass(frozen=True, slots=True)
class _Asked:
    """The `when` of one schedule, over the runs that are recorded."""

    past: Past
    row: Declared
    document: Mapping[str, Any]

    def declines(self, at: datetime) -> str | None:
        """Why nothing would be started at a moment; None for what cannot be asked any more."""
        if self.document.get("when") is None or self.past.out_of_time:
            return None
        moment = Moment(trigger=self.document, now=at, last=self._last(at))
        try:
            answer = ask_when(self.past.evaluator, self.row.document, moment)
        except Unavailable:
            return None
        match answer:
            case Declined():
                return Reason.NOTHING_TO_DO
            case Broken():
                return Reason.PRECHECK_FAILED
            case None:
                return None

    def _last(self, at: datetime) -> Run | None:
        if self.past.database is None:
            return None
        return self.past.database.read(lambda tx: read_last_before(tx, self.row.id, at))


@dataclass
class _Judged:
    """The stored deliveries of one autopilot under its new manifest."""

    past: Past
    simulation: Simulation
    row: Declared
    model: Autopilot
    unwanted: int = 0

    def wanted(self, most: int) -> Iterator[Arrival]:
        """Those that would ask for a run."""
        documents = {
            document["name"]: document for document in self.row.document["spec"]["triggers"]
        }
        for trigger in self.model.spec.triggers:
            if not isinstance(trigger, WebhookTrigger):
                continue
            for delivery in self._stored(trigger, most):
                arrival = self._judge(trigger, documents[trigger.name], delivery)
                if arrival is not None:
                    yield arrival

    def _stored(self, trigger: WebhookTrigger, most: int) -> Sequence[Delivery]:
        if self.past.database is None:
            return ()
        id_, period = trigger_id(self.row.id, trigger.name), self.simulation.period
        return self.past.database.read(lambda tx: deliveries_of(tx, id_, period, most + 1))

    def _judge(
        self, trigger: WebhookTrigger, document: Mapping[str, Any], delivery: Delivery
    ) -> Arrival | None:
        was = delivery.verdict != "ignored"
        why, key = self._verdict(trigger, document, delivery)
        wanted = why is None
        if wanted is not was:
            place = f"{self.row.key.workspace}/{self.row.key.name}/{trigger.name}"
            told = why or f"it was ignored: {delivery.reason or 'no reason is recorded'}"
            judged = JudgedDelivery(delivery.id, delivery.received_at, place, delivery.event, told)
            (self.simulation.gained if wanted else self.simulation.missed).append(judged)
        if not wanted:
            self.unwanted += 1
            return None
        return Arrival(delivery.received_at, trigger.name, key, delivery_id=delivery.id)

    def _verdict(
        self, trigger: WebhookTrigger, document: Mapping[str, Any], delivery: Delivery
    ) -> tuple[str | None, str]:
        """Why it would be ignored (None: it would not), and its key."""
        key = self.model.spec.concurrency_key
        if not trigger.enabled:
            self.simulation.evaluated += 1
            return "the trigger is disabled", ""
        if trigger.when is None and key is None:
            self.simulation.evaluated += 1
            return None, ""
        scope = None if self.past.out_of_time else self._scope(document, delivery)
        if scope is None:
            self.simulation.unevaluated += 1
            return (None if delivery.verdict != "ignored" else "as it was"), ""
        self.simulation.evaluated += 1
        if trigger.when is not None:
            result = self.past.evaluator.condition(trigger.when, scope)
            if isinstance(result, Failed):
                return f"the condition 'when' could not be evaluated: {result.message}", ""
            if not result.value:
                return "the condition 'when' is false", ""
        return None, self._key(key, scope, delivery)

    def _key(self, key: str | None, scope: Mapping[str, Any], delivery: Delivery) -> str:
        if key is None:
            return ""
        result = self.past.evaluator.key(key, scope)
        return own_key(delivery.id) if isinstance(result, Failed) else str(result.value)

    def _scope(self, document: Mapping[str, Any], delivery: Delivery) -> dict[str, Any] | None:
        """What expressions may read; None where the body is no longer kept or cannot be read."""
        database = self.past.database
        whole = database.read(lambda tx: get_delivery(tx, delivery.id)) if database else None
        if whole is None or whole.body is None:
            return None
        try:
            payload = parse_body(whole.content_type, whole.body).payload
        except BodyError:
            return None
        payload = without_token(whole.scheme or "", payload)
        return event_scope(self.row.document, document, payload=payload, headers=whole.headers)
