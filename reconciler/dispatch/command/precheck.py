"""Prechecks: the `command` runtime, judged by another table of exit statuses."""

from dataclasses import replace

from reconciler.core.manifest.runtime import Runtime
from reconciler.core.runs.precheck import GO_ON, NOTHING, SENTENCE, answer_of
from reconciler.core.runs.result import cut_result
from reconciler.core.runs.run import Completed, Failed, Outcome, Reason
from reconciler.dispatch.base import Ended, Job, Stopped
from reconciler.dispatch.command.ending import Ending
from reconciler.dispatch.command.metering import Meter, Trouble
from reconciler.dispatch.command.outcome import how, outcome_of
from reconciler.dispatch.command.processes import Leader
from reconciler.dispatch.command.recipe import Order, PlainCommand
from reconciler.dispatch.command.written import Shown

STDERR_LIMIT = 8 * 1024
"""Bytes of its stderr that are kept of one that went wrong."""
ANSWER_LIMIT = 8 * 1024 * 1024
"""More bytes than a supervisor keeps of stdout, also with each that is no UTF-8 put in words."""
_EVERY_LINE = b""
"""A text that every line holds: all of stdout is kept, apart from stderr."""


class Prechecks:
    """The recipe of prechecks: a completed one says which of the two answers it gave.

    It takes from `PlainCommand` what to start, and inherits nothing: how one of those is judged
    must never become how these are.
    """

    _plain = PlainCommand()

    def order(self, job: Job) -> Order:
        """See `Recipe.order`."""
        return replace(self._plain.order(job), lines=(_EVERY_LINE,))

    def ended(self, job: Job, ending: Ending, answer: bytes) -> Ended:
        """See `Recipe.ended`."""
        return Ended(_outcome(job, ending, answer))

    def remains(self, _job: Job, _ending: Ending, _answer: bytes) -> Stopped:
        """A precheck that was stopped leaves no result: no agent has worked."""
        return Stopped()

    def meter(self, _job: Job) -> Meter | None:
        """No model is asked."""
        return None

    def trouble(self, job: Job) -> Trouble | None:
        """See `Recipe.trouble`."""
        return self._plain.trouble(job)

    def shown(self, runtime: Runtime) -> Shown:
        """See `Recipe.shown`."""
        return self._plain.shown(runtime)

    def session(self, job: Job, leader: Leader) -> str | None:
        """The process is the session."""
        return self._plain.session(job, leader)

    def session_in(self, _job: Job, _line: bytes) -> str | None:
        """It is known."""
        return None


def _outcome(job: Job, ending: Ending, answer: bytes) -> Outcome:
    if ending.error is None and not ending.outside and ending.status in (GO_ON, NOTHING):
        output = cut_result(answer.decode("utf-8", "replace"), ANSWER_LIMIT)
        return Completed(answer_of(ending.status, output))
    stderr = cut_result(ending.output, STDERR_LIMIT)
    if ending.error is not None or ending.outside:
        return replace(outcome_of(job, ending), result=stderr)
    name, stderr_line = getattr(job.runtime, "program", "the program"), _line(ending.output)
    message = f"{name} {how(ending.status)}{': ' if stderr_line else ''}{stderr_line}"
    return Failed(Reason.PRECHECK_FAILED, message, stderr)


def _line(output: str) -> str:
    return " ".join(output.split())[-SENTENCE:]
