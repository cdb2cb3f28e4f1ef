"""Claiming: queued runs are leased and given to their agents beside the rounds."""

from datetime import datetime

from reconciler.control.dispatching.allocation import Allocation, hold_room
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.start import start
from reconciler.core.runs.run import Run
from reconciler.store.engine.database import Tx
from reconciler.store.runs.leases import any_expired, requeue_expired


async def claim_once(
    runner: RunnerContext, *, sure: bool = False, expired: bool = True
) -> list[str]:
    """Lease what can be started now, and start it; return the ids of the runs.

    `sure`: the caller has just seen that there is something to lease. `expired`: leases may have
    expired before their work began; False where it has just seen that none has.

    1. Read, without writing: most rounds find nothing.
    2. Lease, in one transaction.
    3. Start each beside the rounds.
    """
    busy = frozenset(runner.tasks)

    def write(tx: Tx) -> tuple[list[Run], bool]:
        # Two servers that count what is in flight at once would both take the last place.
        hold_room(runner.database, tx)
        now = runner.database.now(tx)
        if expired:
            requeue_expired(tx, now, busy)
        allocation = _allocation(tx, runner, busy, now)
        return allocation.carry_out(), allocation.left

    if not sure and not await runner.database.aread(lambda tx: any_to_claim(tx, runner, busy)):
        return []
    taken, left = await runner.database.awrite(write)
    # Where nothing was leased, what is queued cannot be for now, whatever the reason.
    runner.left_waiting = left or not taken
    # A server killed here has leased runs without handles: they expire and are taken again.
    for run in taken:
        runner.spawn(run, start)
    return [run.id for run in taken]


def any_to_claim(tx: Tx, runner: RunnerContext, busy: frozenset[str]) -> bool:
    """Whether a round would lease something, or put something back into its queue."""
    now = runner.database.now(tx)
    return any_expired(tx, now, busy) or any_to_lease(tx, runner, busy)


def any_to_lease(tx: Tx, runner: RunnerContext, busy: frozenset[str]) -> bool:
    """Whether a round would give a queued run to its agent, or note what holds one up."""
    return _allocation(tx, runner, busy, runner.database.now(tx)).would_write()


def _allocation(tx: Tx, runner: RunnerContext, busy: frozenset[str], now: datetime) -> Allocation:
    return Allocation.begin(
        tx,
        now=now,
        owner=runner.owner,
        lease=runner.settings.lease,
        max_active_runs=runner.settings.max_active_runs,
        busy=busy,
    )
