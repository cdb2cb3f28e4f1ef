"""Programs of this host, as `command` and as a coding agent; some of them take SIGTERM badly."""

import os
import random
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.reach import Grant
from reconciler.dispatch.base import Handle, Job, Runtime, Stop, Stopped
from reconciler.dispatch.cli.recipe import CodingAgents
from reconciler.dispatch.command.runtime import Commands
from reconciler.dispatch.command.termination import Graces
from tests.dispatch.builders import a_job, coding_agent, command, script

GRACES = Graces(term=0.2, kill=5.0, drain=0.1)
_PROGRAM = """#!/bin/sh
# Deaf to SIGTERM in one of two cases, then at work for a moment. No child is ever forked.
case "$RUN_ID" in *[02468ace]) trap '' TERM ;; esac
exec sleep {seconds}
"""


class Negligent(Commands):
    """Says that a program has stopped, and lets it work on."""

    async def stop(self, job: Job, handle: Handle) -> Stop:
        """Stop nothing."""
        return Stopped()


@dataclass
class ProcessDouble:
    """Four runs of a program."""

    folder: Path
    cli: bool
    runtime: type[Commands] = Commands
    steps: tuple[float, ...] = (0.03, 0.1, 0.2)
    timeout: float = 6.0
    lingers: float = 0.0
    seconds: float = 1.3
    """How long a program works."""
    _run_ids: set[str] = field(default_factory=set)

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[Runtime]:
        program = script(self.folder, _PROGRAM.format(seconds=self.seconds))
        grant = Grant(folders=(str(self.folder),))
        recipe = CodingAgents(()) if self.cli else None
        runs = self.folder / "runs"
        commands = self.runtime(
            {"agent": program}, {"agent": grant}, folder=runs, graces=GRACES, recipe=recipe
        )
        yield commands
        await commands.close()

    def serving(self) -> AbstractAsyncContextManager[Runtime]:
        """A spawner of its own; programs outlive it."""
        return self._serving()

    def jobs(self, chance: random.Random) -> Sequence[Job]:
        """Sessions and runs without one."""
        runtime = coding_agent("claude", str(self.folder)) if self.cli else command()
        modes = [ExecutionMode.CREATE_SESSION, ExecutionMode.RUN_ONLY] * 2
        jobs = [a_job(runtime, mode=mode) for mode in modes]
        self._run_ids |= {job.run_id for job in jobs}
        return jobs

    def alive(self, run_id: str) -> int:
        """Processes of the program that carry the run's id."""
        return len(self._programs(run_id))

    def misfortune(self, chance: random.Random) -> None:
        """A program is killed."""
        if chance.random() < 0.03 and (programs := self._programs(None)):
            _kill(chance.choice(programs))

    def end(self) -> None:
        """All programs are killed."""
        for pid in self._programs(None):
            _kill(pid)

    def fortune(self) -> None:
        """Nothing to put right."""

    def reports(self, run_id: str) -> bool:
        """Polls tell."""
        return False

    def _programs(self, run_id: str | None) -> list[int]:
        """Pids of what carries these runs' ids, wherever it is: it outlives what started it."""
        sought = self._run_ids if run_id is None else {run_id}
        pids = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                mine = process.name() == "sleep" and process.status() != psutil.STATUS_ZOMBIE
                if mine and process.environ().get("RUN_ID") in sought:
                    pids.append(process.pid)
        return pids


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
