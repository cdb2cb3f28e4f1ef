"""Never two alive: for no run, and in no folder, whatever is lost, slow or killed.

A small runner on virtual time keeps what the real one keeps on the rows: handle, attempts, whose
folder it is, and that an end needs proof or half a minute after the deadline. Everything else
happens at random: lost requests and answers, slow agents, eaten prompts, cancels, and the death of
either side at any moment. The agents of an Aegis that was killed work on.
"""

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import httpx
import pytest

from reconciler.dispatch.aegis.runtime import AegisSessions
from reconciler.dispatch.base import Ended, Gone, Handle, Job, Started, Stopped, TargetDown
from tests.dispatch.aegis.runtime_kit import job_on, sessions_of
from tests.support.aegis.local import LocalAegis, Loss
from tests.support.virtual_time import VirtualLoop

TIMEOUT, GRACE = 120.0, 30.0
LONG = "\n".join(["- Read this line."] * 700)


@dataclass
class Row:
    """What the database holds of one run."""

    job: Job
    due: float
    folder: str
    handle: Handle | None = None
    attempts: int = 0
    begun: bool = False
    deadline: float | None = None
    cancelled: bool = False
    ended: str | None = None
    released: bool = False

    @property
    def current(self) -> Job:
        """The job of the next call."""
        return replace(self.job, handle=self.handle, attempt=self.attempts)


@dataclass
class Runner:
    """One server process of ours after another."""

    server: LocalAegis
    rows: list[Row]
    chance: random.Random
    runtime: AegisSessions | None = None
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def begin(self) -> None:
        """A new process, which knows the rows alone."""
        self.runtime = await self.stack.enter_async_context(sessions_of(self.server))

    async def die(self) -> None:
        """Whatever is under way is over, without a record."""
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        self.tasks.clear()
        await self.stack.aclose()
        self.stack = AsyncExitStack()

    def round(self) -> None:
        """As the runner: what may end, then what may begin."""
        held = {r.folder: r for r in self.rows if r.deadline is not None and r.ended is None}
        for row in self.rows:
            if row.job.run_id in self.tasks:
                continue
            if row.ended is not None:
                work = None if row.released else self.release(row)
            elif row.deadline is not None and (row.cancelled or self.now() >= row.deadline):
                work = self.stop(row)
            elif row.begun:
                work = self.observe(row)
            elif self.now() >= row.due and held.setdefault(row.folder, row) is row:
                row.deadline = row.deadline or self.now() + TIMEOUT
                work = self.start(row)
            else:
                work = None
            if work is not None:
                self.tasks[row.job.run_id] = asyncio.create_task(work)
        for run_id in [run_id for run_id, task in self.tasks.items() if task.done()]:
            self.tasks.pop(run_id).result()

    async def start(self, row: Row) -> None:
        assert self.runtime is not None

        async def record(handle: Handle) -> None:
            await asyncio.sleep(0.01)  # a transaction; a process may die in it
            row.handle = handle

        row.attempts += 1
        match await self.runtime.start(row.current, record):
            case Started(handle):
                row.handle, row.begun = handle, True
            case Ended(outcome):
                row.ended = f"{outcome}"
            case TargetDown(in_the_way=other):
                row.attempts, row.due = row.attempts - 1, self.now() + 5
                for left in self.rows:
                    if left.job.run_id == other and left.ended is not None:
                        left.released = False
            case _:
                row.due = self.now() + 2
                row.cancelled = row.attempts > 3

    async def observe(self, row: Row) -> None:
        assert self.runtime is not None
        assert row.handle is not None
        seen = (await self.runtime.observe([(row.current, row.handle)]))[row.job.run_id]
        if isinstance(seen, Ended | Gone):
            row.ended = f"{seen}"

    async def stop(self, row: Row) -> None:
        assert self.runtime is not None
        if row.handle is None:
            stop = await self.runtime.release(row.current, None)
        else:
            stop = await self.runtime.stop(row.current, row.handle)
        if isinstance(stop, Stopped):
            row.ended = "stopped"
        elif row.deadline is not None and self.now() >= row.deadline + GRACE:
            row.ended = "lost"

    async def release(self, row: Row) -> None:
        assert self.runtime is not None
        row.released = isinstance(await self.runtime.release(row.current, row.handle), Stopped)


async def play(seed: int) -> tuple[LocalAegis, list[Row]]:
    """Ten minutes of bad luck, then two of none."""
    chance, server = random.Random(seed), LocalAegis()
    server.world.script.per_minute = chance.choice([0, 100])
    rows = []
    for number in range(12):
        folder = f"/srv/{number % 3}"
        job = job_on(server, spec={"workDir": folder}, prompt=chance.choice(["Triage.", LONG]))
        rows.append(Row(job, chance.uniform(0, 300), folder))
    runner = Runner(server, rows, chance)
    await runner.begin()
    server.lose = lambda request: losing(chance, request)
    for second in range(800):
        if second < 600:
            await misfortune(runner, server, chance)
        else:
            server.lose, server.down = (lambda _: None), False
        runner.round()
        assert_none_beside_another(server, rows)
        await asyncio.sleep(chance.choice([0.3, 1.0, 1.7]))
        assert_none_beside_another(server, rows)
    await runner.die()
    return server, rows


def losing(chance: random.Random, request: httpx.Request) -> Loss | None:
    return chance.choice([*Loss]) if chance.random() < 0.08 else None


async def misfortune(runner: Runner, server: LocalAegis, chance: random.Random) -> None:
    """What befalls the two servers and their host in this second."""
    script = server.world.script
    script.boot, script.work = (
        chance.choice([0.6, 0.6, 3.0, 3.0, 20.0, 40.0]),
        chance.uniform(1.0, 40.0),
    )
    script.eaten = int(chance.random() < 0.1)
    script.fails = "API Error: 529" if chance.random() < 0.1 else None
    script.typing_fails = chance.random() < 0.05
    server.down = server.down and chance.random() < 0.8
    luck = chance.random()
    if luck < 0.03:
        await runner.die()
        await runner.begin()
    elif luck < 0.034:
        server.control(crash=True)
    elif luck < 0.036:
        server.control(terminate=True)
    elif luck < 0.05:
        server.down = True
    elif luck < 0.06:
        chance.choice(runner.rows).cancelled = True


def assert_none_beside_another(server: LocalAegis, rows: list[Row]) -> None:
    """At this moment: one agent for a run, one for a folder, none for a run that ended."""
    now = server.world.now()
    busy = [agent for agent in server.world.agents if agent.at_work(now)]
    names, folders = [a.name for a in busy], [a.work_dir for a in busy]
    assert len(names) == len(set(names)), "two alive for one run"
    assert len(folders) == len(set(folders)), "two alive in one folder"
    ended = {row.job.run_id for row in rows if row.ended not in (None, "lost")}
    settled = {a.name for a in busy if a.killed_at is None}
    assert not ended & settled, "at work for a run that ended"


@pytest.mark.parametrize("seed", range(12))
def test_no_two_are_alive_under_lost_answers_slow_starts_and_crashes(seed: int) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as loop:
        server, rows = loop.run(play(seed))
    assert all(row.ended is not None for row in rows), [r for r in rows if r.ended is None]
    for row in rows:
        if row.job.prompt != LONG:
            assert len(server.prompts(row.job.run_id)) <= 1
    completed = [row for row in rows if "Completed" in (row.ended or "")]
    assert all(server.prompts(row.job.run_id) for row in completed)
