"""The dashboard's long pages with 10,000 autopilots, beside the first page of all runs.

The application answers in this process, without a socket. CPU time, so that what else the machine
does is not counted; each list is read anew, as by somebody who comes first.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from bench.fleet import NOW, make_fleet
from reconciler.store.engine.database import Database
from tests.support.clock import FakeClock
from tests.support.rig import Rig
from tests.support.web import Web

PAGES = (
    ("the list, worst first", "/"),
    ("its last page", "/?page=200"),
    ("one workspace", "/?workspace=team-03"),
    ("a search", "/?q=number+77"),
    ("one health", "/?health=failing"),
    ("the next first", "/?sort=next"),
    ("time lanes of 24 hours", "/timeline"),
    ("runs of an agent", "/runs?agent=bot"),
    ("runs of an idle agent", "/runs?agent=idle"),
    ("sources and drift", "/sources"),
)


async def cost(client: httpx.AsyncClient, path: str, times: int) -> float:
    """The median of the CPU seconds of a page."""
    took = []
    for _ in range(times):
        began = time.process_time()
        answer = await client.get(path)
        took.append(time.process_time() - began)
        assert answer.status_code == 200, answer.text
    return statistics.median(took)


async def measure(folder: Path, autopilots: int, runs: int, times: int) -> None:
    """Print a line for each page."""
    fleet, clock = make_fleet(folder, autopilots, runs), FakeClock(NOW)
    with Database.open(fleet.url, clock=clock.now) as database:
        rig = Rig(database, clock)
        web = Web(rig)
        async with web.client(timeout=60) as client:
            await cost(client, "/", 1)
            base = await cost(client, "/runs", times)
            print(f"{'all runs':<24} {base * 1e3:7.1f} ms CPU")
            for what, path in PAGES:
                seconds = await cost(client, path, times)
                print(
                    f"{what:<24} {seconds * 1e3:7.1f} ms CPU  {seconds / base:6.1f} x", flush=True
                )
        await web.close()
        rig.close()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--autopilots", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(measure(Path(name), options.autopilots, options.runs, options.times))


if __name__ == "__main__":
    main()
