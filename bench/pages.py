"""First and far pages of long lists: p50 and p99 of `GET /v1/runs` and `GET /v1/autopilots`.

The application that `reconciler serve` runs answers in this process, without a socket, whose cost
would be the same for each page and hide what differs. The pages are asked for in turn, so that what
else the machine does touches all of them alike. Then the first page of what dashboards ask for, and
the lane of an autopilot with 10,000 runs beside a page that shows nothing.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx

from bench.fleet import NOW, WORKSPACES, Fleet, make_fleet
from reconciler.store.engine.database import Database
from tests.support.clock import FakeClock
from tests.support.rig import Rig
from tests.support.web import Web

FAR = 1000
"""The number of the far page."""
ROUNDS = 5
LIMIT = 50
LARGEST = 200


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of each answer."""

    seconds: Sequence[float]

    def at(self, part: float) -> float:
        """A quantile, in milliseconds."""
        return sorted(self.seconds)[int(len(self.seconds) * part)] * 1e3

    def __str__(self) -> str:
        return f"p50 {self.at(0.5):6.1f} ms  p99 {self.at(0.99):6.1f} ms"


async def cursor_of(client: httpx.AsyncClient, path: str, page: int) -> str:
    """The cursor of a page of `LIMIT`, found by walking there, with larger steps."""
    left, cursor = (page - 1) * LIMIT, ""
    while left:
        step = min(left, LARGEST)
        given = {"limit": str(step)} | ({"cursor": cursor} if cursor else {})
        answer = (await client.get(path, params=given)).raise_for_status().json()
        assert len(answer["items"]) == step, "the list is too short"
        left, cursor = left - step, str(answer["nextCursor"])
    return cursor


async def timed(
    client: httpx.AsyncClient, path: str, several: Sequence[Mapping[str, str]], times: int
) -> list[Took]:
    """Ask for each of several pages in turn, so many times."""
    seconds: list[list[float]] = [[] for _ in several]
    for _ in range(times):
        for params, found in zip(several, seconds, strict=True):
            began = time.perf_counter()
            answer = await client.get(path, params=params)
            found.append(time.perf_counter() - began)
            assert answer.status_code == 200, answer.text
    return [Took(found) for found in seconds]


async def compare(client: httpx.AsyncClient, path: str, times: int) -> None:
    """Print the first and the far page, and the median of the ratios of several rounds.

    What else the machine does in one round falls on a hundredth of the answers of either page.
    """
    far = {"cursor": await cursor_of(client, path, FAR)}
    await timed(client, path, [{}, far], 10)
    rounds = [await timed(client, path, [{}, far], times // ROUNDS) for _ in range(ROUNDS)]
    ratio = statistics.median(last.at(0.99) / first.at(0.99) for first, last in rounds)
    first, last = (
        Took([s for took in page for s in took.seconds]) for page in zip(*rounds, strict=True)
    )
    print(f"GET {path:<15} page 1     {first}")
    print(f"{'':<19} page {FAR:,} {last}  {ratio:.2f} x p99 of the first", flush=True)


def filters(fleet: Fleet) -> list[tuple[str, str, Mapping[str, str]]]:
    """What dashboards ask for: what it is, its path and its parameters."""
    some = {"a busy autopilot": fleet.members[0], "an autopilot": fleet.members[-1]}
    long_ago, lately = (f"{NOW - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}" for days in (80, 1))
    runs = [
        *({"status": one} for one in ("failed", "running")),
        *({"source": one} for one in ("webhook", "manual")),
        *({"reason": one} for one in ("timed_out", "lost")),
        *({"workspace": one} for one in (WORKSPACES[3], "nobody")),
        {"since": lately},
        {"until": long_ago},
        {"workspace": WORKSPACES[3], "status": "failed", "until": long_ago},
    ]
    autopilots = [
        *({"workspace": one} for one in (WORKSPACES[3], "nobody")),
        *({"status": one} for one in ("active", "paused")),
        *({"label": one} for one in ("team=t3", "team=none")),
        *({"health": one} for one in ("degraded", "failing")),
        *({"q": one} for one in ("number 77", "nothing like it")),
    ]
    return [
        *(("runs", "/v1/runs", one) for one in runs),
        *(
            (f"runs of {what}", f"/v1/autopilots/{one.id}/runs", {"status": "failed"})
            for what, one in some.items()
        ),
        *(("autopilots", "/v1/autopilots", one) for one in autopilots),
    ]


async def narrow(client: httpx.AsyncClient, fleet: Fleet, times: int) -> None:
    """Print the first page of filtered lists."""
    for what, path, params in filters(fleet):
        (took,) = await timed(client, path, [params], times)
        asked = "&".join("=".join(pair) for pair in params.items())
        print(f"{what:<25} {asked:<65} {took}", flush=True)


async def lanes(times: int) -> None:
    """Print the page of a lane of 30 days with 10,000 runs, beside a page without any data."""
    with tempfile.TemporaryDirectory() as name:
        fleet = make_fleet(Path(name), 2, 60_000)
        clock = FakeClock(NOW)
        with Database.open(fleet.url, clock=clock.now) as database:
            rig = Rig(database, clock)
            web = Web(rig)
            async with web.client(timeout=60) as client:
                month = {"span": "month"}
                since = {"since": f"{NOW - timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"}
                for what, path, params in (
                    ("a page without data", "/deliveries", {}),
                    ("a lane, 30 days", f"/autopilots/{fleet.members[1].id}/timeline", month),
                    ("all lanes, 30 days", "/timeline", month),
                    ("all lanes, 24 hours", "/timeline", {}),
                    ("the list of these runs", "/runs", since),
                ):
                    (took,) = await timed(client, path, [params], times)
                    print(f"{what:<25} {took}", flush=True)
            await web.close()
            rig.close()


async def measure(fleet: Fleet, times: int) -> None:
    """Print everything."""
    clock = FakeClock(NOW)
    with Database.open(fleet.url, clock=clock.now) as database:
        rig = Rig(database, clock)
        web = Web(rig)
        async with web.client(timeout=60) as client:
            for path in ("/v1/runs", "/v1/autopilots"):
                await compare(client, path, times)
            await narrow(client, fleet, times // 10)
        await web.close()
        rig.close()


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--autopilots", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=300)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        fleet = make_fleet(Path(name), given.autopilots, given.runs)
        asyncio.run(measure(fleet, given.times))
    asyncio.run(lanes(given.times // 10))


if __name__ == "__main__":
    main()
