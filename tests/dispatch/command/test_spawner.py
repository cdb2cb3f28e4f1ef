"""The process that forks a supervisor for each run may be killed at any time."""

import asyncio
import sys
from pathlib import Path

import psutil
import pytest

from reconciler.dispatch.command.spawner import Gate, Launch, Spawner

pytestmark = pytest.mark.anyio


def launch(folder: Path, name: str) -> Launch:
    """A program that is never let begin."""
    return Launch(
        program=Path(sys.executable),
        arguments=[],
        environment={},
        stdin=b"",
        folder=folder / name,
        drain=0.1,
    )


def forking_process(gate: Gate) -> psutil.Process:
    """The process that has started a program; not yet reaped, so that its pid is its own."""
    assert gate.tree.supervisor is not None
    parent = psutil.Process(gate.tree.supervisor.pid).parent()
    assert parent is not None
    return parent


async def test_a_program_is_started_though_the_process_that_forks_is_killed_before_it_does(
    tmp_path: Path,
) -> None:
    spawner = Spawner()
    try:
        first = await spawner.spawn(launch(tmp_path, "first"))
        forking = forking_process(first)
        first.forget()
        forking.suspend()
        starting = asyncio.create_task(spawner.spawn(launch(tmp_path, "second")))
        await asyncio.sleep(0)  # it is sent, and nobody reads
        forking.kill()
        second = await starting
        assert forking_process(second) != forking
        second.forget()
    finally:
        await spawner.close()
