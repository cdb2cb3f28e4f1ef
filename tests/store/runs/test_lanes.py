"""Runs counted by steps of time: on both databases, and none counted twice."""

from datetime import timedelta

import pytest

from reconciler.core.runs.run import Failed, Reason, Status
from reconciler.store.runs.lanes import count_runs, step_near
from tests.support.rig import Rig, agent, autopilot, id_of


@pytest.mark.parametrize(
    "step", [timedelta(seconds=1), timedelta(minutes=7), timedelta(hours=3), timedelta(days=300)]
)
def test_every_run_of_the_stretch_is_counted_once(rig: Rig, step: timedelta) -> None:
    much = {"maxConcurrency": 100, "maxActive": 1000, "pauseAfterFailures": 0}
    rig.apply(agent(), autopilot("one", **much), autopilot("other"))
    since = rig.clock.now()
    for number in range(20):
        run = rig.launch("one")
        if number % 3 == 0:
            rig.end(run, Failed(Reason.AGENT_FAILED, "no"))
        rig.clock.advance(minutes=11)
    until = rig.clock.now()
    rig.launch("one")
    rig.launch("other")
    counts = rig.database.read(lambda tx: count_runs(tx, id_of("one"), since, until, step))
    assert sum(part.count for part in counts) == 20
    assert sum(part.count for part in counts if part.status is Status.FAILED) == 7
    assert all(since <= part.first <= part.last < until for part in counts)
    near = step_near(step)
    assert all(part.last - part.first < near for part in counts)
    assert near / 2 <= step <= near * 16
