"""10,000 notifications queued and sent to a signed webhook on loopback, and runs beside them.

What runs pay is a ratio within one run: the CPU time of ends that tell a channel over that of ends
that tell nobody, and over that of ends while a channel hangs and the outbox is full.
"""

import argparse
import asyncio
import base64
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.control.notify.sender import Sender, send_once, stop_sending
from reconciler.control.notify.webhook_channel import WebhookChannel
from reconciler.core.notify.routing import Defaults
from reconciler.core.runs.run import Completed
from reconciler.store.engine.database import Database, Tx
from reconciler.store.notify.lists import count_pending
from reconciler.store.notify.outbox import note_revision, using
from tests.support.clock import FakeClock
from tests.support.hooks import HookServer, hook_server
from tests.support.rig import Rig, agent, autopilot

SECRET = f"whsec_{base64.b64encode(b'k' * 32).decode()}"
AUTOPILOTS = 100
"""Each tells of one kind; the clock is moved on between rounds, so that nothing is held back."""


@contextmanager
def rig() -> Iterator[Rig]:
    """A system on a new SQLite file."""
    with tempfile.TemporaryDirectory() as folder:
        url, clock = f"sqlite:///{Path(folder) / 'state.db'}", FakeClock()
        with Database.open(url, clock=clock.now) as database:
            database.migrate()
            system = Rig(database, clock)
            yield system
            system.close()


def declare(system: Rig) -> None:
    """Autopilots that tell a channel, and as many that tell nobody."""
    rules = [{"on": ["completed"], "to": "oncall"}]
    system.apply(
        agent(),
        *(autopilot(f"loud-{number}", notify=rules) for number in range(AUTOPILOTS)),
        *(autopilot(f"quiet-{number}") for number in range(AUTOPILOTS)),
    )


def end_all(system: Rig, kind: str) -> float:
    """One run of each autopilot of a kind; the CPU seconds that their ends took."""
    runs = [system.launch(f"{kind}-{number}") for number in range(AUTOPILOTS)]
    before = time.process_time()
    for run in runs:
        system.end(run, Completed("done"))
    return time.process_time() - before


def fill(system: Rig, count: int) -> None:
    """So many that nothing holds back: each tells of a source of its own."""
    system.database.prepare = using(Defaults(revision_failed=("oncall",)))
    now = system.clock.now()

    def write(tx: Tx) -> None:
        for number in range(count):
            note_revision(tx, f"source-{number}", number, {"revision": "abc"}, now)

    system.database.write(write)


async def drain(system: Rig, hook: HookServer) -> float:
    """Send all that waits; the seconds that it takes."""
    sender = Sender(
        system.database,
        {"oncall": WebhookChannel(lambda: hook.url, lambda: SECRET)},
        "bench",
        "http://console",
    )
    began = time.perf_counter()
    while system.database.read(count_pending):
        await send_once(sender)
        if not sender.tasks:  # what is left is held back
            break
        await asyncio.wait(list(sender.tasks.values()), timeout=60)
    taken = time.perf_counter() - began
    await stop_sending(sender)
    return taken


async def beside_a_hanging_channel(system: Rig, hook: HookServer) -> float:
    """The CPU seconds of ends while a batch hangs."""
    hook.arrived.clear()
    hook.hangs = True
    channel = WebhookChannel(lambda: hook.url, lambda: SECRET)
    sender = Sender(system.database, {"oncall": channel}, "bench", "http://console")
    await send_once(sender)
    await asyncio.to_thread(hook.arrived.wait, 30)
    taken = await asyncio.to_thread(end_all, system, "loud")
    hook.released.set()
    await stop_sending(sender)
    return taken


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--notifications", type=int, default=10_000)
    parser.add_argument("--ends", type=int, default=2_000)
    options = parser.parse_args()
    with rig() as system, hook_server() as hook:
        declare(system)
        end_all(system, "loud"), end_all(system, "quiet")  # what is read once is read now
        loud = quiet = 0.0
        for _ in range(options.ends // AUTOPILOTS):
            system.clock.advance(seconds=301)
            quiet += end_all(system, "quiet")
            loud += end_all(system, "loud")
        each = 1e6 * quiet / options.ends
        print(f"ends that tell a channel: {loud / quiet:.2f} times the CPU time of others")
        print(f"({each:,.0f} µs each)")
        asyncio.run(drain(system, hook))
        fill(system, options.notifications)
        before = len(hook.posted)
        taken = asyncio.run(drain(system, hook))
        sent = len(hook.posted) - before
        print(f"{sent:,} notifications sent in {taken:.1f} s, {sent / taken:,.0f} a second")
        system.clock.advance(seconds=301)
        end_all(system, "loud")
        hanging = asyncio.run(beside_a_hanging_channel(system, hook))
        system.clock.advance(seconds=301)
        print(f"ends beside a channel that hangs: {hanging / end_all(system, 'loud'):.2f} times")


if __name__ == "__main__":
    main()
