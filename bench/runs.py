"""What a run costs: from webhook to agent, CPU for each run, and runs per second, beside queues.

Everything is a process of its own on loopback. The server gets a webhook for each run, verifies it,
keeps it, admits the run, gives it to its agent and records how it ended; the queues get a task and
make the same request. CPU is that of all the processes of a system, database server apart, without
what they take once: the start of a queue's producer, and of the server's writer of webhooks.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.webhooks import _used, await_ready, running
from reconciler.control.access.keys import server_key
from reconciler.core.base.identity import object_id, trigger_id
from reconciler.core.webhooks.token import webhook_token
from tests.support import postgres
from tests.support.ports import free_port
from tests.support.rig import agent, autopilot, webhook

ROOM = {"concurrencyPolicy": "queue", "maxConcurrency": 100, "maxActive": 1000, "queueLimit": 1000}
PATIENCE = 120.0
WARM = 43
"""Runs before the measured ones: what is lazy is loaded, and the writer of webhooks has started."""


@dataclass(frozen=True)
class Cost:
    """Of so many runs: seconds of CPU, seconds by the clock, and how late the agent heard of it."""

    runs: int
    cpu: float
    seconds: float
    late: list[float]

    def __str__(self) -> str:
        late = sorted(self.late)
        p50, p99 = late[len(late) // 2], late[int(len(late) * 0.99)]
        return (
            f"{self.cpu / self.runs * 1e3:6.2f} ms CPU a run  "
            f"{self.runs / self.seconds:6.1f} runs/s"
            f"  agent after p50 {p50 * 1e3:6.0f} ms  p99 {p99 * 1e3:6.0f} ms"
        )


@contextmanager
def agent_at(folder: Path) -> Iterator[str]:
    """The agent's address."""
    port, site = free_port(), Path(tempfile.mkdtemp(dir=folder))
    with running([sys.executable, "-m", "bench.agent", str(port)], port, site):
        yield f"http://127.0.0.1:{port}/"


def seen(url: str) -> tuple[list[float], float]:
    """How late each request came, and the moment of the last one."""
    content = httpx.get(f"{url}seen").json()
    return [late / 1e9 for late in content["late"]], content["last"] / 1e9


def await_count(url: str, count: int) -> float:
    """Wait until the agent has heard of so many; return the moment of the last one."""
    until = time.monotonic() + PATIENCE
    while len(seen(url)[0]) < count:
        assert time.monotonic() < until, f"the agent heard of {len(seen(url)[0])} of {count}"
        time.sleep(0.05)
    return seen(url)[1]


def await_ended(base: str, count: int) -> None:
    """Wait until so many runs have completed."""
    until = time.monotonic() + PATIENCE
    while True:
        answer = httpx.get(f"{base}/metrics").text
        done = [
            float(line.rpartition(" ")[2])
            for line in answer.splitlines()
            if line.startswith("reconciler_runs_total") and 'status="completed"' in line
        ]
        if sum(done) >= count:
            return
        assert time.monotonic() < until, f"{done} of {count} runs completed"
        time.sleep(0.1)


async def post(url: str, count: int, *, pause: float, at_once: int) -> None:
    """Post so many webhooks."""
    limits = httpx.Limits(max_connections=at_once)
    turn = asyncio.Semaphore(at_once)

    async with httpx.AsyncClient(limits=limits, timeout=30) as client:

        async def send(number: int) -> None:
            async with turn:
                body = {"sent": time.monotonic_ns(), "number": number, "text": "x" * 2000}
                answer = await client.post(url, json=body)
                assert answer.status_code == 202, answer.text

        if pause:
            for number in range(count):
                await send(number)
                await asyncio.sleep(pause)
        else:
            await asyncio.gather(*map(send, range(count)))


@contextmanager
def server(
    folder: Path, database: str | None, runtime: dict[str, Any]
) -> Iterator[tuple[psutil.Process, str, str]]:
    """`reconciler serve` with one webhook: its process, address, and the webhook's address."""
    port, site = free_port(), Path(tempfile.mkdtemp(dir=folder))
    (site / "manifests").mkdir()
    program = site / "work.sh"
    program.write_text("#!/bin/sh\necho done\n")
    program.chmod(0o755)
    for document in (
        agent(runtime=runtime, maxConcurrency=50),
        autopilot("triage", webhook(), **ROOM),
    ):
        path = site / "manifests" / f"{document['kind']}.yaml"
        path.write_text(json.dumps(document))
    command = [sys.executable, "-m", "reconciler", "serve", "manifests", "--port", str(port)]
    command += ["--allow-command", f"work={program}"]
    settings = {
        "RECONCILER_DATABASE": database or f"sqlite:///{site}/state.db",
        "RECONCILER_KEY_FILE": f"{site}/server.key",
        "RECONCILER_LOG_FORMAT": "json",
        "RECONCILER_LOG_LEVEL": "warning",
    }
    with running(command, port, site, **settings) as process:
        base = f"http://127.0.0.1:{port}"
        await_ready(f"{base}/readyz")
        signing = server_key(site / "server.key", site / "secrets")
        token = webhook_token(
            signing, trigger_id(object_id("Autopilot", "default", "triage"), "hook"), 1
        )
        yield process, base, f"{base}/v1/webhooks/{token}"


def ours(
    folder: Path, database: str | None, runtime: str, count: int, *, pause: float = 0.0
) -> Cost:
    """A server with an agent of this runtime."""
    with agent_at(folder) as url:
        is_http = runtime == "http"
        spec = {"type": "http", "url": url} if is_http else {"type": "command", "program": "work"}
        with server(folder, database, spec) as (process, base, hook):
            asyncio.run(post(hook, 3, pause=0.1, at_once=1))
            asyncio.run(post(hook, WARM - 3, pause=0, at_once=20))
            await_ended(base, WARM)
            time.sleep(3)
            before, began = _used(process), time.monotonic()
            asyncio.run(post(hook, count, pause=pause, at_once=20))
            await_ended(base, count + WARM)
            ended = time.monotonic()
            last = await_count(url, count + WARM) if is_http else ended
            late = seen(url)[0][WARM:] if is_http else [0.0]
            return Cost(count, _used(process) - before, max(last, ended) - began, late)


def queue(folder: Path, name: str, where: str, count: int) -> Cost:
    """A task queue that makes the same requests."""
    with agent_at(folder) as url:
        base = [sys.executable, "-m", "bench.peers", name, where, url]
        if name == "procrastinate":
            subprocess.run([*base, "schema"], check=True)
        worker = subprocess.Popen([*base, "work"], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)  # fmt: skip
        try:
            subprocess.run([*base, "enqueue", "3"], check=True)
            await_count(url, 3)
            process = psutil.Process(worker.pid)
            start = _produce(base, 0)
            before, began = _used(process), time.monotonic()
            producer = max(0.0, _produce(base, count) - start)
            last = await_count(url, count + 3)
            return Cost(count, _used(process) - before + producer, last - began, seen(url)[0][3:])
        finally:
            worker.terminate()
            worker.wait(30)


def _produce(base: list[str], count: int) -> float:
    """Enqueue so many tasks by a process of its own; return the seconds of CPU that it took."""
    before = os.times()
    subprocess.run([*base, "enqueue", str(count)], check=True)
    after = os.times()
    took = after.children_user + after.children_system
    return took - before.children_user - before.children_system


def show(what: str, cost: Cost, peer: Cost | None = None) -> None:
    """One line, with the ratio of CPU to a peer's."""
    ratio = f"  {cost.cpu / cost.runs / (peer.cpu / peer.runs):5.2f} x its queue" if peer else ""
    print(f"{what:<38} {cost}{ratio}", flush=True)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    options = parser.parse_args()
    count: int = options.runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        show("one at a time, http, SQLite", ours(folder, None, "http", count // 8, pause=0.1))
        huey = queue(folder, "huey", str(folder / "huey.db"), count)
        show("huey on SQLite", huey)
        for runtime in ("http", "command"):
            show(f"{runtime} on SQLite", ours(folder, None, runtime, count), huey)
        binaries = postgres.find_binaries()
        if binaries is None:
            print("PostgreSQL is not installed: not measured")
            return
        with postgres.running(binaries) as database:

            def ours_there(runtime: str, runs: int, *, pause: float = 0.0) -> Cost:
                with database.fresh(migrated=False) as url:
                    return ours(folder, url, runtime, runs, pause=pause)

            first = ours_there("http", count // 8, pause=0.1)
            show("one at a time, http, PostgreSQL", first)
            with database.fresh(migrated=False) as url:
                procrastinate = queue(folder, "procrastinate", url, count)
            show("procrastinate on PostgreSQL", procrastinate)
            for runtime in ("http", "command"):
                show(f"{runtime} on PostgreSQL", ours_there(runtime, count), procrastinate)


if __name__ == "__main__":
    main()
