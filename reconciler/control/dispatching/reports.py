"""Ends that workers and agents report: kept, judged, recorded (docs/runs.md#expect)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from reconciler.control.dispatching.workers import complete, held_run
from reconciler.control.evaluation.expectations import (
    Expectations,
    Expected,
    NotJudged,
    read_expected,
)
from reconciler.control.runs.unjudged import VERDICT, keep_result, kept_result
from reconciler.core.base.errors import Conflict, NotFound
from reconciler.core.runs.run import Completed, Outcome, Run
from reconciler.store.engine.database import Database, Tx
from reconciler.store.runs.claims import token_hashes
from reconciler.store.runs.runs import get_run

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """The end of a run in the words of its agent. `token` is of the lease, or the run's own.

    `require` raises NotFound for runs that the caller may not see.
    """

    run_id: str
    token: str
    outcome: Outcome
    require: Callable[[Tx], object]


async def report_end(
    database: Database, expectations: Expectations, report: Report, cooldown: timedelta
) -> Run:
    """Record a reported end; return the run, which goes on where nobody could judge its result yet.

    1. Keep the result, where something is expected of it: from here on the report is not lost,
       whatever becomes of this server. Of two reports the first one stands.
    2. Judge it. Where that is not possible now, servers take the run over within `VERDICT`.
    3. End the run, unless another server has judged it meanwhile.

    Raises Conflict where the lease is lost or the run has ended, NotFound.
    """
    expected = await database.aread(lambda tx: _expected(tx, report))
    if expected is None or not isinstance(report.outcome, Completed):
        return await database.awrite(lambda tx: _end(tx, database, report, cooldown))
    done = report.outcome
    first = await database.awrite(lambda tx: _keep(tx, report, done, database.now(tx)))
    try:
        verdict = await expectations.judge(expected, first)
    except NotJudged as error:
        log.warning("result not judged", run=report.run_id, why=str(error))
        return await database.aread(lambda tx: _run(tx, report))

    def write(tx: Tx) -> Run:
        run = _run(tx, report)
        if run.ended:
            return run
        try:
            return complete(tx, run.id, report.token, verdict, database.now(tx), cooldown)
        except Conflict:  # another server has ended it since it was read: the report was not late
            return _run(tx, report)

    return await database.awrite(write)


def _expected(tx: Tx, report: Report) -> Expected | None:
    """What the result is judged by; None for an end that needs no verdict."""
    report.require(tx)
    run = held_run(tx, report.run_id, report.token)
    if not isinstance(report.outcome, Completed) or run.cancel_requested_at is not None:
        return None
    expected = read_expected(tx, report.run_id)
    return expected if expected.anything else None


def _keep(tx: Tx, report: Report, done: Completed, now: datetime) -> Completed:
    report.require(tx)
    run = held_run(tx, report.run_id, report.token)
    if (first := kept_result(tx, run.id)) is not None:
        return first
    # A worker that has reported its end renews no lease; the server of an agent's run does.
    lease, _ = token_hashes(tx, run.id)
    until = None if lease is None else now + VERDICT
    keep_result(tx, run, done, now, lease_until=until)
    return done


def _end(tx: Tx, database: Database, report: Report, cooldown: timedelta) -> Run:
    report.require(tx)
    run = held_run(tx, report.run_id, report.token)
    if run.unjudged_since is not None and run.cancel_requested_at is None:
        return run  # another report was first; whoever took it judges it
    return complete(tx, report.run_id, report.token, report.outcome, database.now(tx), cooldown)


def _run(tx: Tx, report: Report) -> Run:
    report.require(tx)
    run = get_run(tx, report.run_id)
    if run is None:
        raise NotFound(f"there is no run {report.run_id}")
    return run
