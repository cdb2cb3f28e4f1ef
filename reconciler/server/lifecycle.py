"""Start and stop of a server process, in order, whichever signal comes when and whatever hangs."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import structlog

from reconciler.control.dispatching.runner import hand_back, settle
from reconciler.control.notify.sender import stop_sending
from reconciler.core.base.errors import ReconcilerError
from reconciler.server.http_server import OPEN_REQUESTS, http_server
from reconciler.server.loops import start_loops
from reconciler.server.presence import arrive, depart
from reconciler.server.rounds import note_secrets, reconcile_first
from reconciler.server.stopping import StopRequest
from reconciler.server.system import System

log = structlog.get_logger(__name__)

T = TypeVar("T")

# Seconds of each step of a stop. Their sum stays below stopping.GRACE; requests end while runs do.
LOOPS = 1.0
SOURCES = 1.0
REQUESTS = OPEN_REQUESTS + 1
STARTS_AND_STOPS = 12.0
DELIVERIES = 3.0
NOTIFICATIONS = 2.0
LEASES = 3.0
RUNTIMES = 2.0
PRESENCE = 2.0
EVALUATOR = 1.0


async def serve(
    system: System,
    listener: socket.socket,
    stop_request: StopRequest,
    *,
    announce: Callable[[], Awaitable[None]],
) -> None:
    """Serve until somebody asks to stop; whoever asks during the start ends that as well.

    1. Take over what an earlier process left, and put moments right that a wrong clock, or other
       zone rules, left behind. From here on requests are answered.
    2. Apply the followed sources once; then the loops start, and `announce` is called.
    3. Once somebody asks to stop, or a step fails, stop in order.
    """
    server, stopping = http_server(system.context), asyncio.Event()
    loop = asyncio.get_running_loop()

    def begin_stop() -> None:
        system.state.stopping()
        system.sources.stop()
        system.context.hub.close()
        server.stop()
        stopping.set()

    stop_request.call(lambda: _tell(loop, begin_stop))
    loop.add_signal_handler(signal.SIGHUP, system.reload)
    serving: asyncio.Task[None] | None = None
    loops: list[asyncio.Task[None]] = []
    try:
        if not await _unless(stopping, arrive(system)):
            return
        if not await _unless(stopping, system.clock_check.begin()):
            return
        # Before the first reconcile, which may hang: probes and a stop must be answered meanwhile.
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        if not await _unless(stopping, reconcile_first(system)):
            return
        if not await _unless(stopping, note_secrets(system)):
            return
        loops = start_loops(system)
        if await _unless(stopping, announce()):
            await _unless(stopping, asyncio.shield(serving))
    finally:
        begin_stop()
        await stop(system, serving, loops)


async def stop(
    system: System, serving: asyncio.Task[None] | None, loops: Sequence[asyncio.Task[None]]
) -> None:
    """Take nothing more, finish what is short, hand leases back.

    Each step has its time and is followed by the next one, whatever comes of it.
    """
    runner = system.runner
    for loop in loops:
        loop.cancel()
    await _step("loops", LOOPS, asyncio.gather(*loops, return_exceptions=True))
    stopped = asyncio.to_thread(system.sources.wait_until_stopped, SOURCES)
    await _step("sources", SOURCES, stopped)
    requests: list[Awaitable[object]] = []
    if serving is not None:
        requests.append(_step("requests", REQUESTS, serving))
    requests.append(_step("notifications", NOTIFICATIONS, stop_sending(system.sender)))
    await asyncio.gather(
        *requests, _step("starts and stops of runs", STARTS_AND_STOPS, settle(runner))
    )
    await _step("deliveries", DELIVERIES, system.intake.close())
    handed_back = await _step("leases", LEASES, hand_back(runner, within=LEASES))
    await _step("runtimes", RUNTIMES, runner.runtimes.close())
    await _step("presence", PRESENCE, depart(system, within=PRESENCE))
    await _step("evaluator", EVALUATOR, asyncio.to_thread(system.evaluator.close))
    log.info("stopped", handed_back=handed_back or 0)


async def _step(name: str, seconds: float, work: Awaitable[T]) -> T | None:
    """Wait for one step of a stop. One that fails or takes too long is logged, and gives None."""
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        log.warning("not finished in time", step=name, seconds=seconds)
    except ReconcilerError as error:
        log.warning("not finished", step=name, why=str(error))
    except Exception:
        log.exception("not finished", step=name)
    return None


async def _unless(stopping: asyncio.Event, work: Awaitable[object]) -> bool:
    """Wait for `work`, and raise what it raises; False once `stopping` is set, done or not.

    A thread of `work` may go on: it holds nothing that would hold up the end of the process.
    """
    working = asyncio.ensure_future(work)
    asked = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait([working, asked], return_when=asyncio.FIRST_COMPLETED)
    finally:
        asked.cancel()
        if not working.done():
            working.cancel()
    if working.done() and not working.cancelled():
        working.result()
    return not stopping.is_set()


def _tell(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop has ended already
        loop.call_soon_threadsafe(stop)
