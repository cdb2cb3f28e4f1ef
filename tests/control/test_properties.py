"""Time and runs under any order of events: what docs/time.md and docs/runs.md promise."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from reconciler.control.dispatching.stop import PROOF_GRACE
from reconciler.control.runs.switches import pause, resume
from reconciler.core.base.errors import Conflict
from reconciler.core.base.identity import trigger_id
from reconciler.core.calendar.jitter import jitter_of
from reconciler.core.calendar.schedule import EPOCH, next_after
from reconciler.core.manifest.trigger import ScheduleTrigger
from reconciler.core.runs.run import Completed, Failed, MissedInterval, Reason, Run
from tests.control.conftest import Fresh
from tests.support.rig import Document, Rig, agent, autopilot, id_of, schedule

NEVER = datetime.min.replace(tzinfo=UTC)
ON_SQLITE = settings(max_examples=40, deadline=None)
ON_POSTGRES = settings(max_examples=5, deadline=None)


# Time: every occurrence is a run or lies in exactly one interval.

STARTS = [
    datetime(2026, 3, 28, 20, 0, tzinfo=UTC),  # the clocks of Europe go forward in the night
    datetime(2026, 10, 24, 20, 0, 30, tzinfo=UTC),  # and back
    datetime(2026, 11, 2, 8, 0, tzinfo=UTC),
]
WHEN: st.SearchStrategy[Document] = st.sampled_from(
    [
        {"cron": "*/7 * * * *"},
        {"cron": "0 * * * *", "timezone": "Asia/Kathmandu"},
        {"cron": "30 2 * * *", "timezone": "Europe/Rome"},
        {"cron": "*/20 1-3 * * *", "timezone": "Europe/Rome"},
        {"cron": "15 9-17 * * MON-FRI", "timezone": "America/New_York"},
        {"every": "45m"},
        {"every": "90m", "startAt": "2026-03-28T21:10:00Z"},
        {"every": "1h", "startAt": "2026-10-24T22:00:00Z", "endAt": "2026-10-25T03:00:00Z"},
        {"at": "2026-10-25T02:30", "timezone": "Europe/Rome"},
        {"at": "2026-11-02T10:00:00Z"},
    ]
)


@st.composite
def triggers(draw: st.DrawFn) -> Document:
    """A schedule of any kind, with jitter or without, under any `catchUp`."""
    return schedule(
        **{"cron": None, **draw(WHEN)},
        jitter=draw(st.sampled_from(["0s", "0s", "5m", "2h"])),
        catchUp=draw(st.sampled_from(["latest", "all", "none"])),
        catchUpWindow=draw(st.sampled_from(["1m", "1h", "24h"])),
        enabled=draw(st.sampled_from([True, True, True, False])),
    )


def policies() -> st.SearchStrategy[Document]:
    """The part of a spec that says how many runs there may be."""
    return st.fixed_dictionaries(
        {
            "concurrencyPolicy": st.sampled_from(["skip", "queue", "replace"]),
            "maxConcurrency": st.integers(1, 3),
            "maxActive": st.integers(1, 3),
            "queueLimit": st.integers(1, 4),
            "queueTtl": st.sampled_from(["10m", "24h"]),
            "pauseAfterFailures": st.sampled_from([0, 1, 2]),
        }
    )


SPANS = st.sampled_from([0, 1, 59, 60, 301, 421, 3600, 3 * 3600 + 7, 11 * 3600, 40 * 3600])
"""Seconds that pass."""
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), SPANS),
        st.tuples(st.just("tick"), SPANS),
        st.tuples(st.just("down"), SPANS),
        st.tuples(st.just("back"), SPANS),
        st.tuples(st.just("edit"), triggers()),
        st.tuples(st.just("late edit"), triggers()),
        st.tuples(st.just("status"), st.sampled_from(["active", "active", "paused"])),
        st.tuples(st.sampled_from(["pause", "resume", "succeed", "fail"]), st.none()),
    ),
    min_size=3,
    max_size=14,
)


def nominal(trigger: Document, after: datetime, until: datetime) -> list[datetime]:
    """The occurrences with `after < o <= until`, counted one by one."""
    return list(takewhile(lambda o: o <= until, occurrences(trigger, after)))


def occurrences(trigger: Document, after: datetime) -> Iterator[datetime]:
    """All occurrences after a moment, within the bounds of the trigger."""
    start, end = moment(trigger.get("startAt")), moment(trigger.get("endAt"))
    for one in unbounded(trigger, after, start):
        if end is not None and one > end:
            return
        if one > after and (start is None or one >= start):
            yield one


def unbounded(trigger: Document, after: datetime, start: datetime | None) -> Iterator[datetime]:
    """The occurrences of the schedule alone."""
    zone = trigger.get("timezone", "UTC")
    if "at" in trigger:
        yield AT[trigger["at"]]
    elif "every" in trigger:
        period = ScheduleTrigger.model_validate(trigger).every
        assert period is not None
        one = start or EPOCH + (after - EPOCH) // period * period
        while True:
            yield one
            one += period
    else:
        found = next_after(trigger["cron"], zone, after)
        while found is not None:
            yield found
            found = next_after(trigger["cron"], zone, found)


AT = {
    "2026-10-25T02:30": datetime(2026, 10, 25, 0, 30, tzinfo=UTC),  # the first of the two
    "2026-11-02T10:00:00Z": datetime(2026, 11, 2, 10, 0, tzinfo=UTC),
}


def moment(text: str | None) -> datetime | None:
    """A moment with its offset."""
    return datetime.fromisoformat(text) if text else None


@dataclass
class Model:
    """Which occurrences must be decided. `start` is when the trigger was last changed."""

    trigger: Document
    start: datetime
    ticked: datetime = NEVER
    settled: list[datetime] = field(default_factory=list)

    def due(self) -> list[datetime]:
        """What was due at the latest tick since the last change."""
        if not self.trigger["enabled"]:
            return []
        found = nominal(self.trigger, self.start, max(self.start, self.ticked))
        return [one for one in found if one + self._jitter(one) <= self.ticked]

    def _jitter(self, one: datetime) -> timedelta:
        jitter = ScheduleTrigger.model_validate(self.trigger).jitter
        following = next(occurrences(self.trigger, one), None)
        gap = following - one if following else None
        return jitter_of(trigger_id(id_of("triage"), "clock"), one, jitter, gap)

    def change(self, trigger: Document, now: datetime) -> None:
        """From now on the other schedule counts; what was overtaken has to be recorded."""
        due = self.due()
        overtaken = nominal(self.trigger, self.start, now) if self.trigger["enabled"] else []
        self.settled += sorted({*due, *overtaken})
        self.start = max([now, self.start, *due])
        self.trigger, self.ticked = trigger, NEVER

    def expected(self) -> list[datetime]:
        """Every occurrence that is a run or recorded."""
        return [*self.settled, *self.due()]


@dataclass
class Story:
    """The rig and the model, side by side."""

    rig: Rig
    model: Model
    spec: Document
    status: str = "active"

    def apply(self) -> None:
        self.rig.apply(
            agent(), autopilot("triage", self.model.trigger, status=self.status, **self.spec)
        )

    def tick(self) -> None:
        """A second round at the same moment changes nothing."""
        self.rig.tick()
        self.model.ticked = max(self.model.ticked, self.rig.clock.now())
        before = seen(self.rig)
        self.rig.tick()
        assert seen(self.rig) == before

    def happen(self, what: str, value: Any) -> None:
        rig, now = self.rig, self.rig.clock.now()
        match what:
            case "tick":
                rig.clock.advance(seconds=value)
                self.tick()
            case "down":
                rig.clock.advance(seconds=value)
            case "back":
                rig.clock.jump(seconds=-min(value, 3600))
            case "edit":
                if value != self.model.trigger:
                    self.model.change(value, now)
                self.apply()
            case "late edit":
                rig.clock.advance(hours=13)
                self.happen("edit", value)
            case "status":
                self.status = value
                self.apply()
            case "pause":
                rig.database.write(lambda tx: pause(tx, id_of("triage"), "ann", None, now))
            case "resume":
                rig.database.write(lambda tx: resume(tx, id_of("triage"), now))
            case _:
                self.end(what)

    def end(self, how: str) -> None:
        outcome = Completed("done") if how == "succeed" else Failed(Reason.AGENT_FAILED, "no")
        for run in [run for run in self.rig.runs() if run.active][:1]:
            self.rig.end(run, outcome)

    def check(self) -> None:
        """Every occurrence once; nothing else; the counts are what they say."""
        ran = [run.scheduled_for for run in self.rig.runs() if run.scheduled_for]
        spans, expected = self.rig.missed(), self.model.expected()
        assert len(ran) == len(set(ran))
        for one in expected:
            assert ran.count(one) + sum(covers(span, one) for span in spans) == 1, one
        assert set(ran) <= set(expected)
        for span in spans:
            assert {span.first, span.last} <= set(expected)
            within = sum(covers(span, one) for one in expected)
            assert span.count == within if span.exact else 1000 <= (span.count or 0) <= within


def covers(span: MissedInterval, one: datetime) -> bool:
    """Whether an occurrence lies in the interval."""
    return span.last is not None and span.first <= one <= span.last


def seen(rig: Rig) -> tuple[Any, ...]:
    """All that a round could change."""
    return rig.runs(), rig.missed(), rig.triggers(), rig.live()


@pytest.mark.hypothesis
def test_every_occurrence_is_a_run_or_lies_in_one_interval(on_sqlite: Fresh) -> None:
    @ON_SQLITE
    @given(st.sampled_from(STARTS), triggers(), policies(), EVENTS)
    def story(start: datetime, trigger: Document, spec: Document, events: list[Any]) -> None:
        tell(on_sqlite, start, trigger, spec, events)

    story()


@pytest.mark.hypothesis
@pytest.mark.postgres
def test_every_occurrence_on_postgresql(on_postgres: Fresh) -> None:
    @ON_POSTGRES
    @given(st.sampled_from(STARTS), triggers(), policies(), EVENTS)
    def story(start: datetime, trigger: Document, spec: Document, events: list[Any]) -> None:
        tell(on_postgres, start, trigger, spec, events)

    story()


def tell(
    fresh: Fresh, start: datetime, trigger: Document, spec: Document, events: list[Any]
) -> None:
    """Let it all happen, then look."""
    with fresh(start) as rig:
        story = Story(rig, Model(trigger, start), spec)
        story.apply()
        for what, value in events:
            story.happen(what, value)
        story.tick()
        story.check()
        event(f"{len(rig.runs()) > 0=} {len(rig.missed()) > 0=}")


# Runs: caps, deadlines, and never two alive.

LIFE = st.lists(
    st.one_of(
        st.tuples(st.just("launch"), st.sampled_from(["a", "b"])),
        st.tuples(st.just("launch"), st.sampled_from(["a", "b"])),
        st.tuples(st.just("round"), st.sampled_from([0, 1, 20, 31, 61])),
        st.tuples(st.just("tick"), st.sampled_from([0, 61])),
        st.tuples(st.just("claim"), st.integers(1, 3)),
        st.tuples(st.sampled_from(["beat", "complete", "fail"]), st.integers(0, 2)),
    ),
    min_size=4,
    max_size=16,
)


@pytest.mark.hypothesis
def test_caps_deadlines_and_replacements_hold_in_any_order(on_sqlite: Fresh) -> None:
    @settings(max_examples=25, deadline=None)
    @given(policies(), st.booleans(), LIFE)
    def life(spec: Document, keyed: bool, events: list[Any]) -> None:
        live_through(on_sqlite, {**spec, "pauseAfterFailures": 0}, keyed, events)

    life()


@pytest.mark.hypothesis
@pytest.mark.postgres
def test_caps_deadlines_and_replacements_on_postgresql(on_postgres: Fresh) -> None:
    @ON_POSTGRES
    @given(policies(), st.booleans(), LIFE)
    def life(spec: Document, keyed: bool, events: list[Any]) -> None:
        live_through(on_postgres, {**spec, "pauseAfterFailures": 0}, keyed, events)

    life()


def live_through(fresh: Fresh, spec: Document, keyed: bool, events: list[Any]) -> None:
    """Let runs come and go; look after every step."""
    key = {"concurrencyKey": "has(payload.k) ? payload.k : ''"} if keyed else {}
    with fresh(STARTS[-1]) as rig:
        rig.apply(agent(), autopilot("triage", schedule(), timeout="2m", **spec, **key))
        held: list[Any] = []
        for what, value in events:
            act(rig, held, what, value)
            caps_hold(rig.runs(), spec)
        rig.round(seconds=151)
        rig.round()
        nothing_overstays(rig)
        one_after_the_other(rig.runs(), spec)


def act(rig: Rig, held: list[Any], what: str, value: Any) -> None:
    """One step of somebody: the clock, the runner, a worker, a caller."""
    match what:
        case "launch":
            rig.launch(payload={"k": value})
        case "round":
            rig.round(seconds=value)
        case "tick":
            rig.tick(seconds=value)
        case "claim":
            held += rig.claim(most=value)
        case _ if value < len(held):
            report(rig, held[value], what)


def report(rig: Rig, lease: Any, what: str) -> None:
    """A worker speaks of a run that it may have lost."""
    try:
        if what == "beat":
            rig.beat(lease)
        else:
            rig.complete(lease, "completed" if what == "complete" else "failed")
    except Conflict:
        assert rig.run_of(lease.run.id).ended


def caps_hold(runs: list[Run], spec: Document) -> None:
    """Active runs of each key, and of all."""
    active = [run.key for run in runs if run.active]
    assert len(active) <= spec["maxActive"]
    assert all(active.count(key) <= spec["maxConcurrency"] for key in active)


def nothing_overstays(rig: Rig) -> None:
    """A round finds what is past its deadline and the time for a proof, another ends it."""
    for run in rig.runs():
        if run.active:
            assert run.deadline_at is not None
            assert rig.clock.now() < run.deadline_at + PROOF_GRACE, run


def one_after_the_other(runs: list[Run], spec: Document) -> None:
    """With replace and room for one, each had ended before the next of its key was admitted."""
    if (spec["concurrencyPolicy"], spec["maxConcurrency"]) != ("replace", 1):
        return
    admitted = sorted((r for r in runs if r.admitted_at), key=lambda r: (r.admitted_at, r.id))
    for key in {run.key for run in admitted}:
        of_key = [run for run in admitted if run.key == key]
        for old, new in pairwise(of_key):
            assert old.completed_at is not None
            assert new.admitted_at is not None
            assert old.completed_at <= new.admitted_at
