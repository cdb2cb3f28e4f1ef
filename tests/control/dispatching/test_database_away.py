"""The database is away for a moment, shorter than a lease: no run waits for its deadline.

Whether what was written last is there, nobody knows then.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.runner import run_once, settle
from reconciler.core.base.errors import Unavailable
from reconciler.core.runs.retry import TARGET_PAUSE
from reconciler.core.runs.run import Run, Status
from reconciler.dispatch.base import Handle, Job, Record, Start
from reconciler.dispatch.command.precheck import Prechecks
from reconciler.dispatch.command.runtime import Commands
from reconciler.dispatch.registry import Runtimes
from reconciler.store.runs.leases import Lease, take
from tests.control.dispatching.test_runner import GRACES, during, program, until_ended
from tests.dispatch.builders import script
from tests.support.rig import Rig, autopilot


class Outage:
    """Comes once, with the first record of a handle: before it is written, or after."""

    def __init__(self, *, is_recorded: bool) -> None:
        self.is_recorded = is_recorded
        self.is_over = False

    def around(self, record: Record) -> Record:
        """Record a handle, and meet the outage where it has not come yet."""

        async def meeting(handle: Handle) -> None:
            if self.is_recorded or self.is_over:
                await record(handle)
            if not self.is_over:
                self.is_over = True
                raise Unavailable("the connection was lost")

        return meeting


class Agents(Runtimes):
    """Runtimes whose first record may meet an outage."""

    outage: Outage | None = None

    async def start(self, job: Job, record: Record) -> Start:
        return await super().start(job, self.outage.around(record) if self.outage else record)


class Checks(Commands):
    """Prechecks whose first record meets an outage."""

    outage: Outage

    async def start(self, job: Job, record: Record) -> Start:
        return await super().start(job, self.outage.around(record))


@pytest.fixture
def worked(rig: Rig, tmp_path: Path) -> Path:
    """The file in which the programs `work` and `check` note that they ran."""
    noted = tmp_path / "worked"
    rig.commands = {
        name: script(tmp_path, f"echo {name} >> {noted}", name) for name in ("work", "check")
    }
    return noted


def carried_out(
    rig: Rig, run: Run, start: Outage | None = None, precheck: Outage | None = None
) -> Run:
    """Carry a run out, and return it as it is at its end."""
    bound, folder = rig.commands, rig.runs_dir

    async def body(runner: RunnerContext) -> None:
        async with Agents(rig.clock, commands=bound, runs_dir=folder, graces=GRACES) as runtimes:
            runtimes.outage = start
            if precheck is not None:
                checks = Checks(bound, folder=folder, graces=GRACES, recipe=Prechecks())
                checks.outage, runtimes.prechecks = precheck, checks
            runner.runtimes = runtimes
            await run_once(runner)
            await settle(runner)
            await run_once(runner)
            rig.clock.advance(seconds=TARGET_PAUSE.total_seconds())
            await until_ended(runner, rig, run)
            assert (runner.jobs, runner.prechecks, runner.tasks) == ({}, {}, {})

    during(rig, body)
    return rig.run_of(run.id)


@pytest.mark.parametrize("is_recorded", [False, True], ids=["not recorded", "recorded"])
def test_a_start_that_met_an_outage_is_made_again_and_the_program_runs_once(
    rig: Rig, worked: Path, is_recorded: bool
) -> None:
    rig.apply(program(), autopilot())
    ended = carried_out(rig, rig.launch(), start=Outage(is_recorded=is_recorded))
    assert (ended.status, ended.reason, ended.attempts) == (Status.COMPLETED, None, 2)
    assert worked.read_text() == "work\n"


@pytest.mark.parametrize("is_recorded", [False, True], ids=["not recorded", "recorded"])
def test_a_precheck_that_met_an_outage_is_made_again_and_runs_once(
    rig: Rig, worked: Path, is_recorded: bool
) -> None:
    rig.apply(program(), autopilot(precheck={"program": "check"}))
    ended = carried_out(rig, rig.launch(), precheck=Outage(is_recorded=is_recorded))
    assert (ended.status, ended.reason) == (Status.COMPLETED, None)
    assert worked.read_text() == "check\nwork\n"


def test_a_run_that_was_leased_in_an_outage_is_started(rig: Rig, worked: Path) -> None:
    """The lease is on the row, and its server was never told."""
    rig.apply(program(), autopilot())
    run = rig.launch()
    lease = Lease("here", rig.clock.now() + timedelta(seconds=30), "bot")
    assert rig.database.write(lambda tx: take(tx, [(run, lease)])[0]) is not None
    ended = carried_out(rig, run)
    assert (ended.status, ended.reason, ended.attempts) == (Status.COMPLETED, None, 2)
    assert worked.read_text() == "work\n"
