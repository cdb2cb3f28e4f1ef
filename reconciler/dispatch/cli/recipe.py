"""The `cli` runtime: coding agents by their own command line (docs/runtimes.md#cli).

All that a `command` runtime does for its programs holds here: gate, supervisor, proof of the end.
"""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial

from reconciler.core.base.money import parse_dollars
from reconciler.core.manifest.arguments import fill_in
from reconciler.core.manifest.coding_agents import CodingAgent
from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.runtime import CliRuntime, Runtime
from reconciler.core.runs.run import Failed
from reconciler.core.runs.usage import Usage, reported
from reconciler.dispatch.base import Ended, Job, Stopped
from reconciler.dispatch.cli.adapter import Adapter, Answer, read_lines, shown_lines
from reconciler.dispatch.cli.claude import CLAUDE
from reconciler.dispatch.cli.codex import CODEX
from reconciler.dispatch.cli.copilot import COPILOT
from reconciler.dispatch.cli.gemini import GEMINI
from reconciler.dispatch.cli.opencode import OPENCODE
from reconciler.dispatch.cli.result import exhausted, outcome_of, result_of, trouble_of, used
from reconciler.dispatch.command.ending import Ending
from reconciler.dispatch.command.input import environment, prompt_of
from reconciler.dispatch.command.metering import Meter, Trouble
from reconciler.dispatch.command.processes import Leader
from reconciler.dispatch.command.recipe import Order
from reconciler.dispatch.command.supervisor import ANSWER
from reconciler.dispatch.command.written import Shown

ADAPTERS: Mapping[CodingAgent, Adapter] = {
    CodingAgent.CLAUDE: CLAUDE,
    CodingAgent.CODEX: CODEX,
    CodingAgent.GEMINI: GEMINI,
    CodingAgent.COPILOT: COPILOT,
    CodingAgent.OPENCODE: OPENCODE,
}


class CodingAgents:
    """`permission_modes` is the setting `allowed_permission_modes`."""

    def __init__(self, permission_modes: Sequence[str]) -> None:
        self._modes = tuple(permission_modes)

    def order(self, job: Job) -> Order:
        """See `Recipe.order`."""
        runtime, adapter = _of(job)
        mode = runtime.permission_mode
        if mode is not None and mode not in self._modes:
            raise PermissionError(
                f"permissionMode {mode!r} is not admitted; the setting "
                f"allowed_permission_modes admits {', '.join(self._modes) or 'none'}"
            )
        home = {} if runtime.home is None else {"home": runtime.home}
        return Order(
            program=runtime.program,
            arguments=adapter.call(runtime, session_of(job), _budgeted(adapter, runtime, job)),
            environment={
                **adapter.variables,
                **environment(job),
                **({"HOME": runtime.home} if runtime.home else {}),
            },
            stdin=prompt_of(job),
            chosen=[*job.env],
            folders={"workDir": runtime.work_dir, **home},
            lines=adapter.lines,
            ends=adapter.ends,
        )

    def ended(self, job: Job, ending: Ending, answer: bytes) -> Ended:
        """See `Recipe.ended`."""
        runtime, adapter = _of(job)
        read = read_lines(adapter, answer)
        if not ending.lingered:  # else the status is of how it was stopped
            read = adapter.exited(read, ending.status)
        outcome = outcome_of(runtime, read, ending, result_of(adapter, runtime, read, ending))
        none_left = exhausted(read) if isinstance(outcome, Failed) else None
        named = job.mode is ExecutionMode.CREATE_SESSION and not adapter.chooses
        return Ended(outcome, none_left, read.session_id if named else None)

    def remains(self, job: Job, ending: Ending, answer: bytes) -> Stopped:
        """See `Recipe.remains`."""
        runtime, adapter = _of(job)
        read = read_lines(adapter, answer)
        usage, _ = reported(used(runtime, read))
        return Stopped(result_of(adapter, runtime, read, ending) or None, usage)

    def meter(self, job: Job) -> Meter | None:
        """See `Recipe.meter`."""
        return AgentMeter(*_of(job))

    def trouble(self, job: Job) -> Trouble | None:
        """See `Recipe.trouble`."""
        _, adapter = _of(job)
        return None if adapter.trouble is None else partial(trouble_of, adapter.trouble)

    def shown(self, runtime: Runtime) -> Shown:
        """See `Recipe.shown`."""
        if not isinstance(runtime, CliRuntime):
            raise TypeError(f"a cli runtime was given a job of type {runtime.type}")
        return partial(shown_lines, ADAPTERS[runtime.agent])

    def session(self, job: Job, _leader: Leader) -> str | None:
        """See `Recipe.session`."""
        _, adapter = _of(job)
        return session_of(job) if adapter.chooses else None

    def session_in(self, job: Job, line: bytes) -> str | None:
        """See `Recipe.session_in`."""
        _, adapter = _of(job)
        return read_lines(adapter, line).session_id


class AgentMeter:
    """See `Meter`: the records of an agent, of which only the usage is kept."""

    stream = ANSWER

    def __init__(self, runtime: CliRuntime, adapter: Adapter) -> None:
        self._runtime = runtime
        self._adapter = adapter
        self._answer = Answer()

    @property
    def used(self) -> Usage | None:
        """See `Meter.used`."""
        return reported(used(self._runtime, self._answer))[0]

    def take(self, lines: bytes) -> None:
        """See `Meter.take`."""
        answer = read_lines(self._adapter, lines, self._answer)
        self._answer = Answer(session_id=answer.session_id, usage=answer.usage)


def session_of(job: Job) -> str:
    """A UUID that follows from the run and its attempt: an agent refuses one it has seen.

    An attempt that was refused for want of quota is not counted, but moves the deadline.
    """
    attempt = f"{job.run_id}\n{job.attempt}\n{job.deadline.isoformat()}"
    digest = hashlib.sha256(attempt.encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def _of(job: Job) -> tuple[CliRuntime, Adapter]:
    if not isinstance(job.runtime, CliRuntime):
        raise TypeError(f"a cli runtime was given a job of type {job.runtime.type}")
    return job.runtime, ADAPTERS[job.runtime.agent]


def _budgeted(adapter: Adapter, runtime: CliRuntime, job: Job) -> list[str]:
    """The manifest's options, and what the run may cost: the less of the two where both say it."""
    further, option = _further(runtime, job), f"{adapter.budget}="
    if adapter.budget is None or not job.allowance_micros:
        return further
    most = job.allowance_micros
    for text in further:
        if text.startswith(option):
            with suppress(ValueError):
                most = min(most, parse_dollars(text.removeprefix(option)))
    others = [text for text in further if not text.startswith(option)]
    return [*others, f"{option}{Decimal(most).scaleb(-6).normalize():f}"]


def _further(runtime: CliRuntime, job: Job) -> list[str]:
    """The manifest's options, each in one argument with its value.

    A title may come from a payload: apart from its option, one that begins with '-' would be an
    option of its own.
    """
    further: list[str] = []
    for text in runtime.args:
        filled = fill_in(text, job.run_id, job.title)
        if text.startswith("-"):
            further.append(filled)
        else:
            further[-1] += f"={filled}"
    return further
