"""The runner: gives admitted runs to agents, follows them, stops them, records how they end.

A round does the same few things and none of them waits for an agent to finish. The row of a run
says all that is needed to go on after a crash: its handle is recorded before the work begins, and
its lease runs out when the process that held it dies.
"""

import asyncio

from reconciler.control.dispatching.claim import claim_once, recover_once
from reconciler.control.dispatching.context import Station
from reconciler.control.dispatching.follow import follow_once
from reconciler.control.dispatching.stop import PROOF_GRACE, stop_once
from reconciler.control.dispatching.workers import end_silent
from reconciler.store.runs.leases import held_by, release, renew, silent_workers
from reconciler.store.runs.runs import get_runs


async def run_once(station: Station) -> None:
    """One round: first whatever may end, then what takes the places that became free."""
    await recover_once(station)
    await follow_once(station)
    await stop_once(station)
    await end_silent_once(station)
    await claim_once(station)
    await tidy_once(station)


async def end_silent_once(station: Station) -> list[str]:
    """End the runs of workers that let their lease run out."""
    database, cooldown = station.database, station.settings.cooldown
    now = await station.now()
    if not await database.aread(lambda tx: silent_workers(tx, now, now - PROOF_GRACE, 1)):
        return []
    return await database.awrite(lambda tx: end_silent(tx, database.now(tx), cooldown))


async def tidy_once(station: Station) -> None:
    """Let go of runs that ended without us: an agent reported its end, or the lease went on.

    What was not proven to be gone is released again.
    """
    for job, handle in [*station.leftovers.values()]:
        await station.release(job, handle)
    if not station.jobs:
        return
    held = await station.database.aread(lambda tx: held_by(tx, station.owner))
    gone = set(station.jobs) - {run.id for run in held} - set(station.tasks)
    for run in (await station.database.aread(lambda tx: get_runs(tx, sorted(gone)))).values():
        if run.ended:
            await station.let_go(run)
        else:
            station.jobs.pop(run.id, None)


async def renew_once(station: Station) -> int:
    """Prolong the leases of everything in hand; answers how many runs that are."""
    database, lease = station.database, station.settings.lease
    return await database.awrite(
        lambda tx: renew(tx, station.owner, database.now(tx) + lease), quiet=True
    )


async def settle(station: Station) -> None:
    """Wait for the starts and stops that are under way now."""
    if station.tasks:
        await asyncio.wait([*station.tasks.values()])


async def hand_back(station: Station) -> int:
    """Shut down: finish what is short, then give every lease back; answers how many."""
    await settle(station)
    return await station.database.awrite(lambda tx: release(tx, station.owner))
