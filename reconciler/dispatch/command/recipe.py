"""How a runtime makes a program of a job, and an outcome of its end: what `Commands` is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from reconciler.core.manifest.arguments import fill_in
from reconciler.core.manifest.runtime import CommandInput, CommandRuntime, Runtime
from reconciler.dispatch.base import Ended, Job, Stopped
from reconciler.dispatch.command.ending import Ending
from reconciler.dispatch.command.input import environment, prompt_of, stdin
from reconciler.dispatch.command.metering import Meter, Trouble
from reconciler.dispatch.command.outcome import outcome_of
from reconciler.dispatch.command.processes import Leader
from reconciler.dispatch.command.tail import tail_text
from reconciler.dispatch.command.usage_lines import UsageLines, told_usage
from reconciler.dispatch.command.written import Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a job's program gets.

    `program` is the name that the operator bound, `chosen` the names of the variables that the
    manifest sets, `folders` the folders that it names, by field; the first is the working
    directory. `lines` and `ends`: see `Launch`.
    """

    program: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    stdin: bytes = field(repr=False)
    chosen: Sequence[str] = ()
    folders: Mapping[str, str]
    lines: Sequence[bytes] = ()
    ends: Sequence[Mapping[str, Sequence[str]]] = ()


class Recipe(Protocol):
    """One kind of program. Nothing here looks at the host."""

    def order(self, job: Job) -> Order:
        """Say what to start. Raises OSError or ValueError with a sentence for people."""
        ...

    def ended(self, job: Job, ending: Ending, answer: bytes) -> Ended:
        """Judge an end by what the program left: `answer` is the lines that were asked for."""
        ...

    def remains(self, job: Job, ending: Ending, answer: bytes) -> Stopped:
        """Return the result and the usage of a run that was stopped: what there was until then."""
        ...

    def meter(self, job: Job) -> Meter | None:
        """Return what reads how much the program has used; None where it never says."""
        ...

    def trouble(self, job: Job) -> Trouble | None:
        """Return what reads why the work does not go on; None where the program never says."""
        ...

    def shown(self, runtime: Runtime) -> Shown:
        """Say how what the program writes is shown while it works."""
        ...

    def session(self, job: Job, leader: Leader) -> str | None:
        """Return the session's id where it is known before the work begins."""
        ...

    def session_in(self, job: Job, line: bytes) -> str | None:
        """Return the session's id that the first of the lines tells."""
        ...


class PlainCommand:
    """The `command` runtime: any program, judged by its exit status."""

    def order(self, job: Job) -> Order:
        """See `Recipe.order`."""
        runtime = job.runtime
        if not isinstance(runtime, CommandRuntime):
            raise TypeError(f"a command runtime was given a job of type {runtime.type}")
        by_prompt = runtime.input is CommandInput.PROMPT
        return Order(
            program=runtime.program,
            arguments=[fill_in(text, job.run_id, job.title) for text in runtime.args],
            environment=environment(job),
            stdin=prompt_of(job) if by_prompt else stdin(job),
            chosen=[*job.env],
            folders={} if runtime.cwd is None else {"cwd": runtime.cwd},
        )

    def ended(self, job: Job, ending: Ending, _answer: bytes) -> Ended:
        """See `Recipe.ended`."""
        if not _tells_usage(job):
            return Ended(outcome_of(job, ending))
        told = told_usage(ending.output)
        outcome = outcome_of(job, replace(ending, output=told.output))
        return Ended(replace(outcome, usage=told.usage, note=told.note))

    def remains(self, job: Job, ending: Ending, _answer: bytes) -> Stopped:
        """See `Recipe.remains`."""
        if not _tells_usage(job):
            return Stopped(ending.output or None)
        told = told_usage(ending.output)
        return Stopped(told.output or None, told.usage)

    def meter(self, job: Job) -> Meter | None:
        """See `Recipe.meter`."""
        return UsageLines() if _tells_usage(job) else None

    def trouble(self, _job: Job) -> Trouble | None:
        """Nothing is known of any program."""
        return None

    def shown(self, _runtime: Runtime) -> Shown:
        """See `Recipe.shown`."""
        return shown_plainly

    def session(self, _job: Job, leader: Leader) -> str | None:
        """The process is the session."""
        return f"{leader.host}:{leader.pid}"

    def session_in(self, _job: Job, _line: bytes) -> str | None:
        """It is known."""
        return None


def _tells_usage(job: Job) -> bool:
    return isinstance(job.runtime, CommandRuntime) and job.runtime.usage is not None


def shown_plainly(output: bytes, _answer: bytes) -> str:
    """Output as it came, as text."""
    return tail_text(output, 0)
