"""limits.perHour and limits.perDay: sliding windows over admissions, for every source."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from reconciler.control.runs.admit import Firing, admit_all
from reconciler.core.runs.run import Completed, Run, Source, Status
from reconciler.store.engine.database import Database, Tx
from reconciler.store.runs.occupancy import lock_autopilots
from tests.support.rig import COOLDOWN, Document, Rig, agent, autopilot, id_of, schedule

MANY: Document = {"maxConcurrency": 100, "maxActive": 100}


def launch_and_end(rig: Rig) -> Run:
    """Start a run by hand; if it may, it ends at once."""
    run = rig.launch()
    if run.active:
        rig.end(run, Completed("done"))
    return run


def reasons(rig: Rig) -> list[str | None]:
    """The reason of each run, oldest first."""
    return [run.reason for run in rig.runs()]


def test_beyond_per_hour_a_run_is_skipped_and_says_so(rig: Rig) -> None:
    rig.apply(agent(), autopilot(limits={"perHour": 3}))
    for _ in range(4):
        launch_and_end(rig)
    last = rig.runs()[-1]
    assert reasons(rig) == [None, None, None, "rate_limited"]
    assert last.status is Status.SKIPPED
    assert "limits.perHour is 3" in (last.failure_reason or "")


def test_the_hour_slides(rig: Rig) -> None:
    """Not the hour of the clock: each admission counts for sixty minutes, no more."""
    rig.apply(agent(), autopilot(limits={"perHour": 2}))
    launch_and_end(rig)
    rig.clock.advance(minutes=40)
    launch_and_end(rig)
    rig.clock.advance(minutes=19, seconds=59)
    assert launch_and_end(rig).reason == "rate_limited"
    rig.clock.advance(seconds=1)
    assert launch_and_end(rig).reason is None
    assert launch_and_end(rig).reason == "rate_limited"


def test_the_day_slides_as_well(rig: Rig) -> None:
    rig.apply(agent(), autopilot(limits={"perDay": 2}))
    launch_and_end(rig)
    rig.clock.advance(hours=20)
    launch_and_end(rig)
    rig.clock.advance(hours=3, minutes=59)
    refused = launch_and_end(rig)
    assert "limits.perDay is 2" in (refused.failure_reason or "")
    rig.clock.advance(minutes=1)
    assert launch_and_end(rig).reason is None


def test_both_windows_hold_at_once(rig: Rig) -> None:
    rig.apply(agent(), autopilot(limits={"perHour": 2, "perDay": 3}))
    for _ in range(3):
        launch_and_end(rig)
    rig.clock.advance(hours=1)
    for _ in range(2):
        launch_and_end(rig)
    assert reasons(rig) == [None, None, "rate_limited", None, "rate_limited"]
    assert "perDay" in (rig.runs()[-1].failure_reason or "")


def test_what_was_skipped_does_not_count(rig: Rig) -> None:
    rig.apply(agent(), autopilot(limits={"perHour": 2}))
    first = rig.launch()
    assert rig.launch().reason == "overlap"
    rig.end(first, Completed("done"))
    assert launch_and_end(rig).reason is None
    assert launch_and_end(rig).reason == "rate_limited"


@pytest.mark.parametrize("policy", ["skip", "queue", "replace"])
def test_a_schedule_obeys_the_limit_under_every_policy(rig: Rig, policy: str) -> None:
    spec: Document = {"limits": {"perHour": 6}, "concurrencyPolicy": policy, **MANY}
    rig.apply(agent(), autopilot("triage", schedule("*/5 * * * *"), **spec))
    for _ in range(24):
        rig.tick(minutes=5)
    admitted = [run.admitted_at for run in rig.runs() if run.admitted_at is not None]
    assert len(admitted) == 12
    for moment in admitted:
        in_window = [one for one in admitted if 0 <= (moment - one).total_seconds() < 3600]
        assert len(in_window) <= 6


def test_what_waits_counts_so_that_a_queue_passes_no_limit(rig: Rig) -> None:
    rig.apply(agent(), autopilot(limits={"perHour": 2}, concurrencyPolicy="queue"))
    first, second, third = (rig.launch(payload={"n": n}) for n in range(3))
    assert (first.active, second.waiting, third.reason) == (True, True, "rate_limited")
    rig.end(first, Completed("done"))
    assert rig.run_of(second.id).active


def test_force_passes_the_limit_and_counts(rig: Rig) -> None:
    rig.apply(agent(), autopilot(limits={"perHour": 1}, **MANY))
    assert rig.launch(force=True).active
    assert rig.launch().reason == "rate_limited"
    assert rig.launch(force=True).active


def test_a_raised_limit_holds_for_the_admissions_that_were(rig: Rig) -> None:
    rig.apply(agent(), autopilot(limits={"perHour": 1}))
    launch_and_end(rig)
    rig.apply(agent(), autopilot(limits={"perHour": 2}))
    assert launch_and_end(rig).reason is None
    assert launch_and_end(rig).reason == "rate_limited"


def test_a_limit_concerns_one_autopilot(rig: Rig) -> None:
    limited = {"limits": {"perHour": 1}}
    rig.apply(agent(), autopilot("triage", **limited), autopilot("other", **limited))
    rig.launch("triage")
    assert rig.launch("other").active


@pytest.mark.parametrize("spec", [{"limits": {"perHour": 1}, **MANY}, {"limits": {"perDay": 1}}])
def test_forty_who_ask_at_once_are_judged_one_after_the_other(
    database: Database, spec: Document
) -> None:
    """By the database's own clock: whoever waited for the row sees who was admitted before."""
    rig = Rig(database)
    rig.apply(agent(), autopilot(**spec))
    with ThreadPoolExecutor(40) as many:
        runs = list(many.map(lambda n: rig.launch(payload={"n": n}), range(40)))
    rig.close()
    admitted = [run for run in runs if run.active]
    assert len(admitted) == 1
    assert {run.reason for run in runs if not run.active} <= {"rate_limited", "overlap"}


def test_a_moment_of_the_host_that_heard_of_it_moves_no_window(rig: Rig) -> None:
    """A webhook that was received long before its transaction counts when it is admitted."""
    rig.apply(agent(), autopilot(limits={"perHour": 1}, **MANY))
    long_ago = rig.clock.now() - timedelta(hours=2)
    firings = [
        Firing(rig.ids.new(at), id_of("triage"), Source.WEBHOOK, at, "T")
        for at in (long_ago, rig.clock.now())
    ]

    def write(tx: Tx) -> list[Run]:
        held = lock_autopilots(tx, [id_of("triage")])
        return admit_all(tx, firings, rig.clock.now(), COOLDOWN, held)

    first, second = rig.database.write(write)
    assert (first.active, second.reason) == (True, "rate_limited")
    ttl = timedelta(hours=24)
    assert rig.run_of(first.id).expires_at == rig.clock.now() + ttl
