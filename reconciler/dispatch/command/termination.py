"""Stopping the processes of a run: asked, then killed, until it is certain that they are gone."""

import asyncio
import signal
from dataclasses import dataclass

import psutil

from reconciler.dispatch.base import Handle, Stop, Stopped, Stopping
from reconciler.dispatch.command.processes import (
    LivingProcesses,
    Presence,
    Tree,
    find,
    locate,
    read_tree,
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
    linger: float = 30.0
    """How long a coding agent may live on once it has told its end."""


async def terminate(handle: Handle, run_id: str, graces: Graces) -> Stop:
    """End all that a run started, from its handle alone: also in another server process.

    SIGTERM to the group, SIGKILL after the grace. A pid that is used again is never touched.
    """
    tree = read_tree(handle.detail)
    if tree is None:
        return Stopping("the handle does not say which process it was")
    if locate(tree.leader) is Presence.ELSEWHERE:
        return Stopping(
            f"process {tree.leader.pid} belongs to the host {tree.leader.host!r}, not to this one"
        )
    search = _Search(tree, run_id)
    for numbers, grace in ((_ASK, graces.term), (_FORCE, graces.kill)):
        # Before the first signal: afterwards a child may have lost the parent that tells its run.
        remains = await search.once()
        for number in numbers:
            send(remains, tree.leader, number)
        if not remains.ours or await search.is_gone_within(grace):
            break
    return _verdict(await search.once())


class _Search:
    """Looks for what is alive of a run, and remembers what belonged to it."""

    def __init__(self, tree: Tree, run_id: str) -> None:
        self._tree = tree
        self._run_id = run_id
        self._known: dict[int, psutil.Process] = {}

    async def once(self) -> LivingProcesses:
        """Find nothing only twice in a row: a fork may hide from one search, not from both."""
        return await asyncio.to_thread(self._find) or await asyncio.to_thread(self._find)

    async def is_gone_within(self, grace: float) -> bool:
        """Search until nothing is found, for at most `grace` seconds."""
        end = asyncio.get_running_loop().time() + grace
        while await self.once():
            if asyncio.get_running_loop().time() >= end:
                return False
            await asyncio.sleep(_POLL)
        return True

    def _find(self) -> LivingProcesses:
        remains = find(self._tree, self._run_id, self._known.values())
        self._known |= {process.pid: process for process in remains.ours}
        return remains


def _verdict(remains: LivingProcesses) -> Stop:
    if not remains:
        return Stopped()
    if remains.ours:
        return Stopping(f"still alive after SIGKILL: process {remains.pids()}")
    return Stopping(
        f"process {remains.pids()} may belong to this run, but nothing proves it; "
        "look at it, and end it by hand"
    )
