"""Stopping the processes of a run: asked, then killed, then proven to be gone."""

import asyncio
import signal
from dataclasses import dataclass

from reconciler.dispatch.base import Handle, Stop, Stopped, Stopping
from reconciler.dispatch.command.processes import (
    Leader,
    LivingProcesses,
    Presence,
    find,
    locate,
    read_leader,
    send,
)

_ASK = (signal.SIGTERM, signal.SIGCONT)
"""A stopped process takes no SIGTERM before it goes on."""
_FORCE = (signal.SIGKILL,)
_POLL = 0.02


@dataclass(frozen=True, slots=True)
class Graces:
    """Seconds that a command is given."""

    term: float = 10.0
    """From SIGTERM to SIGKILL."""
    kill: float = 5.0
    """From SIGKILL to the answer that it cannot be proven gone."""
    drain: float = 1.0
    """How long the output may stay open after the program has ended."""


async def terminate(handle: Handle, run_id: str, graces: Graces) -> Stop:
    """End all that a run started, from its handle alone: also in another server process.

    SIGTERM to the group, SIGKILL after the grace. A pid that is used again is never touched.
    """
    leader = read_leader(handle.detail)
    if leader is None:
        return Stopping("the handle does not say which process it was")
    if locate(leader) is Presence.ELSEWHERE:
        return Stopping(
            f"process {leader.pid} belongs to the host {leader.host!r}, not to this one"
        )
    for numbers, grace in ((_ASK, graces.term), (_FORCE, graces.kill)):
        remains = await _look(leader, run_id)
        for number in numbers:
            send(remains, leader, number)
        if not remains.ours or await _gone_within(leader, run_id, grace):
            break
    return _verdict(await _look(leader, run_id))


async def _gone_within(leader: Leader, run_id: str, grace: float) -> bool:
    end = asyncio.get_running_loop().time() + grace
    while await _look(leader, run_id):
        if asyncio.get_running_loop().time() >= end:
            return False
        await asyncio.sleep(_POLL)
    return True


async def _look(leader: Leader, run_id: str) -> LivingProcesses:
    """A look that finds nothing is repeated: a fork may hide from one, not from both."""
    return await asyncio.to_thread(find, leader, run_id) or await asyncio.to_thread(
        find, leader, run_id
    )


def _verdict(remains: LivingProcesses) -> Stop:
    if not remains:
        return Stopped()
    if remains.ours:
        return Stopping(f"still alive after SIGKILL: process {remains.pids()}")
    return Stopping(
        f"process {remains.pids()} may belong to this run, but nothing proves it; "
        "look at it, and end it by hand"
    )
