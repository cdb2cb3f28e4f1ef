"""The newest runs and missed intervals of several autopilots, on both databases."""

from datetime import timedelta

from reconciler.core.runs.run import MissedReason
from reconciler.core.schedule.decide import Span
from reconciler.store.runs.missed import Missed, record_missed
from reconciler.store.runs.newest import newest_missed, newest_runs
from tests.support.rig import Rig, agent, autopilot, id_of, schedule

HOUR = timedelta(hours=1)
NAMES = ("busy", "quiet", "new")
IDS = [id_of(name) for name in NAMES]


def test_the_newest_runs_of_each_newest_first_and_without_payload(rig: Rig) -> None:
    rig.apply(agent(), *(autopilot(name) for name in NAMES))
    busy = [rig.launch("busy", payload={"n": n}).id for n in range(5)]
    quiet = [rig.launch("quiet").id]
    found = rig.database.read(lambda tx: newest_runs(tx, IDS, 3))
    assert {id_: [run.id for run in runs] for id_, runs in found.items()} == {
        id_of("busy"): busy[:1:-1],
        id_of("quiet"): quiet,
    }
    assert [run.payload for run in found[id_of("busy")]] == [None] * 3


def test_the_newest_missed_intervals_of_each(rig: Rig) -> None:
    rig.apply(agent(), *(autopilot(name, schedule()) for name in NAMES))
    start = rig.clock.now()
    for number in range(4):
        first = start + number * HOUR
        span = Span(MissedReason.MISSED, first, first, 1, True, f"number {number}")
        one = Missed(rig.triggers("busy")["clock"].id, id_of("busy"), span, start - HOUR)
        rig.database.write(lambda tx, one=one: record_missed(tx, [one], start))  # type: ignore[misc]
    found = rig.database.read(lambda tx: newest_missed(tx, IDS, 2))
    (intervals,) = found.values()
    assert [one.detail for one in intervals] == ["number 3", "number 2"]
