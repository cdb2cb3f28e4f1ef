"""The runner: gives admitted runs to agents, follows them, stops them, records how they end.

A round does the same few things and none of them waits for an agent to finish. The row of a run
says all that is needed to go on after a crash: its handle is recorded before the work begins, and
its lease runs out when the process that held it dies.
"""

import asyncio

from reconciler.control.claim import claim_once, recover_once
from reconciler.control.follow import follow_once
from reconciler.control.station import Station
from reconciler.control.stop import stop_once
from reconciler.store.leases import release, renew


async def run_once(station: Station) -> None:
    """One round."""
    await recover_once(station)
    await claim_once(station)
    await follow_once(station)
    await stop_once(station)


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
