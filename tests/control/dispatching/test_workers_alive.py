"""Never two alive, with workers: answers get lost, workers die and stall, servers come and go.

A worker keeps its side of the contract: it stops when its lease has expired without an answer to a
heartbeat, when it is told to, and when a call says that the lease is lost. Each round of the rig is
a server process of its own.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from reconciler.control.dispatching.workers import Claimed
from reconciler.core.base.errors import Conflict
from tests.support.rig import Rig, agent, autopilot

LEASE = 30.0
STEPS = 40
POLICIES = ("skip", "queue", "replace")


@dataclass
class Working:
    """A worker at work on one run, as it knows it."""

    held: Claimed
    until: datetime
    autopilot: str
    stopped: bool = False
    dead: bool = False

    def alive(self, now: datetime) -> bool:
        """Whether something of it is at work."""
        return not self.stopped and now < self.until


@dataclass
class Workers:
    """All workers, lazy and unlucky ones among them."""

    rig: Rig
    chance: random.Random
    busy: list[Working]
    beyond: timedelta = timedelta(0)
    """How long one works on after its lease has expired, against the rule."""

    def claim(self) -> None:
        """Take what there is; an answer that is lost leaves a run with nobody."""
        for held in self.rig.claim(seconds=LEASE, most=self.chance.choice([1, 3])):
            if self.chance.random() < 0.85:
                until = held.lease_until + self.beyond
                self.busy.append(Working(held, until, held.run.autopilot_id))

    def beat(self, worker: Working) -> None:
        """Report; without the answer nothing is known."""
        try:
            beat = self.rig.beat(worker.held)
        except Conflict:
            worker.stopped = True
            return
        if self.chance.random() < 0.8:
            worker.until = (beat.lease_until or worker.until) + self.beyond
            if beat.cancel:
                self.complete(worker)

    def complete(self, worker: Working) -> None:
        """Stop, then say so; a call that is lost may or may not have arrived."""
        worker.stopped = True
        if self.chance.random() < 0.9:
            try:
                self.rig.complete(worker.held)
            except Conflict:
                return

    def step(self) -> None:
        """What each worker does in this step."""
        now = self.rig.clock.now()
        for worker in [w for w in self.busy if w.alive(now) and not w.dead]:
            luck = self.chance.random()
            if luck < 0.05:
                worker.dead = True  # it says nothing more, and is at work until its lease expires
            elif luck < 0.65:
                self.beat(worker)
            elif luck < 0.85:
                self.complete(worker)

    def assert_none_beside_another(self) -> None:
        """One worker for a run, and one for an autopilot that admits one run at a time."""
        now = self.rig.clock.now()
        alive = [worker for worker in self.busy if worker.alive(now)]
        runs, autopilots = [w.held.run.id for w in alive], [w.autopilot for w in alive]
        assert len(runs) == len(set(runs)), "two alive for one run"
        assert len(autopilots) == len(set(autopilots)), "two alive for one autopilot"


def play(rig: Rig, workers: Workers) -> None:
    """Runs under each policy, workers that take them, and time that passes."""
    rig.apply(
        agent(),
        *(
            autopilot(name, concurrencyPolicy=name, timeout="3m", pauseAfterFailures=0)
            for name in POLICIES
        ),
    )
    chance = workers.chance
    for _ in range(STEPS):
        if chance.random() < 0.5:
            rig.launch(chance.choice(POLICIES))
        rig.round(seconds=chance.choice([1, 5, 12, 20]))
        workers.assert_none_beside_another()
        workers.claim()
        workers.step()
        workers.assert_none_beside_another()


@pytest.mark.parametrize("seed", [3])
def test_no_two_workers_are_alive(rig: Rig, seed: int) -> None:
    play(rig, Workers(rig, random.Random(seed), []))
    for _ in range(12):
        rig.round(seconds=60)
    assert [
        run for name in POLICIES for run in rig.runs(name) if run.active and run.lease_owner
    ] == []


def test_the_property_finds_workers_that_go_on_without_a_lease(rig: Rig) -> None:
    with pytest.raises(AssertionError, match="two alive for one autopilot"):
        play(rig, Workers(rig, random.Random(3), [], beyond=timedelta(minutes=1)))
