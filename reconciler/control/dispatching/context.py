"""What the parts of the runner share: the database, the runtimes, and the work in flight."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog

from reconciler.control.access.secrets import SecretStore
from reconciler.control.apart import Failures, apart
from reconciler.control.dispatching.jobs import (
    Brief,
    build_job,
    handle_of,
    hints_of,
    precheck_handle_of,
    read_briefs,
    run_token,
)
from reconciler.control.evaluation.expectations import Expectations, NotJudged, read_expected
from reconciler.control.runs.ending import Finish, finish_all
from reconciler.control.runs.unjudged import keep_result
from reconciler.core.access.token_hash import token_hash
from reconciler.core.base.errors import Conflict, Locked, ReconcilerError, Unavailable
from reconciler.core.runs.expectation import Unjudged, judged_later
from reconciler.core.runs.key import with_note
from reconciler.core.runs.precheck import NothingToDo
from reconciler.core.runs.run import Completed, Failed, Outcome, Reason, Run
from reconciler.core.runs.usage import Price, priced
from reconciler.dispatch.base import (
    Handle,
    Job,
    NotRecorded,
    Stopped,
    Written,
    cut_result,
    no_hint,
)
from reconciler.dispatch.registry import Runtimes
from reconciler.store.engine.database import Database, Tx
from reconciler.store.grouping import Each
from reconciler.store.runs.claims import token_hashes
from reconciler.store.runs.conditions import owned_by
from reconciler.store.runs.ends import add_usage
from reconciler.store.runs.leases import holder_of
from reconciler.store.runs.outputs import save_output
from reconciler.store.runs.runs import change_run, with_handles
from reconciler.store.runs.starting import Step, take_steps

log = structlog.get_logger(__name__)

BATCH = 200
"""Runs that a step of a round reads, and changes in one transaction."""
OUTPUT_LIMIT = 64 * 1024
"""Bytes of an agent's output that are kept beside its result."""


class InUse(Exception):
    """Another run that has not ended uses what this one needs for itself."""


class LeaseLost(NotRecorded):
    """Somebody else holds the run by now; what was begun here must not go on."""


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """What the operator sets."""

    lease: timedelta = timedelta(seconds=30)
    cooldown: timedelta = timedelta(minutes=15)
    max_active_runs: int = 100
    base_url: str = "http://127.0.0.1:8484"
    prices: Mapping[str, Price] = field(default_factory=dict)


@dataclass(slots=True)
class RunnerContext:
    """What one server process works with. `owner` names it in leases and is unique to the process.

    `jobs` holds what is known of leased runs, `prechecks` the same of their prechecks, `tasks` the
    starts and stops that are under way, `attempts` the numbers of the attempts that this process
    is at, `leftovers` what ended runs left behind, `notes` what polls wrote over, `unjudged`
    results that could not be judged yet, `failures` what was logged last of work that failed; by
    run id. `unstopped`, `untaken` and `silent` are runs that nobody here holds and that could not
    be stopped, taken over or given up. `stranded` says why a start or a stop failed that was under
    way. `answered` says when an answer to a question was last passed on, by the question's id.
    `left_waiting` says that runs were left in their queues when room was last given out. All may be
    lost at any time: the rows say what is needed to go on. `key` is the server's, for the tokens of
    runs. `notify` is called, in the event loop, when a start or a stop has changed something:
    another round would find work.
    """

    database: Database
    runtimes: Runtimes
    secret_store: SecretStore
    owner: str
    key: bytes = field(repr=False)
    settings: RunnerSettings = field(default_factory=RunnerSettings)
    notify: Callable[[], None] = no_hint
    expectations: Expectations = field(default_factory=Expectations)
    jobs: dict[str, Job] = field(default_factory=dict)
    prechecks: dict[str, Job] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[bool]] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    leftovers: dict[str, tuple[Job, Handle | None]] = field(default_factory=dict)
    answered: dict[int, datetime] = field(default_factory=dict)
    notes: dict[str, str | None] = field(default_factory=dict)
    unjudged: dict[str, Unjudged] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    unstopped: Failures = field(default_factory=Failures)
    untaken: Failures = field(default_factory=Failures)
    silent: Failures = field(default_factory=Failures)
    stranded: dict[str, str] = field(default_factory=dict)
    left_waiting: bool = False
    batch: int = BATCH

    async def now(self) -> datetime:
        """The moment that decides: the database's clock on PostgreSQL."""
        return await self.database.aread(self.database.now)

    async def job(self, run: Run) -> Job | None:
        """The job of a leased run; None where its agent does not exist any more.

        Raises SecretMissing.
        """
        if run.id not in self.jobs:
            brief = await self._brief(run)
            if brief is None:
                return None
            token = run_token(self.key, brief.run)
            url = self.settings.base_url
            hints = hints_of(self.key, run.id, url)
            self.jobs[run.id] = build_job(brief, self.secret_store, url, token, hints)
        unsure = await self._unsure(run)
        return replace(
            self.jobs[run.id], handle=handle_of(run), attempt=run.attempts, unsure=unsure
        )

    async def fresh_job(self, run: Run) -> Job | None:
        """The job of a run that is given to its agent now: its token opens from here on.

        The token on the row says as well that an attempt came as far as the agent. Raises
        SecretMissing, InUse, and LeaseLost where the lease has expired before that.
        """
        self.jobs.pop(run.id, None)
        job = await self.job(run)
        if job is not None and job.run_token is not None:
            values = {"run_token": token_hash(job.run_token), "holds": job.holds}
            try:
                written = await self.take_step(Step(run, values))
            except Conflict as error:
                raise InUse(await self._holder(run, job)) from error
            if not written:
                raise LeaseLost(run.id)
        return job

    async def take_step(self, step: Step) -> bool:
        """Write a step of a run that this process holds; False where its lease is lost."""
        taken: bool = await self.database.awrite(
            Each(_take_all, (self, step)), of=step.run.autopilot_id
        )
        return taken

    async def _holder(self, run: Run, job: Job) -> str:
        """Which run uses what this one needs, in a sentence that tells nothing of other teams."""
        holder = await self.database.aread(lambda tx: holder_of(tx, job.holds or ""))
        if holder is None or holder.workspace != run.workspace:
            return "a run of another agent works in the same place; this one waits until it ended"
        return f"run {holder.id} works in the same place; this one waits until it has ended"

    async def _unsure(self, run: Run) -> bool:
        """Whether an earlier attempt came as far as the agent, and nobody recorded what of it.

        An agent that was down gives its attempt back, so that a second one means more than that.
        """
        if run.attempts <= 1 or run.handle is not None:
            return False
        _, own = await self.database.aread(lambda tx: token_hashes(tx, run.id))
        return own is not None

    async def _brief(self, run: Run) -> Brief | None:
        agent = run.agent
        if agent is None:
            return None
        # Runs are leased many at once, and all their starts come here together.
        brief: Brief | None = await self.database.aread(
            Each(read_briefs, (run.id, run.workspace, agent)), shared=True
        )
        return brief

    @contextmanager
    def apart(self, run: Run) -> Iterator[None]:
        """Keep what goes wrong with one run from the others of a round, which go on.

        It is tried again with each round, and logged once. Raises Locked and Unavailable, which no
        run causes.
        """
        with apart(self.failures, run.id, "work on a run failed"):
            yield

    def spawn(
        self, run: Run, work: Callable[["RunnerContext", Run], Coroutine[Any, Any, bool]]
    ) -> None:
        """Let a start or a stop go on beside the rounds; one at a time for a run.

        `work` returns whether it changed something. One that did not must not notify: each round
        asks again whatever has not stopped yet, and would never sleep.
        """
        run_id = run.id
        if run_id in self.tasks:
            return
        task = asyncio.create_task(work(self, run), name=work.__name__)
        self.tasks[run_id], self.attempts[run_id] = task, run.attempts
        task.add_done_callback(lambda done: self._done(run_id, done))

    def forget_attempts(self, held: Sequence[Run]) -> None:
        """Forget those of runs that this process does not hold any more."""
        ids = {run.id for run in held}
        self.attempts = {
            id_: number for id_, number in self.attempts.items() if id_ in ids | self.tasks.keys()
        }

    def is_at(self, run: Run) -> bool:
        """Whether this process knows what became of the attempt for which it holds the run."""
        return run.id in self.tasks or self.attempts.get(run.id) == run.attempts

    def _done(self, run_id: str, task: asyncio.Task[bool]) -> None:
        self.tasks.pop(run_id, None)
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self.stranded[run_id] = str(error) or repr(error)
        if isinstance(error, Locked | Unavailable):
            # What was written last may be on the row or not: a handle there says nothing yet, and
            # a round takes the run up as it would that of a server that died (`recover.take_up`).
            self.attempts.pop(run_id, None)
        if isinstance(error, ReconcilerError):
            log.warning("work on a run failed", run=run_id, why=str(error))
        elif error is not None:
            log.error("work on a run failed", run=run_id, exc_info=error)
        elif task.result():
            self.notify()  # rounds passed the run over meanwhile, whatever had become of it

    async def end(self, run: Run, outcome: Outcome | NothingToDo, *, counts: bool = True) -> bool:
        """Record the end of a run that this process holds, then let go of what is left of it.

        What its agent wrote is read before that: `let_go` removes it. `counts`: see `Finish`.
        Return False where it has not ended: somebody else holds it, or its result could not be
        judged yet (`unjudged`).
        """
        storable = _storable(outcome, self.settings.prices)
        try:
            storable = await self._judged(run, storable)
        except NotJudged as error:
            await self._judge_later(run, storable, str(error))
            return False
        output = await self._output_of(run, storable)
        end = _Ending(self, Finish(run, storable, counts), output)
        # It holds the autopilot, then its runs, as everybody does; steps hold runs only.
        write = Each(_end_all, end, first=True)
        ended: Run | None = await self.database.awrite(write, of=run.autopilot_id)
        if ended is None:
            return False
        log.info("run ended", run=run.id, autopilot=run.autopilot_id, outcome=_word(storable))
        await self._let_go(ended)
        return True

    async def _judged(self, run: Run, outcome: Outcome | NothingToDo) -> Outcome | NothingToDo:
        """What is recorded of an agent's own word; asked before the transaction.

        The result is kept first: an agent may have told it only once, and this process may be gone
        before there is a verdict.
        """
        job = self.jobs.get(run.id)
        if not isinstance(outcome, Completed) or (job is not None and job.expect is None):
            return outcome
        expected = await self.database.aread(lambda tx: read_expected(tx, run.id))
        if not expected.anything:
            return outcome
        if expected.run.unjudged_since is None:
            mine, now = owned_by(self.owner), self.database.now
            await self.database.awrite(
                lambda tx: keep_result(tx, expected.run, outcome, now(tx), mine),
                of=run.autopilot_id,
            )
        judged = await self.expectations.judge(expected, outcome)
        late = self.unjudged.get(run.id)
        return replace(judged, note=judged.note or late.note) if late else judged

    async def _judge_later(self, run: Run, done: Outcome | NothingToDo, why: str) -> None:
        """Ask again after a while; the result stays on the row, whatever becomes of this server."""
        if not isinstance(done, Completed):
            return
        now, before = await self.now(), self.unjudged.pop(run.id, None)
        self.unjudged[run.id] = judged_later(done, why, before, now, run.deadline_at)
        if before is None or not before.times:
            log.warning("result not judged", run=run.id, why=why)
            note, mine = {"note": with_note(run, why)}, owned_by(self.owner)
            await self.database.awrite(lambda tx: change_run(tx, run.id, note, mine))

    async def _output_of(self, run: Run, outcome: Outcome | NothingToDo) -> str | None:
        """What is kept of the output beside a result that is not that text itself."""
        job, handle = self.jobs.get(run.id), handle_of(run)
        if job is None or handle is None or isinstance(outcome, NothingToDo):
            return None
        if isinstance(outcome.result, str):
            return None
        written = await self.runtimes.output(job, handle, None)
        return str(cut_result(written.text, OUTPUT_LIMIT)) if isinstance(written, Written) else None

    async def let_go(self, run: Run) -> None:
        """Release what the runtime still holds for a run whose end is recorded."""
        current: Run | None = run
        if run.id in self.jobs or run.id in self.prechecks:
            current = await self.database.aread(lambda tx: with_handles(tx, run), shared=True)
        if current is not None:
            await self._let_go(current)

    async def _let_go(self, run: Run) -> None:
        """Release what is known by the handles on `run`, which are those of its row."""
        job, precheck = self.jobs.pop(run.id, None), self.prechecks.pop(run.id, None)
        self.notes.pop(run.id, None)
        self.unjudged.pop(run.id, None)
        self.failures.pop(run.id, None)
        if precheck is not None:
            await self.runtimes.prechecks.release(precheck, precheck_handle_of(run))
        if job is not None:
            await self.release(job, handle_of(run))

    async def release(self, job: Job, handle: Handle | None) -> None:
        """Release once; what is not proven to be gone is tried again with each round.

        Some agents tell what a run has used only after its end.
        """
        released = await self.runtimes.release(job, handle)
        if not isinstance(released, Stopped):
            self.leftovers[job.run_id] = (job, handle)
            return
        self.leftovers.pop(job.run_id, None)
        if (usage := priced(released.usage, self.settings.prices)) is not None:
            await self.database.awrite(lambda tx: add_usage(tx, job.run_id, usage))


def _take_all(tx: Tx, steps: Sequence[tuple[RunnerContext, Step]]) -> list[bool]:
    """Write steps that runs of one process have come to at the same time."""
    runner = steps[0][0]
    return take_steps(tx, [step for _, step in steps], runner.owner, runner.database.now(tx))


class _Ending(NamedTuple):
    """An end that a runner found, with the output that is kept beside its result."""

    runner: RunnerContext
    end: Finish
    output: str | None


def _end_all(tx: Tx, ends: Sequence[_Ending]) -> list[Run | None]:
    """Record ends that one process found at the same time."""
    runner = ends[0].runner
    now, cooldown = runner.database.now(tx), runner.settings.cooldown
    mine = owned_by(runner.owner)
    finished = finish_all(tx, [each.end for each in ends], now, mine, cooldown=cooldown)
    for run, ending in zip(finished, ends, strict=True):
        if run is not None and ending.output:
            save_output(tx, run.id, ending.output)
    return finished


def _storable(outcome: Outcome | NothingToDo, prices: Mapping[str, Price]) -> Outcome | NothingToDo:
    if isinstance(outcome, NothingToDo):
        return outcome
    usage = priced(outcome.usage, prices)
    return replace(outcome, result=cut_result(outcome.result), usage=usage)


def _word(outcome: Outcome | NothingToDo) -> str:
    match outcome:
        case Completed():
            return "completed"
        case Failed(reason):
            return reason.value
        case NothingToDo():
            return Reason.NOTHING_TO_DO.value
