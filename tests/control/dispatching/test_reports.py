"""Ends that agents report: the first one stands, whatever is asked, reported or due beside it."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.control.dispatching.reports import Report, report_end
from reconciler.control.dispatching.workers import Claimed
from reconciler.control.evaluation.expectations import Expectations, Expected
from reconciler.control.runs.ending import finish
from reconciler.control.runs.unjudged import keep_result
from reconciler.core.runs.lease import outcome_of
from reconciler.core.runs.run import Completed, Outcome, Reason, Run, Status, WaitingFor
from reconciler.core.runs.standstill import stand_still
from reconciler.store.engine.database import Tx
from reconciler.store.runs.conditions import as_read
from reconciler.store.runs.runs import change_run, get_run, request_cancel
from tests.control.conftest import Fresh
from tests.control.dispatching.test_expect import unavailable
from tests.store.test_grouping import waits_for_a_lock
from tests.support.eventually import PATIENCE, eventually
from tests.support.rig import COOLDOWN, Rig, agent, autopilot

__all__ = ["unavailable"]
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
SCHEMA = '{"properties": {"n": {"const": 1}}}'


def claimed(rig: Rig, **spec: Any) -> Claimed:
    """A run that a worker holds, and of whose result something is expected."""
    rig.apply(agent(), autopilot(resultSchema=SCHEMA, **spec))
    rig.launch()
    rig.round()
    (held,) = rig.claim()
    rig.beat(held)
    return held


def report(rig: Rig, judges: Expectations, held: Claimed, status: str, result: Any = None) -> Run:
    """A worker reports the end of its run, as by the API."""
    wanted = Report(held.run.id, held.lease_token, outcome_of(status, result), lambda tx: None)
    return asyncio.run(report_end(rig.database, judges, wanted, COOLDOWN))


def test_of_two_reports_the_first_one_stands_also_where_the_second_says_failed(
    rig: Rig, unavailable: Expectations
) -> None:
    held = claimed(rig)
    assert not report(rig, unavailable, held, "completed", {"n": 1}).ended
    assert not report(rig, unavailable, held, "failed", {"n": 2}).ended
    rig.round(seconds=11)
    ended = rig.run_of(held.run.id)
    assert (ended.status, ended.result) == (Status.COMPLETED, {"n": 1})


@dataclass(frozen=True, kw_only=True)
class Slow(Expectations):
    """Its verdict comes while another server, which has one already, is about to commit it."""

    another: Callable[[], Future[None]]

    async def judge(self, expected: Expected, outcome: Outcome) -> Outcome:
        """Begin the other's transaction, which waits for us to wait for it."""
        self.another()
        return outcome


def test_a_report_whose_verdict_another_server_has_recorded_was_not_too_late(
    on_postgres: Fresh,
) -> None:
    ended = threading.Event()
    with on_postgres(NOON) as rig, ThreadPoolExecutor() as threads:
        held = claimed(rig)

        def end(tx: Tx) -> None:
            run = rig.run_of(held.run.id)
            assert finish(tx, run, Completed({"n": 1}), rig.clock.now(), cooldown=COOLDOWN)
            ended.set()
            eventually(lambda: rig.database.read(waits_for_a_lock))

        def another() -> Future[None]:
            ending = threads.submit(rig.database.write, end)
            assert ended.wait(PATIENCE)
            return ending

        run = report(rig, Slow(another=another), held, "completed", {"n": 1})
    assert run.status is Status.COMPLETED


def test_a_run_that_waited_for_a_quota_is_judged_all_the_same(
    rig: Rig, unavailable: Expectations
) -> None:
    """An agent said that it had none, and has done the work."""
    held = claimed(rig, timeout="10m")
    now = rig.clock.now()
    waits = {
        "waiting_for": WaitingFor.QUOTA,
        "next_attempt_at": now + timedelta(hours=5),
        **stand_still(held.run, now + timedelta(hours=5), now),
    }
    assert rig.database.write(lambda tx: change_run(tx, held.run.id, waits))
    kept = report(rig, unavailable, held, "completed", {"n": 1})
    assert (kept.waiting_for, kept.deadline_at) == (None, now + timedelta(minutes=10))
    rig.round(seconds=11)
    assert rig.run_of(held.run.id).status is Status.COMPLETED


def test_a_result_that_was_reported_just_before_the_deadline_is_no_timeout(rig: Rig) -> None:
    """Between the moment at which the run was seen to be late and the request to stop."""
    held = claimed(rig)

    def write(tx: Tx) -> bool:
        late, now = get_run(tx, held.run.id), rig.clock.now()
        assert late is not None
        assert keep_result(tx, late, Completed({"n": 1}), now)
        return request_cancel(tx, late.id, now, Reason.TIMED_OUT, "late", as_read(late))

    assert not rig.database.write(write)
