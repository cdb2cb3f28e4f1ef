"""Start and stop of a server process, in order, whichever signal comes when."""

import asyncio
import signal
import socket
from collections.abc import Callable

import structlog

from reconciler.control.dispatching.runner import hand_back
from reconciler.server.http_server import http_server
from reconciler.server.loops import Watch, start_loops
from reconciler.server.presence import arrive, depart
from reconciler.server.rounds import reconcile
from reconciler.server.system import System

log = structlog.get_logger(__name__)


async def serve(
    system: System,
    listener: socket.socket,
    *,
    watch: Watch | None = None,
    announce: Callable[[], None] = lambda: None,
    stop_requested: Callable[[], bool] = lambda: False,
) -> None:
    """Serve until SIGTERM or SIGINT; one that comes during the start ends the server after it.

    `announce` is called once everything is up. `stop_requested` says whether such a signal came
    before the event loop could hear it.
    """
    server = http_server(system.context)

    def stop_serving() -> None:
        system.state.stopping()
        system.context.hub.close()
        server.stop()

    _handle_signals(stop_serving, system.reload)
    if stop_requested():
        stop_serving()
    else:
        await start(system)
    loops: list[asyncio.Task[None]] = []
    try:
        if not server.stopping:
            loops = start_loops(system, watch)
            announce()
            await server.serve(sockets=[listener])
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await stop(system)


async def start(system: System) -> None:
    """Take over what an earlier process left, apply the source once, then be ready."""
    await arrive(system)
    await reconcile(system)
    system.state.started()


async def stop(system: System) -> None:
    """Take nothing more, finish what is short, hand leases back."""
    await system.intake.close()
    handed_back = await hand_back(system.runner)
    await system.runner.runtimes.close()
    await depart(system)
    system.evaluator.close()
    log.info("stopped", handed_back=handed_back)


def _handle_signals(stop_serving: Callable[[], None], reload: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop_serving)
    loop.add_signal_handler(signal.SIGHUP, reload)
