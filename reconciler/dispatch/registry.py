"""All runtimes as one: each job goes to the runtime of its type."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import structlog

from reconciler.clock import Clock
from reconciler.core.manifest.reach import LOOPBACK, Grant
from reconciler.core.manifest.runtime import (
    A2aRuntime,
    AegisRuntime,
    CliRuntime,
    CommandRuntime,
    HttpRuntime,
    WorkerRuntime,
)
from reconciler.core.manifest.runtime import Runtime as RuntimeSpec
from reconciler.dispatch.a2a.runtime import A2aPatience, A2aTasks
from reconciler.dispatch.aegis.runtime import AegisSessions
from reconciler.dispatch.aegis.waits import Waits
from reconciler.dispatch.base import (
    Answer,
    AnswersQuestions,
    Elsewhere,
    Handle,
    Job,
    NotAnswered,
    Observation,
    Record,
    Runtime,
    Start,
    Stop,
    TakesHints,
    TellsOutput,
    Unseen,
    Written,
    no_hint,
)
from reconciler.dispatch.cli.recipe import CodingAgents
from reconciler.dispatch.command.precheck import Prechecks
from reconciler.dispatch.command.runtime import Commands
from reconciler.dispatch.command.termination import Graces
from reconciler.dispatch.http.api.calls import Evaluate, no_expressions
from reconciler.dispatch.http.api.runtime import ApiPatience
from reconciler.dispatch.http.runtime import HttpAgents, Patience
from reconciler.dispatch.reach import Reach
from reconciler.dispatch.wire import new_client
from reconciler.dispatch.worker import Workers

log = structlog.get_logger(__name__)

OUTPUT_SECONDS = 5.0
"""What a runtime gets to tell what the work has written."""


class Runtimes:
    """All runtimes on one HTTP client; itself a `Runtime`. Create it within the event loop."""

    def __init__(
        self,
        clock: Clock,
        *,
        commands: Mapping[str, Path] | None = None,
        grants: Mapping[str, Grant] | None = None,
        runs_dir: Path = Path(".reconciler/runs"),
        aegis: Grant | None = None,
        own_port: int | None = None,
        allowed_urls: Sequence[str] = LOOPBACK,
        permission_modes: Sequence[str] = (),
        graces: Graces | None = None,
        waits: Waits | None = None,
        patience: Patience | None = None,
        notify: Callable[[], None] = no_hint,
        evaluate: Evaluate = no_expressions,
        api_patience: ApiPatience | None = None,
        a2a_patience: A2aPatience | None = None,
    ) -> None:
        """`commands`, `allowed_urls` and `permission_modes` are the settings `allow_command`,
        `allowed_runtime_urls` and `allowed_permission_modes`. `notify` is called, in the event
        loop, when a poll would find news: a hint that may be lost. `evaluate` gives the values of
        the templates of `http` runtimes. The others are for tests."""
        reach = Reach(tuple(allowed_urls), own_port)
        self._http = new_client()
        self._by_type: dict[type[RuntimeSpec], Runtime] = {
            AegisRuntime: AegisSessions(
                self._http, reach, permission_modes, clock, waits, notify, grant=aegis or Grant()
            ),
            A2aRuntime: A2aTasks(self._http, reach, clock, notify, a2a_patience),
            HttpRuntime: HttpAgents(
                self._http, reach, clock, patience, notify, evaluate, api_patience
            ),
            CommandRuntime: Commands(
                commands or {}, grants, folder=runs_dir, graces=graces, notify=notify
            ),
            CliRuntime: Commands(
                commands or {},
                grants,
                folder=runs_dir,
                graces=graces,
                notify=notify,
                recipe=CodingAgents(permission_modes),
            ),
            WorkerRuntime: Workers(),
        }
        self.prechecks: Runtime = Commands(
            commands or {},
            grants,
            folder=runs_dir,
            graces=graces,
            notify=notify,
            recipe=Prechecks(),
        )
        """The programs that run before any agent is asked, by jobs of a `command` runtime."""

    def of(self, spec: RuntimeSpec) -> Runtime:
        """Return the runtime of a manifest's `type`."""
        return self._by_type[type(spec)]

    async def start(self, job: Job, record: Record) -> Start:
        """See `Runtime.start`."""
        return await self.of(job.runtime).start(job, record)

    async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> Mapping[str, Observation]:
        """Poll all runtimes at once; an exception in one of them does not affect the others."""
        groups: dict[type[RuntimeSpec], list[tuple[Job, Handle]]] = {}
        for job, handle in jobs:
            groups.setdefault(type(job.runtime), []).append((job, handle))
        rounds = [self._by_type[kind].observe(group) for kind, group in groups.items()]
        seen: dict[str, Observation] = {}
        parts = await asyncio.gather(*rounds, return_exceptions=True)
        for group, part in zip(groups.values(), parts, strict=True):
            seen |= _unseen(group, part) if isinstance(part, BaseException) else part
        return seen

    async def stop(self, job: Job, handle: Handle) -> Stop:
        """See `Runtime.stop`."""
        return await self.of(job.runtime).stop(job, handle)

    async def answer(self, job: Job, handle: Handle, question: str, approved: bool) -> Answer:
        """See `AnswersQuestions.answer`; a runtime without it cannot pass an answer on."""
        match self.of(job.runtime):
            case AnswersQuestions() as runtime:
                return await runtime.answer(job, handle, question, approved)
            case _:
                return NotAnswered(f"a {job.runtime.type} agent takes no answers from here")

    async def release(self, job: Job, handle: Handle | None) -> Stop:
        """See `Runtime.release`."""
        return await self.of(job.runtime).release(job, handle)

    def hint(self, run_id: str) -> bool:
        """See `TakesHints.hint`."""
        runtimes = [each for each in self._by_type.values() if isinstance(each, TakesHints)]
        return any(runtime.hint(run_id) for runtime in runtimes)

    async def output(
        self, job: Job, handle: Handle, after: str | None
    ) -> Written | Elsewhere | None:
        """What the work has written after a position; None where its runtime cannot tell.

        Whoever ends a run asks as well: nothing that goes wrong here may keep it from its end.
        """
        runtime = self.of(job.runtime)
        if not isinstance(runtime, TellsOutput):
            return None
        try:
            async with asyncio.timeout(OUTPUT_SECONDS):
                return await runtime.output(job, handle, after)
        except Exception as error:
            log.warning("output cannot be told", runtime=job.runtime.type, exc_info=error)
            return None

    async def close(self) -> None:
        """Close connections and open requests; processes and sessions stay as they are."""
        for runtime in (*self._by_type.values(), self.prechecks):
            await runtime.close()
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _unseen(group: Sequence[tuple[Job, Handle]], error: BaseException) -> dict[str, Observation]:
    if not isinstance(error, Exception):
        raise error
    log.error("poll failed", runtime=group[0][0].runtime.type, exc_info=error)
    return {job.run_id: Unseen(f"the poll failed: {error!r}") for job, _ in group}
