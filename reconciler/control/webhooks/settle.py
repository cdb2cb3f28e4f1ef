"""What became of a group whose writer ended before it answered: read it, or write it now."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from reconciler.control.webhooks.accept import (
    Accepted,
    AcceptResult,
    Declined,
    Verified,
    accept_all,
)
from reconciler.core.runs.run import Run, Status
from reconciler.store.engine.database import Tx
from reconciler.store.runs.occupancy import lock_autopilots
from reconciler.store.runs.runs import get_run
from reconciler.store.webhooks.deliveries import Delivery, get_delivery


def settle_all(
    tx: Tx, group: Sequence[Verified], clock: Callable[[Tx], datetime], cooldown: timedelta
) -> list[AcceptResult]:
    """Give the results of a group that was committed or not; what was not written is written now.

    1. Hold the autopilots. A commit that PostgreSQL is still carrying out for the dead process
       holds them too, so this waits for its end; a transaction that was not at its commit can
       reach it no more, because nobody sends it.
    2. Deliveries whose rows are there were committed: their results are in the rows.
    3. All others are taken as if they came now: duplicates among them left no row of their own.
    """
    lock_autopilots(tx, [delivery.autopilot_id for delivery in group])
    results = {index: _recorded(tx, delivery) for index, delivery in enumerate(group)}
    unwritten = [index for index, result in results.items() if result is None]
    again = accept_all(tx, [group[index] for index in unwritten], clock, cooldown)
    written = {index: result for index, result in results.items() if result is not None}
    written |= dict(zip(unwritten, again, strict=True))
    return [written[index] for index in range(len(group))]


def _recorded(tx: Tx, delivery: Verified) -> AcceptResult | None:
    row = get_delivery(tx, delivery.delivery.id)
    if row is None:
        return None
    run = get_run(tx, row.run_id) if row.run_id else None
    return _result(row, run)


def _result(row: Delivery, run: Run | None) -> AcceptResult:
    if run is None:
        return Declined(row.reason or "", row.id)
    return Accepted(run.id, row.id, run.reason if run.status is Status.SKIPPED else None)
