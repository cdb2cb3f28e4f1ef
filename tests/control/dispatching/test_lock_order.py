"""Whatever ends runs of several autopilots holds these in one order, as the clock does."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count

from reconciler.control.dispatching.stop import stop_once
from reconciler.core.runs.run import Run, Status
from reconciler.store.engine.database import Tx
from reconciler.store.runs.occupancy import lock_autopilots
from reconciler.store.runs.runs import change_run
from tests.control.conftest import Fresh
from tests.control.dispatching.test_proof import Agents, runner
from tests.store.test_grouping import waits_for_a_lock
from tests.support.eventually import eventually
from tests.support.rig import Rig, agent, autopilot, id_of

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def late(rig: Rig, low: str, high: str) -> tuple[Run, Run]:
    """Two runs that nobody had in time; the one of the higher autopilot was due first."""
    first, second = rig.launch(high), rig.launch(low)
    deadline = {"deadline_at": rig.clock.now()}
    rig.database.write(lambda tx: change_run(tx, first.id, deadline))
    rig.clock.advance(hours=2)
    return first, second


def test_ends_of_several_autopilots_and_the_clock_do_not_wait_in_a_circle(
    on_postgres: Fresh,
) -> None:
    low, high = sorted(["triage", "other"], key=id_of)
    begun, holds = count(), threading.Event()

    def begins(_tx: Tx) -> None:
        next(begun)

    with on_postgres(NOON) as rig, ThreadPoolExecutor() as threads:
        rig.apply(agent(), autopilot("triage"), autopilot("other"))
        runs = late(rig, low, high)

        def clock(tx: Tx) -> None:
            lock_autopilots(tx, [id_of(low)])
            holds.set()
            eventually(lambda: rig.database.read(waits_for_a_lock))
            lock_autopilots(tx, [id_of(high)])

        async def body() -> None:
            async with runner(rig, Agents(rig.clock, [], [])) as context:
                await stop_once(context)

        rig.database.prepare = begins
        ticking = threads.submit(rig.database.write, clock)
        holds.wait()
        asyncio.run(body())
        ticking.result()
        assert next(begun) == 2, "nobody had to give way and begin again"
        assert [rig.run_of(run.id).status for run in runs] == [Status.FAILED] * 2
