"""A small runner for the property "never two alive": any runtime, any double, any bad luck.

It keeps what the real one keeps on the rows: handle, attempts, what a run has for itself, and that
an end needs proof or half a minute after the deadline. A process of ours that dies loses all else.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from reconciler.dispatch.base import (
    Ended,
    Gone,
    Handle,
    Job,
    Runtime,
    Started,
    Stopped,
    TargetDown,
)

GRACE = 30.0


class Double(Protocol):
    """The far side of a runtime, on which everything may go wrong."""

    steps: tuple[float, ...]
    """Seconds between two rounds, one of these."""
    timeout: float
    lingers: float
    """How long a worker may live on after the proof that it is stopped."""

    def serving(self) -> AbstractAsyncContextManager[Runtime]:
        """One process of ours; what it knew is lost with it."""
        ...

    def jobs(self, chance: random.Random) -> Sequence[Job]:
        """The runs."""
        ...

    def alive(self, run_id: str) -> int:
        """How many workers are at work for a run at this moment."""
        ...

    def misfortune(self, chance: random.Random) -> None:
        """What befalls the far side in this step."""
        ...

    def fortune(self) -> None:
        """From here on nothing goes wrong any more."""
        ...

    def reports(self, run_id: str) -> bool:
        """Whether the far side has told by itself that a run is done."""
        ...


@dataclass
class Row:
    """What the database holds of one run."""

    job: Job
    due: float
    handle: Handle | None = None
    attempts: int = 0
    begun: bool = False
    deadline: float | None = None
    cancelled: bool = False
    ended: str | None = None
    ended_at: float = 0.0
    released: bool = False

    @property
    def current(self) -> Job:
        """The job of the next call."""
        unsure = self.attempts > 1 and self.handle is None
        return replace(self.job, handle=self.handle, attempt=self.attempts, unsure=unsure)

    @property
    def holds(self) -> str:
        """What no other run may use before this one has ended."""
        return self.job.holds or self.job.run_id


Work = Callable[[Row], Coroutine[Any, Any, None]]


@dataclass
class Runner:
    """One server process of ours after another."""

    double: Double
    rows: list[Row]
    runtime: Runtime | None = None
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def begin(self) -> None:
        """A new process, which knows the rows alone."""
        self.runtime = await self.stack.enter_async_context(self.double.serving())

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
        held = {r.holds: r for r in self.rows if r.deadline is not None and r.ended is None}
        for row in self.rows:
            if row.job.run_id not in self.tasks and (work := self._work(row, held)) is not None:
                self.tasks[row.job.run_id] = asyncio.create_task(work(row))
        for run_id in [run_id for run_id, task in self.tasks.items() if task.done()]:
            self.tasks.pop(run_id).result()
        for row in self.rows:
            row.ended_at = row.ended_at or (_now() if row.ended is not None else 0.0)

    def _work(self, row: Row, held: dict[str, Row]) -> Work | None:
        now = _now()
        if row.ended is not None:
            return None if row.released else self._release
        if row.deadline is not None and (row.cancelled or now >= row.deadline):
            return self._stop
        if row.begun:
            return self._observe
        if now >= row.due and held.setdefault(row.holds, row) is row:
            row.deadline = row.deadline or now + self.double.timeout
            return self._start
        return None

    async def _start(self, row: Row) -> None:
        assert self.runtime is not None

        async def record(handle: Handle) -> None:
            await asyncio.sleep(self.double.steps[0] / 30)  # a process may die in a transaction
            row.handle = handle

        row.attempts += 1
        match await self.runtime.start(row.current, record):
            case Started(handle):
                row.handle, row.begun = handle, True
            case Ended(outcome):
                row.ended = f"{outcome}"
            case TargetDown(in_the_way=other):
                row.attempts, row.due = row.attempts - 1, _now() + 5 * self.double.steps[-1]
                for left in self.rows:
                    if left.job.run_id == other and left.ended is not None:
                        left.released = False
            case _:
                row.due = _now() + 2 * self.double.steps[-1]
                row.cancelled = row.attempts > 3

    async def _observe(self, row: Row) -> None:
        assert self.runtime is not None
        assert row.handle is not None
        if self.double.reports(row.job.run_id):
            row.ended = "Completed: reported"
            return
        seen = (await self.runtime.observe([(row.current, row.handle)]))[row.job.run_id]
        if isinstance(seen, Ended | Gone):
            row.ended = f"{seen}"

    async def _stop(self, row: Row) -> None:
        assert self.runtime is not None
        if row.handle is None:
            stop = await self.runtime.release(row.current, None)
        else:
            stop = await self.runtime.stop(row.current, row.handle)
        if isinstance(stop, Stopped):
            row.ended = "stopped"
        elif row.deadline is not None and _now() >= row.deadline + GRACE:
            row.ended = "lost"

    async def _release(self, row: Row) -> None:
        assert self.runtime is not None
        row.released = isinstance(await self.runtime.release(row.current, row.handle), Stopped)


async def play(
    double: Double,
    seed: int,
    *,
    steps: int,
    unlucky: int,
    deaths: float = 0.03,
    cancels: float = 0.01,
) -> list[Row]:
    """Play so many steps, the first of them unlucky; return what became of the runs.

    `deaths` of our process and `cancels` of a run are chances in a step.
    """
    chance = random.Random(seed)
    jobs, spread = double.jobs(chance), unlucky * double.steps[-1] / 3
    rows = [Row(job, chance.uniform(0, spread)) for job in jobs]
    runner = Runner(double, rows)
    start = _now()
    for row in rows:
        row.due += start
    await runner.begin()
    try:
        for step in range(steps):
            if step == unlucky:
                double.fortune()
            if step < unlucky:
                if chance.random() < deaths:
                    await runner.die()
                    await runner.begin()
                if chance.random() < cancels:
                    chance.choice(rows).cancelled = True
                double.misfortune(chance)
            runner.round()
            assert_none_beside_another(double, rows)
            await asyncio.sleep(chance.choice(double.steps))
            assert_none_beside_another(double, rows)
            if step > unlucky and all(row.ended and row.released for row in rows):
                break
    finally:
        await runner.die()
    return rows


def assert_none_beside_another(double: Double, rows: list[Row]) -> None:
    """One worker for a run and for what a run has for itself, and none for a run that ended."""
    alive = {row.job.run_id: double.alive(row.job.run_id) for row in rows}
    assert max(alive.values()) <= 1, "two alive for one run"
    held = [row.holds for row in rows if alive[row.job.run_id]]
    assert len(held) == len(set(held)), "two alive in one place"
    over = [row for row in rows if row.ended not in (None, "lost") and alive[row.job.run_id]]
    late = [row for row in over if _now() - row.ended_at > double.lingers]
    assert late == [], "at work for a run that ended"


def _now() -> float:
    return asyncio.get_running_loop().time()
