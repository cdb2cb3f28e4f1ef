"""Whoever dies and whatever fails: each entry is told of, or counted in one that is."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.manifest.notify import Event
from reconciler.core.notify.again import QUIET, next_attempt
from reconciler.core.notify.entry import AttemptResult, Entry, NotificationStatus
from reconciler.store.engine.database import Tx
from reconciler.store.notify.lists import EntryFilter, find_entries
from reconciler.store.notify.outbox import Occasion, note_occasions
from reconciler.store.notify.queue import Attempt, claim_entries, hand_back, settle_entries
from tests.support.health import SHARED_FIXTURE
from tests.support.notifying import tells
from tests.support.rig import Rig, agent, autopilot, id_of

NAMES = ("a", "b")
LEASE = timedelta(seconds=30)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("happens"), st.sampled_from(NAMES), st.sampled_from(["late", "breaker"])),
        st.tuples(st.just("pass"), st.sampled_from([1, 20, 40, 200, 400])),
        st.tuples(
            st.just("send"),
            st.sampled_from(["one", "two"]),
            st.sampled_from(["sent", "failed", "dies", "dies after it sent", "untried"]),
            st.integers(1, 3),
        ),
    ),
    max_size=30,
)


class World:
    """A rig whose outbox is filled by hand, and what was really sent: (when, entry)."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.sent: list[tuple[datetime, Entry]] = []
        self.number = 0
        rig.apply(agent(), *(autopilot(name, notify=[tells("late", "breaker")]) for name in NAMES))

    def happens(self, name: str, event: str) -> None:
        """Something to be told of."""
        self.number += 1
        self.rig.clock.advance(seconds=1)
        live, now = self.rig.live(name), self.rig.clock.now()
        told = Occasion(Event(event), f"o-{self.number}", live.id, "default", live.digest, {})
        self.rig.database.write(lambda tx: note_occasions(tx, [told], now))

    def send(self, owner: str, fate: str, most: int) -> int:
        """A claim of a sender and what becomes of it; the number of entries claimed."""
        now = self.rig.clock.now()
        claimed = self.rig.database.write(
            lambda tx: claim_entries(tx, "oncall", owner, now, now + LEASE, most)
        )
        if fate in ("sent", "dies after it sent"):
            self.sent += [(now, entry) for entry in claimed]
        self.rig.database.write(lambda tx: self._record(tx, claimed, owner, fate, now))
        return len(claimed)

    def _record(
        self, tx: Tx, claimed: Sequence[Entry], owner: str, fate: str, now: datetime
    ) -> None:
        match fate:
            case "sent":
                done = [Attempt(e.id, AttemptResult.SENT, "", None) for e in claimed]
                settle_entries(tx, done, owner, now)
            case "failed":
                failed = [
                    Attempt(
                        e.id, AttemptResult.FAILED, "no",
                        next_attempt(e.id, e.created_at, e.attempts, now),
                    )
                    for e in claimed
                ]  # fmt: skip
                settle_entries(tx, failed, owner, now)
            case "untried":
                hand_back(tx, [e.id for e in claimed], owner, now)

    def entries(self) -> list[Entry]:
        """The outbox."""
        return self.rig.database.read(lambda tx: find_entries(tx, EntryFilter(), limit=1000))

    def drain(self) -> None:
        """Let time pass until nothing waits."""
        for _ in range(60):
            self.send("last", "sent", 100)
            if not any(e.status is NotificationStatus.PENDING for e in self.entries()):
                return
            self.rig.clock.advance(seconds=100)
        raise AssertionError("something waits for ever")


def carried_out(rig: Rig, steps: Sequence[tuple[Any, ...]]) -> None:
    """Carry out all steps, drain, and hold the outcome against the promises."""
    world = World(rig)
    for step in steps:
        match step:
            case ("happens", name, event):
                world.happens(name, event)
            case ("pass", seconds):
                rig.clock.advance(seconds=seconds)
            case ("send", owner, fate, most):
                world.send(owner, fate, most)
    world.drain()
    entries = world.entries()
    sent = [entry for entry in entries if entry.status is NotificationStatus.SENT]
    assert sum(1 + entry.held_back for entry in sent) == len(entries) == world.number
    first: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    times = Counter[str]()
    for moment, entry in world.sent:
        times[entry.id] += 1
        assert times[entry.id] == 1 or entry.attempts > 1, "a repeat says so"
        if times[entry.id] == 1:
            first[entry.topic, entry.kind].append(moment)
    assert {entry.id for entry in sent} <= times.keys()
    for moments in first.values():
        gaps = [later - earlier for earlier, later in pairwise(moments)]
        assert all(gap >= QUIET for gap in gaps), "once in five minutes"
    assert {e.topic for e in entries} <= {id_of(name) for name in NAMES}


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=SHARED_FIXTURE,
)
@given(steps=STEPS)
def test_on_sqlite(fresh_sqlite: Any, steps: list[tuple[Any, ...]]) -> None:
    with fresh_sqlite() as rig:
        carried_out(rig, steps)


@pytest.mark.postgres
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=SHARED_FIXTURE,
)
@given(steps=STEPS)
def test_on_postgresql(fresh_postgres: Any, steps: list[tuple[Any, ...]]) -> None:
    with fresh_postgres() as rig:
        carried_out(rig, steps)
