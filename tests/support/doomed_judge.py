"""A server process that is killed after agents have told their results and before any verdict.

`python -m tests.support.doomed_judge DATABASE_URL` reads an `Order` as one line of JSON.
"""

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

from reconciler.control.access.secrets import SecretStore
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.reports import Report, report_end
from reconciler.control.dispatching.runner import run_once
from reconciler.control.evaluation.expectations import Expectations, Expected
from reconciler.core.runs.lease import outcome_of
from reconciler.core.runs.run import Outcome
from reconciler.dispatch.registry import Runtimes
from reconciler.store.engine.database import Database
from tests.support.clock import FakeClock
from tests.support.rig import COOLDOWN, KEY


class Order(TypedDict):
    """`at` is what its clock shows, `reports` the ends that are reported to it beside its rounds
    (run, token, result), `judged` the number of results that it lives to see."""

    at: str
    reports: list[tuple[str, str, Any]]
    judged: int


@dataclass(frozen=True)
class Doom(Expectations):
    """Judges nothing: the process is killed with the last result that comes."""

    judged: int = 1
    came: set[str] = field(default_factory=set)

    async def judge(self, expected: Expected, outcome: Outcome) -> Outcome:
        """Die, or wait for the others."""
        self.came.add(expected.run.id)
        if len(self.came) == self.judged:
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.Event().wait()
        return outcome


async def _serve(url: str, order: Order) -> None:
    clock = FakeClock(datetime.fromisoformat(order["at"]))
    doom = Doom(judged=order["judged"])
    with Database.open(url, clock=clock.now) as database:
        async with Runtimes(clock) as runtimes, asyncio.TaskGroup() as group:
            secret_store = SecretStore(Path("none"), {})
            runner = RunnerContext(
                database, runtimes, secret_store, "first", KEY, expectations=doom
            )
            for run_id, token, result in order["reports"]:
                outcome = outcome_of("completed", result)
                report = Report(run_id, token, outcome, lambda tx: None)
                group.create_task(report_end(database, doom, report, COOLDOWN))
            while True:
                await run_once(runner)
                await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], json.loads(sys.stdin.readline())))
